//! What the dashboard is told by whoever puts the server together.

use std::sync::Arc;

use model::clock::{Clock, Timestamp};
use model::flow::destination::Destination;
use model::name::{ConsumerName, StreamName};
use model::stream::store::StreamStore;
use tokio_util::sync::CancellationToken;

use crate::assets::Assets;

/// What the dashboard reads, and what it shows.
#[derive(Clone)]
pub struct DashboardOptions {
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
#[derive(Debug, Clone)]
pub struct Flow {
    pub name: ConsumerName,
    /// The stream that it reads.
    pub source: StreamName,
    /// Where it goes.
    pub target: FlowTarget,
    /// What it says of itself.
    pub state: FlowStateSource,
}

/// What a consumer says of itself now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlowState {
    /// What failed last, if nothing has made up for it.
    pub last_error: Option<FlowError>,
    /// When the first window that is open ends.
    pub window_end: Option<Timestamp>,
}

/// A failure of a consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowError {
    /// When.
    pub at: Timestamp,
    /// What, with its causes.
    pub message: String,
}

/// Asks a consumer how it is; cheap to ask.
#[derive(Clone)]
pub struct FlowStateSource(Arc<dyn Fn() -> FlowState + Send + Sync>);

impl FlowStateSource {
    /// Answers with what `state` gives.
    pub fn new(state: impl Fn() -> FlowState + Send + Sync + 'static) -> Self {
        FlowStateSource(Arc::new(state))
    }

    /// How the consumer is now.
    pub(crate) fn get(&self) -> FlowState {
        (self.0)()
    }
}

impl std::fmt::Debug for FlowStateSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("FlowStateSource").field(&self.get()).finish()
    }
}

/// Where a consumer's output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowTarget {
    /// A continuous query: rows to a stream, in which its checkpoint is kept.
    Query(StreamName),
    /// A delivery; its checkpoint is kept in its source.
    Delivery(Destination),
}

impl Flow {
    /// The stream that keeps its checkpoint.
    pub(crate) fn home(&self) -> &StreamName {
        match &self.target {
            FlowTarget::Query(output) => output,
            FlowTarget::Delivery(_) => &self.source,
        }
    }
}
