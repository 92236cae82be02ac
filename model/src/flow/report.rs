//! Reports of continuous queries and deliveries.
//!
//! REST, the dashboard and the command line all read these, so they never disagree.

use async_trait::async_trait;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::flow::destination::Destination;
use crate::name::{ConsumerName, StreamName};

/// Something that went wrong, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Incident {
    /// When, RFC 3339.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub at: Timestamp,
    /// What, with its causes.
    pub message: String,
}

/// A continuous query, as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct QueryReport {
    /// Its name.
    #[schema(value_type = String)]
    pub name: ConsumerName,
    /// The stream that it reads.
    #[schema(value_type = String)]
    pub source: StreamName,
    /// The stream that it writes rows to.
    #[schema(value_type = String)]
    pub output: StreamName,
    /// Whether it runs. One that does not has ended for good, until the next start.
    pub running: bool,
    /// Records taken in since it first began, up to its last checkpoint.
    pub records: u64,
    /// Rows written, counted likewise.
    pub rows: u64,
    /// Records or rows that it could not use, counted likewise.
    pub left_out: u64,
    /// Records that retention took before it came to them, since the server started. Windows are of
    /// arrival: nothing else can be too late.
    pub late: u64,
    /// Rows read from records since the server started.
    pub rows_read: u64,
    /// Whether the WHERE clause, or the lack of one, has let any of them pass.
    pub any_passed: bool,
    /// Records in the source that are not in its checkpoint; none where asking costs too much
    /// (streams on Kafka).
    pub behind: Option<u64>,
    /// Records taken in a second, lately.
    pub records_per_second: f64,
    /// Nothing that arrived before is expected any more, RFC 3339; none before its first records.
    #[serde(serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>)]
    pub watermark: Option<Timestamp>,
    /// How far the watermark is behind the clock, in milliseconds.
    pub watermark_lag_millis: Option<u64>,
    /// When the first open window ends, RFC 3339; none while no window is open.
    #[serde(serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>)]
    pub window_end: Option<Timestamp>,
    /// Windows that have begun and not ended.
    pub open_windows: usize,
    /// Starts after a failure.
    pub restarts: u64,
    /// The last failure of the query itself.
    pub last_error: Option<Incident>,
    /// The last record or row that it could not use, and why.
    pub last_left_out: Option<Incident>,
}

/// A delivery stream, as it stands. Counts are since the server started.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DeliveryReport {
    /// Its name.
    #[schema(value_type = String)]
    pub name: ConsumerName,
    /// The stream that it reads.
    #[schema(value_type = String)]
    pub source: StreamName,
    /// Where its records go.
    #[serde(flatten, serialize_with = "as_kind_and_target")]
    #[schema(value_type = KindAndTarget)]
    pub destination: Destination,
    /// Whether it runs. One that does not has ended for good, until the next start.
    pub running: bool,
    /// Records that are durable in the target.
    pub records: u64,
    /// Batches or objects delivered.
    pub cuts: u64,
    /// Records that the target cannot take, kept aside.
    pub dead_letters: u64,
    /// Records lost to retention before they were delivered.
    pub late: u64,
    /// Attempts that failed and are retried.
    pub retries: u64,
    /// Age of the oldest record that was read and is not delivered, in milliseconds; 0 when there
    /// is none.
    pub lag_millis: u64,
    /// Records in the source that are not in its checkpoint; none where asking costs too much
    /// (streams on Kafka).
    pub behind: Option<u64>,
    /// Records delivered a second, lately.
    pub records_per_second: f64,
    /// When something was last delivered, RFC 3339.
    #[serde(serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>)]
    pub last_success_at: Option<Timestamp>,
    /// The object, or the shard and the sequence numbers, that were last delivered.
    pub last_delivered: Option<String>,
    /// What fails now; none once a try has succeeded.
    pub last_error: Option<Incident>,
}

/// How a report shows a destination.
#[derive(Serialize, ToSchema)]
struct KindAndTarget {
    /// `table` or `archive`.
    kind: &'static str,
    /// The table, or `archive`.
    target: String,
}

/// Tells of all of them.
#[async_trait]
pub trait Flows: Send + Sync {
    /// Continuous queries, in order of their names.
    async fn queries(&self) -> Vec<QueryReport>;

    /// Delivery streams, in order of their names.
    async fn deliveries(&self) -> Vec<DeliveryReport>;
}

fn as_kind_and_target<S: Serializer>(destination: &Destination, to: S) -> Result<S::Ok, S::Error> {
    KindAndTarget { kind: destination.kind(), target: destination.to_string() }.serialize(to)
}

fn as_text<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(at)
}

fn as_text_or_null<S: Serializer>(at: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => to.collect_str(at),
        None => to.serialize_none(),
    }
}
