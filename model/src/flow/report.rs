//! Reports of continuous queries and deliveries.
//!
//! REST, the dashboard and the command line all read these, so they never disagree.

use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::flow::destination::Destination;
use crate::flow::incident::Incident;
use crate::flow::state::FlowState;
use crate::name::{ConsumerName, StreamName};

/// A continuous query, as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryReport {
    /// Its name. Of a query with several pumps each is reported, as `QUERY.PUMP`.
    pub name: ConsumerName,
    /// The query that it belongs to, by which it is paused, altered and dropped.
    pub query: ConsumerName,
    /// The stream that it reads.
    pub source: StreamName,
    /// The stream that it writes rows to.
    pub output: StreamName,
    /// Where it comes from. What is in the settings is changed there.
    pub origin: Origin,
    /// What it does now.
    pub state: FlowState,
    /// Since when it does that.
    pub since: Timestamp,
    /// Whether it works as far as anybody can tell: `state` is not `paused`, `failed` or `stopped`.
    pub running: bool,
    /// Records taken in since it first began, up to its last checkpoint.
    pub records: u64,
    /// Rows written, counted likewise.
    pub rows: u64,
    /// Records or rows that it could not use, counted likewise.
    pub left_out: u64,
    /// Records that expired before the query read them, since the server started.
    pub expired: u64,
    /// Records lost to damage before the query read them, since the server started; an upper
    /// bound.
    pub lost: u64,
    /// Records that were deleted with their stream before the query read them, since the server
    /// started.
    pub deleted: u64,
    /// Rows read from records since the server started.
    pub rows_read: u64,
    /// Whether the WHERE clause, or the lack of one, has let any of them pass.
    pub any_passed: bool,
    /// Records in the source after its checkpoint; none where counting costs too much
    /// (streams on Kafka).
    pub behind: Option<u64>,
    /// Records taken in a second, lately.
    pub records_per_second: f64,
    /// Nothing that arrived before is expected any more; none before its first records.
    pub watermark: Option<Timestamp>,
    /// How far the watermark is behind the clock, in milliseconds.
    pub watermark_lag_millis: Option<u64>,
    /// When the first open window ends; none while no window is open.
    pub window_end: Option<Timestamp>,
    /// Windows that have begun and not ended.
    pub open_windows: usize,
    /// Restarts after a failure.
    pub restarts: u64,
    /// The last failure of the query itself.
    pub last_error: Option<Incident>,
    /// The last record or row that it could not use, and why.
    pub last_left_out: Option<Incident>,
    /// Why the records so far do not fit a query whose stream declares no columns. They wait for
    /// others that do.
    pub waits_for: Option<String>,
}

/// A delivery stream, as it stands. Counts are since the server started.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryReport {
    /// Its name.
    pub name: ConsumerName,
    /// The stream that it reads.
    pub source: StreamName,
    /// Where its records go.
    pub destination: Destination,
    /// Where it comes from. What is in the settings is changed there.
    pub origin: Origin,
    /// What it does now.
    pub state: FlowState,
    /// Since when it does that.
    pub since: Timestamp,
    /// Whether it works as far as anybody can tell: `state` is not `paused`, `failed` or `stopped`.
    pub running: bool,
    /// Records that are durable in the target.
    pub records: u64,
    /// Batches or objects delivered.
    pub cuts: u64,
    /// Records that the target cannot take, kept aside.
    pub dead_letters: u64,
    /// Records that expired before they were delivered.
    pub expired: u64,
    /// Records lost to damage before they were delivered; an upper bound.
    pub lost: u64,
    /// Records that were deleted with their stream before they were delivered.
    pub deleted: u64,
    /// Attempts that failed and are retried.
    pub retries: u64,
    /// Restarts after a failure.
    pub restarts: u64,
    /// Age of the oldest record that was read and is not delivered, in milliseconds; 0 when there
    /// is none.
    pub lag_millis: u64,
    /// Records in the source after its checkpoint; none where counting costs too much
    /// (streams on Kafka).
    pub behind: Option<u64>,
    /// Records delivered a second, lately.
    pub records_per_second: f64,
    /// When something was last delivered.
    pub last_success_at: Option<Timestamp>,
    /// The object, or the shard and the sequence numbers, that were last delivered.
    pub last_delivered: Option<String>,
    /// What fails now, or made it start again last.
    pub last_error: Option<Incident>,
}

/// What runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkerKind {
    /// A continuous query, or a pump of one.
    Query,
    /// A delivery.
    Delivery,
    /// A task of the server itself, such as the one that drops expired records.
    Task,
}

impl WorkerKind {
    /// As text, as it is written in JSON and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            WorkerKind::Query => "query",
            WorkerKind::Delivery => "delivery",
            WorkerKind::Task => "task",
        }
    }
}

/// Where a flow comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The settings file.
    Settings,
    /// It was created while the server ran, and is kept in the data folder.
    RunTime,
}

/// How a worker is, in short: for readiness, metrics and the doctor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What it is.
    pub kind: WorkerKind,
    /// Its name.
    pub name: String,
    /// What it does now.
    pub state: FlowState,
    /// Since when it does that.
    pub since: Timestamp,
    /// Restarts after a failure.
    pub restarts: u64,
    /// What made it end last.
    pub last_error: Option<Incident>,
}

/// For so long a worker that has failed and works again is still reported as one to look at.
pub const RECENT: Duration = Duration::from_secs(60);

impl Standing {
    /// Whether somebody should look at it: it fails, or has failed lately.
    pub fn is_degraded(&self, now: Timestamp) -> bool {
        let lately = self.last_error.as_ref().is_some_and(|error| now.since(error.at) < RECENT);
        match self.state {
            FlowState::Failed | FlowState::Retrying => true,
            FlowState::Starting | FlowState::Running => lately,
            FlowState::StandingBy | FlowState::Paused | FlowState::Stopped => false,
        }
    }
}

/// Tells of all of them.
#[async_trait]
pub trait Flows: Send + Sync {
    /// Continuous queries, in order of their names.
    async fn queries(&self) -> Vec<QueryReport>;

    /// Delivery streams, in order of their names.
    async fn deliveries(&self) -> Vec<DeliveryReport>;

    /// Every worker, those of the server itself too. Costs nothing.
    fn standings(&self) -> Vec<Standing>;
}
