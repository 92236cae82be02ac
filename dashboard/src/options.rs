//! What the dashboard is told by whoever puts the server together.

use std::sync::Arc;

use model::clock::Clock;
use model::name::{ConsumerName, StreamName};
use model::stream_store::StreamStore;
use tokio_util::sync::CancellationToken;

use crate::assets::Assets;

/// What the dashboard reads, and what it shows.
#[derive(Clone)]
pub struct DashboardOptions {
    /// The streams.
    pub streams: Arc<dyn StreamStore>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The page.
    pub assets: Assets,
    /// The stream whose records are readings of unicorns.
    pub fleet: StreamName,
    /// Consumers that run in this server.
    pub flows: Vec<Flow>,
    /// Whether asking for a consumer's checkpoint costs nothing, so that lags can be shown.
    pub checkpoints_are_at_hand: bool,
    /// Done once the server is to stop: connections end.
    pub stop: CancellationToken,
}

/// A consumer: where it reads, and where that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Its name.
    pub name: ConsumerName,
    /// The stream that it reads.
    pub source: StreamName,
    /// Where it goes.
    pub target: FlowTarget,
}

/// Where a consumer's output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowTarget {
    /// A continuous query: rows to a stream, in which its checkpoint is kept.
    Query(StreamName),
    /// A delivery to a table; its checkpoint is kept in its source.
    Table(String),
    /// A delivery to the archive; its checkpoint is kept in its source.
    Archive,
}

impl Flow {
    /// The stream that keeps its checkpoint.
    pub(crate) fn home(&self) -> &StreamName {
        match &self.target {
            FlowTarget::Query(output) => output,
            FlowTarget::Table(_) | FlowTarget::Archive => &self.source,
        }
    }
}
