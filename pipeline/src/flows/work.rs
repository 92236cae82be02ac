//! What a worker does, as its supervision sees it.

use std::sync::Arc;

use async_trait::async_trait;
use model::flow::state::Trouble;
use model::stream::store::StreamError;
use tokio_util::sync::CancellationToken;

/// Why a try ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Another process runs it.
    LostPlace(String),
    /// It failed, with all its causes.
    Failed(Trouble, String),
}

/// Work that is begun again after a failure. Dropping a try at any point is safe: the next one goes on from what is
/// durable.
#[async_trait]
pub(crate) trait Work: Send + Sync {
    /// Works until `stop`, or until something fails.
    async fn attempt(self: Arc<Self>, stop: CancellationToken) -> Result<(), Failure>;

    /// Grows whenever something got done.
    fn progress(&self) -> u64 {
        0
    }

    /// Whether it has an end of its own.
    fn ends(&self) -> bool {
        false
    }

    /// Returns when the other process that runs it is silent.
    async fn stand_by(self: Arc<Self>) {}
}

/// What a store's error means for the work that met it.
pub(crate) fn failure_of(source: &StreamError, message: String) -> Failure {
    match source {
        StreamError::CheckpointConflict { .. } => Failure::LostPlace(message),
        StreamError::NotFound(_)
        | StreamError::Throttled(_)
        | StreamError::DiskFull { .. }
        | StreamError::ReadOnly(_)
        | StreamError::Stopped { .. }
        | StreamError::Io { .. } => Failure::Failed(Trouble::Outage, message),
        _ => Failure::Failed(Trouble::Fault, message),
    }
}
