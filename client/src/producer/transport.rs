//! The way from a producer to a stream. Two implementations: [`crate::producer::kinesis::KinesisTransport`] and one for tests.

use async_trait::async_trait;
use model::stream::record::PutEntry;

/// Why a whole call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It may succeed later: out of reach, overloaded, throttled.
    #[error("{0}")]
    Passing(String),
    /// It will not succeed: no such stream, refused for its shape or its credentials.
    #[error("{0}")]
    Final(String),
}

/// Where a record was put.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    pub shard: String,
    /// Its sequence number, as Kinesis prints it.
    pub sequence_number: String,
}

/// Sends batches to one stream.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends a batch once. One result per entry, in order; an entry's error is why the server did not take it.
    async fn put(&self, entries: &[PutEntry]) -> Result<Vec<Result<Place, String>>, CallError>;
}
