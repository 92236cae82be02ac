//! Who may read which streams: asked by whatever reads records for somebody, answered by whoever
//! knows the policies.
//!
//! What reads for somebody asks for each stream, by its name, before it looks at one of its records
//! or columns. What lists streams for somebody lists those that may be read.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use thiserror::Error;

/// Why somebody may not read a stream.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AccessError {
    /// The policies do not allow it. The text says who may not do what on which resource, and why.
    #[error("{0}")]
    Denied(String),
    /// The policies cannot be read now, so nobody may.
    #[error("{0}")]
    Unknown(String),
}

/// The permissions of one caller, for one way to read.
#[async_trait]
pub trait StreamAccess: Send + Sync {
    /// Refuses a stream whose records, also the archived ones, the caller may not read. The stream
    /// need not exist: the answer does not tell whether it does.
    async fn check(&self, stream: &str) -> Result<(), AccessError>;
}

/// The streams that somebody may read.
#[derive(Clone, Default)]
pub enum Readable {
    /// All: nobody is asked.
    #[default]
    Everything,
    /// Those that pass this check.
    Only(Arc<dyn StreamAccess>),
}

impl Readable {
    /// Whether there is anything to ask.
    pub fn is_limited(&self) -> bool {
        matches!(self, Readable::Only(_))
    }

    /// Refuses a stream that may not be read.
    pub async fn check(&self, stream: &str) -> Result<(), AccessError> {
        match self {
            Readable::Everything => Ok(()),
            Readable::Only(access) => access.check(stream).await,
        }
    }

    /// Those of `streams` that may be read.
    pub async fn among(&self, mut streams: Vec<String>) -> Vec<String> {
        let Readable::Only(access) = self else { return streams };
        let mut kept = Vec::with_capacity(streams.len());
        for stream in streams.drain(..) {
            if access.check(&stream).await.is_ok() {
                kept.push(stream);
            }
        }
        kept
    }
}

impl fmt::Debug for Readable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_limited() { "Only(..)" } else { "Everything" })
    }
}
