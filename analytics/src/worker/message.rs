//! What server and worker say to each other. Both are the same binary, so the words have no versions.

use std::ops::Range;
use std::path::PathBuf;

use model::clock::Timestamp;
use model::name::StreamName;
use model::stream::lives::Lives;
use model::stream::sequence_number::SequenceNumber;
use model::stream::settings::StreamSettings;
use model::stream::shard::{ShardId, ShardMap};
use serde::{Deserialize, Serialize};

use crate::adhoc::limits::AdhocLimits;
use crate::worker::failure::{AccessFailure, ArchiveFailure, Failure, StreamFailure};

/// What a worker answers from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Opening {
    pub(crate) archive: OpeningArchive,
    /// Whether the server has streams.
    pub(crate) streams: bool,
    pub(crate) limits: AdhocLimits,
}

/// Where a worker reads archived objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum OpeningArchive {
    None,
    /// In a folder, by itself.
    Folder(PathBuf),
    /// Through the server.
    Server,
}

/// From the server. The first is `Open`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToWorker {
    Open(Box<Opening>),
    /// Answered with `Columns`, `Rows`, and then `Finished` or `Failed`; and with `Idle` at the very end.
    Query {
        sql: String,
        /// Whether the worker must ask which tables may be read.
        limited: bool,
    },
    /// The same without `Rows`.
    Describe {
        sql: String,
        limited: bool,
    },
    /// Nobody reads the answer any more: `Idle` is all that is still waited for.
    Cancel,
    /// An answer to a call, or a part of it when `more` follow.
    Answer {
        call: u64,
        more: bool,
        answer: Answer,
    },
}

/// From the worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromWorker {
    /// The worker wants to know something.
    Call { call: u64, asked: Asked },
    /// The worker has looked through an object.
    Learned { object: String, columns: String },
    /// The body is the schema.
    Columns,
    /// The body is some rows.
    Rows,
    /// There are no more rows.
    Finished,
    /// There are no more rows, because of this.
    Failed(Failure),
    /// Nothing of the query runs any more.
    Idle {
        /// Whether the worker should answer no other one.
        spent: bool,
    },
}

/// What a worker asks of the server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Asked {
    /// What is known of objects.
    Columns(Vec<String>),
    /// Whether whoever asks may read a table.
    Access(String),
    Streams,
    Stream(StreamName),
    Locate {
        stream: StreamName,
        shard: ShardId,
        end: ShardEnd,
    },
    Read {
        stream: StreamName,
        shard: ShardId,
        from: SequenceNumber,
        records_max: usize,
        bytes_max: usize,
    },
    Folders,
    Objects {
        prefix: String,
    },
    Object {
        name: String,
        range: Range<u64>,
    },
}

/// One of the two ends of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ShardEnd {
    Oldest,
    Latest,
}

/// What the server answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Columns(Vec<Option<String>>),
    Access(Result<(), AccessFailure>),
    Streams(Vec<StreamName>),
    Stream(Box<Described>),
    Number(SequenceNumber),
    /// The body has the records.
    Records {
        next: SequenceNumber,
        tip: SequenceNumber,
        end_of_shard: bool,
        complete_until: Timestamp,
        lost: u64,
    },
    StreamFailed(StreamFailure),
    Folders(Vec<String>),
    Objects(Vec<Listed>),
    /// The body has the bytes.
    Object,
    ArchiveFailed(ArchiveFailure),
}

/// A stream's description.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Described {
    pub(crate) name: StreamName,
    pub(crate) created_at: Timestamp,
    pub(crate) settings: StreamSettings,
    pub(crate) shards: ShardMap,
    pub(crate) lives: Lives,
}

/// An object in a listing.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) written_at: Option<Timestamp>,
}
