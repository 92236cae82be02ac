//! The trait of stream stores: ordered shards, durable appends, and outputs that are committed
//! together with the checkpoint that caused them.
//!
//! A checkpoint lives in the log of its *home* stream: a query's in its output stream, a delivery's
//! in its source. One frame holds rows and checkpoint, so no second store has to agree.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::datagram::sensor_stream::SensorStream;
use crate::name::{ConsumerName, StreamName};
use crate::stream::checkpoint::Checkpoint;
use crate::stream::lives::Lives;
use crate::stream::put_run::PutRun;
use crate::stream::record::{Appended, PutEntry, Record};
use crate::stream::sequence_number::SequenceNumber;
use crate::stream::settings::{StreamMode, StreamSettings, Tags};
use crate::stream::shard::{Reshard, ReshardError, ShardId, ShardMap};

/// What a stream is created with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamOptions {
    /// Open shards at creation, at least 1.
    pub shards: u32,
    /// Who counts shards.
    pub mode: StreamMode,
    /// Records older than this may be dropped.
    pub retention: Duration,
    /// When the stream is larger than this on disk, its oldest records may be dropped.
    pub retention_bytes_max: Option<u64>,
    /// The most data and key one record may have.
    pub record_bytes_max: usize,
    /// The stream's labels.
    pub tags: Tags,
    /// MiB a second that the stream is kept ready for.
    pub warm_throughput_mibps: Option<u32>,
    /// Where the records are sensor datagrams, what they hold.
    pub sensor: Option<SensorStream>,
}

impl StreamOptions {
    /// What the stream is told to be at first.
    pub fn settings(&self) -> StreamSettings {
        StreamSettings {
            mode: self.mode,
            retention: self.retention,
            retention_bytes_max: self.retention_bytes_max,
            record_bytes_max: self.record_bytes_max,
            tags: self.tags.clone(),
            warm_throughput_mibps: self.warm_throughput_mibps,
            sensor: self.sensor.clone(),
            ..StreamSettings::default()
        }
    }
}

impl Default for StreamOptions {
    /// One provisioned shard, 24 hours, no limit by size, records up to 1 MiB: the defaults of
    /// Kinesis.
    fn default() -> Self {
        let StreamSettings { mode, retention, retention_bytes_max, record_bytes_max, .. } = StreamSettings::default();
        StreamOptions {
            shards: 1,
            mode,
            retention,
            retention_bytes_max,
            record_bytes_max,
            tags: Tags::new(),
            warm_throughput_mibps: None,
            sensor: None,
        }
    }
}

/// What is known of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamDescription {
    /// Its name.
    pub name: StreamName,
    /// When it was created.
    pub created_at: Timestamp,
    /// What it is told to be.
    pub settings: StreamSettings,
    /// Its shards, open and closed.
    pub shards: ShardMap,
    /// Which numbers are its own. Another `first` says that it is another stream of the same name.
    pub lives: Lives,
}

impl StreamDescription {
    /// What its records hold, if they are sensor datagrams.
    pub fn sensor(&self) -> Option<&SensorStream> {
        self.settings.sensor.as_ref()
    }
}

/// Where a reader begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartingPosition {
    /// The oldest record kept.
    TrimHorizon,
    /// After every record that was readable when asked.
    Latest,
    /// The record of that number, or the next one there is.
    At(SequenceNumber),
    /// The first record above that number.
    After(SequenceNumber),
    /// The first record that arrived at that time or later; [`StartingPosition::Latest`] when there
    /// is none. Records that are lost right before it count, as they may have arrived no earlier.
    AtTime(Timestamp),
}

/// How much one read returns, and whether it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimit {
    /// The most records, at least 1.
    pub records_max: usize,
    /// Stop after the record that reaches this many bytes of data and keys; one record always fits.
    pub bytes_max: usize,
    /// At the tip of an open shard, wait for a record instead of returning none.
    pub wait: bool,
}

/// Records of one shard, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadBatch {
    /// May be empty, only at the tip.
    pub records: Vec<Record>,
    /// Where to read next.
    pub next: SequenceNumber,
    /// The number the shard's next record would get: `next == tip` means nothing is left to read
    /// now.
    pub tip: SequenceNumber,
    /// The shard is closed and this was its end: go on with its children.
    pub end_of_shard: bool,
    /// A promise of the store: no record at `next` or after it arrives, or arrived, before this
    /// time.
    pub complete_until: Timestamp,
    /// Records before the ones read that the store has lost, as its operator knows: the read passes
    /// their numbers. At most so many; zero unless damage was repaired.
    pub lost: u64,
}

/// What an append did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendedBatch {
    /// The stream as it was when the accepted entries were routed: its map has every shard that took one.
    pub stream: Arc<StreamDescription>,
    /// One result per entry, in order.
    pub results: Vec<Result<Appended, AppendError>>,
}

/// Why one entry of an append was not taken. The others stand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The store takes no more at the moment; the producer slows down and tries again.
    #[error("{shard} has too many bytes waiting to be written")]
    Throttled {
        /// The shard that the entry belongs to.
        shard: ShardId,
    },
    /// More data and key than the stream allows.
    #[error("a record of {bytes} bytes is over the stream's limit of {bytes_max}")]
    TooLarge {
        /// What was given.
        bytes: usize,
        /// What is allowed.
        bytes_max: usize,
    },
    /// The store gave no answer in time. The record may be kept or not: a producer that tries again
    /// may put it twice.
    #[error("{shard} did not answer: {reason}")]
    Unanswered {
        /// The shard that the entry belongs to.
        shard: ShardId,
        /// What the backend said.
        reason: String,
    },
}

/// Why an operation on streams failed as a whole.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// No stream of that name.
    #[error("stream `{0}` does not exist")]
    NotFound(StreamName),
    /// The name is taken.
    #[error("stream `{0}` already exists")]
    Exists(StreamName),
    /// Another bound of the store: too many streams, say.
    #[error("{0}")]
    LimitExceeded(String),
    /// No shard of that id, or its records are past retention and it is gone.
    #[error("{shard} of stream `{stream}` does not exist")]
    ShardNotFound {
        /// The stream.
        stream: StreamName,
        /// What was asked for.
        shard: ShardId,
    },
    /// The place to read from is older than what is kept. Reading on at `oldest` skips records.
    #[error("{shard} of stream `{stream}` begins at {oldest}: older records have expired")]
    Trimmed {
        /// The stream.
        stream: StreamName,
        /// The shard.
        shard: ShardId,
        /// The first number that is kept.
        oldest: SequenceNumber,
    },
    /// The shard map cannot change like that.
    #[error("stream `{stream}` cannot be resharded")]
    Reshard {
        /// The stream.
        stream: StreamName,
        /// Why not.
        #[source]
        source: ReshardError,
    },
    /// Somebody else has altered the stream since its settings were read.
    #[error("the settings of stream `{0}` were changed by another call")]
    SettingsConflict(StreamName),
    /// Somebody else has committed for this consumer since its checkpoint was read.
    #[error("consumer `{consumer}` is at version {found}, not at {expected}: another holder has committed")]
    CheckpointConflict {
        /// The consumer.
        consumer: ConsumerName,
        /// The version this commit would have replaced.
        expected: u64,
        /// The version that stands.
        found: u64,
    },
    /// A commit's outputs or state that can never be taken as they are.
    #[error("the commit of consumer `{consumer}` is not valid: {reason}")]
    InvalidCommit {
        /// The consumer.
        consumer: ConsumerName,
        /// What is wrong with it.
        reason: String,
    },
    /// The store takes no more at the moment.
    #[error("stream `{0}` has too many bytes waiting to be written")]
    Throttled(StreamName),
    /// The disk has no room: nothing of this was taken, what was there before stands, and reads go
    /// on. Trying again later helps as soon as there is room.
    #[error(
        "stream `{stream}` accepts no records while the disk is full: {doing}; free some space, no restart is needed"
    )]
    DiskFull {
        /// The stream.
        stream: StreamName,
        /// What the disk had no room for.
        doing: String,
    },
    /// The store does not have the key that the stream is, or was to be, encrypted with.
    #[error("stream `{stream}` needs key `{key}`, which is not in the key file")]
    KeyMissing {
        /// The stream.
        stream: StreamName,
        /// The key's name.
        key: String,
    },
    /// The store has another key by the name of the one that the stream is encrypted with.
    #[error("stream `{stream}` is encrypted with a different key than `{key}` in the key file")]
    KeyDiffers {
        /// The stream.
        stream: StreamName,
        /// The key's name.
        key: String,
    },
    /// The stream was to be encrypted with a key that is not at hand, and the place where keys come
    /// from cannot be used. Keys that are at hand stay in use.
    #[error(
        "stream `{stream}` cannot be encrypted with key `{key}`: the key file cannot be used: {reason}; correct the \
         file and try again, no restart is needed"
    )]
    KeysUnusable {
        /// The stream.
        stream: StreamName,
        /// The key's name.
        key: String,
        /// What is wrong with the file.
        reason: String,
    },
    /// Bytes read are not the bytes written.
    #[error(
        "stream `{stream}` is damaged: {file} at offset {offset}: {reason}; stop the server and run `gallop repair` on \
         its data folder"
    )]
    Damaged {
        /// The stream.
        stream: StreamName,
        /// The file, relative to the store's folder.
        file: String,
        /// Where in it.
        offset: u64,
        /// What does not fit.
        reason: String,
    },
    /// The data folder takes no writes since the server started, and nothing was changed.
    #[error(
        "stream `{0}` accepts no changes: the data folder was on a read-only file system when the server started; make it writable and restart the server"
    )]
    ReadOnly(StreamName),
    /// A write or sync failed: what reached the disk is unknown, so the stream takes no more
    /// records until it is opened anew.
    #[error("stream `{stream}` accepts no records since a write failed: {reason}; restart to recover what is on disk")]
    Stopped {
        /// The stream.
        stream: StreamName,
        /// What failed first.
        reason: String,
    },
    /// Anything else the backend met.
    #[error("stream `{stream}`: {doing}")]
    Io {
        /// The stream.
        stream: StreamName,
        /// What was being done.
        doing: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Sharded, ordered, durable logs. Implementations: the embedded log, Kafka, and memory for tests; all run the suite of
/// `testing::conformance`.
///
/// ```
/// # use std::sync::Arc;
/// # use model::clock::SystemClock;
/// # use model::name::StreamName;
/// # use model::stream::hash_key::PartitionKey;
/// # use model::stream::record::PutEntry;
/// # use model::stream::store::{ReadLimit, StartingPosition, StreamOptions, StreamStore};
/// # use model::testing::memory_store::MemoryStore;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryStore::new(Arc::new(SystemClock));
/// let rides = StreamName::new("rides")?;
/// store.create(&rides, StreamOptions { shards: 4, ..StreamOptions::default() }).await?;
///
/// let entry = PutEntry::new(PartitionKey::new("Nimbus")?, "at the park");
/// let batch = store.append(&rides, vec![entry]).await?;
/// let appended = batch.results[0].clone()?;
///
/// let from = store.locate(&rides, appended.shard, StartingPosition::TrimHorizon).await?;
/// let limit = ReadLimit { records_max: 100, bytes_max: 1 << 20, wait: false };
/// let read = store.read(&rides, appended.shard, from, limit).await?;
/// assert_eq!(read.records[0].data, "at the park");
/// assert_eq!(read.next, read.tip, "nothing is left to read now");
/// # Ok(())
/// # }
/// ```
///
/// Every future is cancel-safe: dropping an append leaves its entries either all in or, if they had
/// not been handed to the writer, all out.
#[async_trait]
pub trait StreamStore: Send + Sync {
    /// Creates a stream; it takes records as soon as this returns, and is still there after a
    /// crash. Its numbers are above those of all earlier streams of the name.
    async fn create(&self, stream: &StreamName, options: StreamOptions) -> Result<Arc<StreamDescription>, StreamError>;

    /// Deletes a stream with its records and the checkpoints kept in it.
    async fn delete(&self, stream: &StreamName) -> Result<(), StreamError>;

    /// All streams by name, in order.
    async fn list(&self) -> Result<Vec<StreamName>, StreamError>;

    /// What is known of a stream. Cheap: called for every request.
    async fn describe(&self, stream: &StreamName) -> Result<Arc<StreamDescription>, StreamError>;

    /// Changes the shard map. Records appended before are in the closed parents, later ones in the
    /// children.
    async fn reshard(&self, stream: &StreamName, change: Reshard) -> Result<Arc<StreamDescription>, StreamError>;

    /// Replaces the settings `from`, which [`StreamStore::describe`] has shown, by `to`: durable
    /// when this returns, all of it or nothing. Error [`StreamError::SettingsConflict`] where other
    /// settings stand by now. A shorter retention holds at once: no older record is read any more.
    /// Records that come after an encryption key was set are encrypted with it at rest,
    /// [`StreamError::KeyMissing`] where the store cannot.
    async fn alter(
        &self,
        stream: &StreamName,
        from: &StreamSettings,
        to: StreamSettings,
    ) -> Result<Arc<StreamDescription>, StreamError>;

    /// Appends entries, each to the open shard that owns its hash key. When this returns, accepted entries are
    /// durable and readable. Entries of one call that share a shard keep their order. One result per entry, in order,
    /// and the stream as it was when the entries were routed: a caller does not have to describe it again.
    async fn append(&self, stream: &StreamName, entries: Vec<PutEntry>) -> Result<AppendedBatch, StreamError>;

    /// Appends a run of small records: the same as [`StreamStore::append`] of its entries, for sources that have millions a
    /// second. Returns the entries that were not taken, by their place, in order: all others are durable and readable. A
    /// store may wait for room instead of throttling. One that has no faster way calls
    /// [`StreamStoreExt::append_run_as_entries`].
    async fn append_run(&self, stream: &StreamName, run: PutRun) -> Result<Vec<(usize, AppendError)>, StreamError>;

    /// The number that a reader who begins at `position` reads first.
    async fn locate(
        &self,
        stream: &StreamName,
        shard: ShardId,
        position: StartingPosition,
    ) -> Result<SequenceNumber, StreamError>;

    /// Reads from `from` on; only durable records, in order, without gaps in what was written, but
    /// for what is counted in [`ReadBatch::lost`]. Numbers may have gaps. What is below the shard's
    /// first number stands for that.
    /// Error [`StreamError::Trimmed`] where `from` is older than what is kept.
    async fn read(
        &self,
        stream: &StreamName,
        shard: ShardId,
        from: SequenceNumber,
        limit: ReadLimit,
    ) -> Result<ReadBatch, StreamError>;

    /// Drops what retention no longer asks to keep: records by their age, and shards by the time
    /// they have been closed. No record that is older than retention at that moment is read any
    /// more. Called from time to time.
    async fn trim(&self, stream: &StreamName) -> Result<(), StreamError>;

    /// Makes `outputs`, appended to `home`, and `checkpoint` durable together or not at all, and
    /// returns where the outputs went. The checkpoint is kept in `home`: a query's home is its
    /// output stream, a delivery's its source.
    ///
    /// `checkpoint.version` must be one above what [`StreamStore::checkpoint`] returns (1 when
    /// there is none), else [`StreamError::CheckpointConflict`]. An output that `append` would
    /// refuse is [`StreamError::InvalidCommit`]. Waits for room instead of throttling: a commit is
    /// never half taken.
    async fn commit(
        &self,
        home: &StreamName,
        consumer: &ConsumerName,
        checkpoint: Checkpoint,
        outputs: Vec<PutEntry>,
    ) -> Result<Vec<Appended>, StreamError>;

    /// The last checkpoint committed for `consumer` in `home`. It outlives the retention of
    /// records.
    async fn checkpoint(&self, home: &StreamName, consumer: &ConsumerName) -> Result<Option<Checkpoint>, StreamError>;
}

/// What every store can do by means of the operations of [`StreamStore`]. It stands apart so that no layer before a store can
/// forget to pass it on.
#[async_trait]
pub trait StreamStoreExt: StreamStore {
    /// Appends a run as entries of their own: [`StreamStore::append_run`] for stores without a faster way.
    async fn append_run_as_entries(
        &self,
        stream: &StreamName,
        run: PutRun,
    ) -> Result<Vec<(usize, AppendError)>, StreamError> {
        let batch = self.append(stream, run.to_entries()).await?;
        Ok(batch.results.into_iter().enumerate().filter_map(|(place, result)| Some((place, result.err()?))).collect())
    }
}

impl<S: StreamStore + ?Sized> StreamStoreExt for S {}
