//! Errors as they go over the pipes. What somebody acts on stays what it is; everything else is its text.

use std::ops::Range;

use model::archive::store::{ArchiveError, ObjectName};
use model::name::StreamName;
use model::query::engine::{Location, SqlError, SqlErrorKind};
use model::stream::access::AccessError;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::StreamError;
use model::text::chain::chain;
use serde::{Deserialize, Serialize};

/// [`SqlError`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
    location: Option<(u64, u64)>,
    suggestion: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    Invalid,
    Refused,
    Denied,
    LimitExceeded,
    Failed,
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        let kind = match error.kind {
            SqlErrorKind::Invalid => Kind::Invalid,
            SqlErrorKind::Refused => Kind::Refused,
            SqlErrorKind::Denied => Kind::Denied,
            SqlErrorKind::LimitExceeded => Kind::LimitExceeded,
            SqlErrorKind::Failed => Kind::Failed,
        };
        let location = error.location.map(|location| (location.line, location.column));
        Failure { kind, message: error.message, location, suggestion: error.suggestion }
    }
}

impl From<Failure> for SqlError {
    fn from(failure: Failure) -> Self {
        let kind = match failure.kind {
            Kind::Invalid => SqlErrorKind::Invalid,
            Kind::Refused => SqlErrorKind::Refused,
            Kind::Denied => SqlErrorKind::Denied,
            Kind::LimitExceeded => SqlErrorKind::LimitExceeded,
            Kind::Failed => SqlErrorKind::Failed,
        };
        let location = failure.location.map(|(line, column)| Location { line, column });
        SqlError { kind, message: failure.message, location, suggestion: failure.suggestion }
    }
}

/// [`AccessError`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AccessFailure {
    Denied(String),
    Unknown(String),
}

impl From<AccessError> for AccessFailure {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Denied(why) => AccessFailure::Denied(why),
            AccessError::Unknown(why) => AccessFailure::Unknown(why),
        }
    }
}

impl From<AccessFailure> for AccessError {
    fn from(failure: AccessFailure) -> Self {
        match failure {
            AccessFailure::Denied(why) => AccessError::Denied(why),
            AccessFailure::Unknown(why) => AccessError::Unknown(why),
        }
    }
}

/// [`StreamError`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StreamFailure {
    NotFound,
    ShardNotFound,
    Trimmed(SequenceNumber),
    Other(String),
}

impl From<StreamError> for StreamFailure {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::NotFound(_) => StreamFailure::NotFound,
            StreamError::ShardNotFound { .. } => StreamFailure::ShardNotFound,
            StreamError::Trimmed { oldest, .. } => StreamFailure::Trimmed(oldest),
            other => StreamFailure::Other(chain(&other)),
        }
    }
}

impl StreamFailure {
    /// In words, for a call that is about no stream.
    pub(crate) fn text(self) -> String {
        match self {
            StreamFailure::Other(text) => text,
            StreamFailure::NotFound => "the stream does not exist".to_owned(),
            StreamFailure::ShardNotFound => "the shard does not exist".to_owned(),
            StreamFailure::Trimmed(oldest) => format!("records before {oldest} have expired"),
        }
    }

    /// The error of a call about `stream` and, for calls about one, `shard`.
    pub(crate) fn into_error(self, stream: &StreamName, shard: ShardId) -> StreamError {
        let stream = stream.clone();
        match self {
            StreamFailure::NotFound => StreamError::NotFound(stream),
            StreamFailure::ShardNotFound => StreamError::ShardNotFound { stream, shard },
            StreamFailure::Trimmed(oldest) => StreamError::Trimmed { stream, shard, oldest },
            StreamFailure::Other(text) => untold(text),
        }
    }
}

/// An error that says what the server's said, and no more.
pub(crate) fn untold(text: String) -> StreamError {
    StreamError::LimitExceeded(text)
}

/// [`ArchiveError`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ArchiveFailure {
    NotFound,
    InvalidRange { bytes: u64, range: Range<u64> },
    Unusable { doing: String, cause: String },
    Unavailable { doing: String, cause: String },
}

impl From<ArchiveError> for ArchiveFailure {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::NotFound(_) => ArchiveFailure::NotFound,
            ArchiveError::InvalidRange { bytes, range, .. } => ArchiveFailure::InvalidRange { bytes, range },
            ArchiveError::Unusable { doing, source } => ArchiveFailure::Unusable { doing, cause: chain(&*source) },
            ArchiveError::Unavailable { doing, source } => {
                ArchiveFailure::Unavailable { doing, cause: chain(&*source) }
            }
        }
    }
}

impl ArchiveFailure {
    /// The error of a call about `name`; a call about many names has none.
    pub(crate) fn into_error(self, name: Option<&ObjectName>) -> ArchiveError {
        let lost = |text: &str| ArchiveError::Unavailable { doing: "listing".to_owned(), source: text.into() };
        match (self, name) {
            (ArchiveFailure::NotFound, Some(name)) => ArchiveError::NotFound(name.clone()),
            (ArchiveFailure::InvalidRange { bytes, range }, Some(name)) => {
                ArchiveError::InvalidRange { name: name.clone(), bytes, range }
            }
            (ArchiveFailure::Unusable { doing, cause }, _) => ArchiveError::Unusable { doing, source: cause.into() },
            (ArchiveFailure::Unavailable { doing, cause }, _) => {
                ArchiveError::Unavailable { doing, source: cause.into() }
            }
            (ArchiveFailure::NotFound, None) => lost("a part of the archive is gone"),
            (ArchiveFailure::InvalidRange { .. }, None) => lost("a part of the archive is shorter than it was"),
        }
    }
}
