//! What can go wrong with the files of one stream, before the stream's name is put to it.

use std::io;

use model::name::StreamName;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::StreamError;

use model::disk::is_full;

/// Why bytes are not what was written.
pub type Reason = &'static str;

/// Trouble with files.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Bytes read are not the bytes written.
    #[error("{file} at offset {offset}: {reason}")]
    Damaged {
        /// The file's name in the stream's folder.
        file: String,
        /// Where in it.
        offset: u64,
        /// What does not fit.
        reason: String,
    },
    /// The disk had no room. What was begun is undone: trying again later is safe.
    #[error("{doing}: the disk is full")]
    Full {
        /// What was being done.
        doing: String,
    },
    /// The stream is encrypted with a key that is not there.
    #[error("key `{key}` is missing")]
    KeyMissing {
        /// The key's name.
        key: String,
    },
    /// The key of that name is not the one that the stream is encrypted with.
    #[error("key `{key}` is another one than the stream is encrypted with")]
    KeyDiffers {
        /// The key's name.
        key: String,
    },
    /// The system refused.
    #[error("{doing}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl LogError {
    pub(crate) fn damaged(file: impl Into<String>, offset: u64, reason: impl Into<String>) -> LogError {
        LogError::Damaged { file: file.into(), offset, reason: reason.into() }
    }

    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> LogError {
        let doing = doing.into();
        move |source| LogError::Io { doing, source }
    }

    /// An error of something that leaves nothing behind when the disk has no room for it.
    pub(crate) fn unless_full(doing: impl Into<String>) -> impl FnOnce(io::Error) -> LogError {
        let doing = doing.into();
        move |source| if is_full(&source) { LogError::Full { doing } } else { LogError::Io { doing, source } }
    }

    /// The same, met by a reader of `shard` that came to `from`.
    pub(crate) fn met_by(self, shard: ShardId, from: SequenceNumber) -> LogError {
        match self {
            LogError::Damaged { file, offset, reason } => {
                let reason = format!("{reason}; {shard} cannot be read from number {from} on");
                LogError::Damaged { file, offset, reason }
            }
            other => other,
        }
    }

    /// The same as an error of `stream`; files are named relative to the store's folder.
    pub(crate) fn of(self, stream: &StreamName) -> StreamError {
        let stream = stream.clone();
        match self {
            LogError::Damaged { file, offset, reason } => {
                let file = format!("{stream}/{file}");
                StreamError::Damaged { stream, file, offset, reason }
            }
            LogError::Full { doing } => StreamError::DiskFull { stream, doing },
            LogError::KeyMissing { key } => StreamError::KeyMissing { stream, key },
            LogError::KeyDiffers { key } => StreamError::KeyDiffers { stream, key },
            LogError::Io { doing, source } => StreamError::Io { stream, doing, source },
        }
    }

    /// The same error once more, for whoever else is told.
    pub(crate) fn again(&self) -> LogError {
        match self {
            LogError::Damaged { file, offset, reason } => {
                LogError::Damaged { file: file.clone(), offset: *offset, reason: reason.clone() }
            }
            LogError::Full { doing } => LogError::Full { doing: doing.clone() },
            LogError::KeyMissing { key } => LogError::KeyMissing { key: key.clone() },
            LogError::KeyDiffers { key } => LogError::KeyDiffers { key: key.clone() },
            LogError::Io { doing, source } => {
                LogError::Io { doing: doing.clone(), source: io::Error::new(source.kind(), source.to_string()) }
            }
        }
    }

    /// The message and its cause in one line.
    pub(crate) fn in_full(&self) -> String {
        match self {
            LogError::Io { doing, source } => format!("{doing}: {source}"),
            _ => self.to_string(),
        }
    }
}
