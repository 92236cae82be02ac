//! Queries and deliveries, as REST shows them.

use std::collections::BTreeMap;

use model::flow::admin;
use model::flow::destination::Destination;
use model::flow::explain;
use model::flow::incident;
use model::flow::report;
use model::flow::spec;
use model::flow::state;
use model::name::StreamName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A continuous query and its state.
#[derive(Serialize, ToSchema)]
pub(crate) struct QueryReport {
    /// Its name. Of a query with several pumps each is reported, as `QUERY.PUMP`.
    name: String,
    /// The query that it belongs to, by which it is paused, altered and dropped.
    query: String,
    /// The stream that it reads.
    source: String,
    /// The stream that it writes rows to.
    output: String,
    /// Where it comes from. What is in the settings is changed there.
    origin: Origin,
    /// What it does now.
    state: FlowState,
    /// Since when it does that, RFC 3339.
    since: String,
    /// Whether it works as far as anybody can tell: `state` is not `paused`, `failed` or `stopped`.
    running: bool,
    /// Records taken in since it first began, up to its last checkpoint.
    records: u64,
    /// Rows written, counted likewise.
    rows: u64,
    /// Records or rows that it could not use, counted likewise.
    left_out: u64,
    /// Records that expired before the query read them, since the server started.
    expired: u64,
    /// Records lost to damage before the query read them, since the server started; an upper
    /// bound.
    lost: u64,
    /// Records that were deleted with their stream before the query read them, since the server started.
    deleted: u64,
    /// Rows read from records since the server started.
    rows_read: u64,
    /// Whether the WHERE clause, or the lack of one, has let any of them pass.
    any_passed: bool,
    /// Records in the source after its checkpoint; none where counting costs too much
    /// (streams on Kafka).
    behind: Option<u64>,
    /// Records taken in a second, lately.
    records_per_second: f64,
    /// Nothing that arrived before is expected any more, RFC 3339; none before its first records.
    watermark: Option<String>,
    /// How far the watermark is behind the clock, in milliseconds.
    watermark_lag_millis: Option<u64>,
    /// When the first open window ends, RFC 3339; none while no window is open.
    window_end: Option<String>,
    /// Windows that have begun and not ended.
    open_windows: usize,
    /// Restarts after a failure.
    restarts: u64,
    /// The last failure of the query itself.
    last_error: Option<Incident>,
    /// The last record or row that it could not use, and why.
    last_left_out: Option<Incident>,
    /// Why the records so far do not fit a query whose stream declares no columns. They wait for
    /// others that do.
    waits_for: Option<String>,
}

impl From<report::QueryReport> for QueryReport {
    fn from(report: report::QueryReport) -> Self {
        QueryReport {
            name: report.name.to_string(),
            query: report.query.to_string(),
            source: report.source.to_string(),
            output: report.output.to_string(),
            origin: report.origin.into(),
            state: report.state.into(),
            since: report.since.to_string(),
            running: report.running,
            records: report.records,
            rows: report.rows,
            left_out: report.left_out,
            expired: report.expired,
            lost: report.lost,
            deleted: report.deleted,
            rows_read: report.rows_read,
            any_passed: report.any_passed,
            behind: report.behind,
            records_per_second: report.records_per_second,
            watermark: report.watermark.map(|at| at.to_string()),
            watermark_lag_millis: report.watermark_lag_millis,
            window_end: report.window_end.map(|at| at.to_string()),
            open_windows: report.open_windows,
            restarts: report.restarts,
            last_error: report.last_error.map(Incident::from),
            last_left_out: report.last_left_out.map(Incident::from),
            waits_for: report.waits_for,
        }
    }
}

/// A delivery and its state. Counts are since the server started.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeliveryReport {
    /// Its name.
    name: String,
    /// The stream that it reads.
    source: String,
    /// Where its records go.
    #[serde(flatten)]
    destination: KindAndTarget,
    /// Where it comes from. What is in the settings is changed there.
    origin: Origin,
    /// What it does now.
    state: FlowState,
    /// Since when it does that, RFC 3339.
    since: String,
    /// Whether it works as far as anybody can tell: `state` is not `paused`, `failed` or `stopped`.
    running: bool,
    /// Records that are durable in the target.
    records: u64,
    /// Batches or objects delivered.
    cuts: u64,
    /// Records that the target cannot take, kept aside.
    dead_letters: u64,
    /// Records that expired before they were delivered.
    expired: u64,
    /// Records lost to damage before they were delivered; an upper bound.
    lost: u64,
    /// Records that were deleted with their stream before they were delivered.
    deleted: u64,
    /// Attempts that failed and are retried.
    retries: u64,
    /// Restarts after a failure.
    restarts: u64,
    /// Age of the oldest record that was read and is not delivered, in milliseconds; 0 when there
    /// is none.
    lag_millis: u64,
    /// Records in the source after its checkpoint; none where counting costs too much
    /// (streams on Kafka).
    behind: Option<u64>,
    /// Records delivered a second, lately.
    records_per_second: f64,
    /// When something was last delivered, RFC 3339.
    last_success_at: Option<String>,
    /// The object, or the shard and the sequence numbers, that were last delivered.
    last_delivered: Option<String>,
    /// What fails now, or made it start again last.
    last_error: Option<Incident>,
}

impl From<report::DeliveryReport> for DeliveryReport {
    fn from(report: report::DeliveryReport) -> Self {
        DeliveryReport {
            name: report.name.to_string(),
            source: report.source.to_string(),
            destination: report.destination.into(),
            origin: report.origin.into(),
            state: report.state.into(),
            since: report.since.to_string(),
            running: report.running,
            records: report.records,
            cuts: report.cuts,
            dead_letters: report.dead_letters,
            expired: report.expired,
            lost: report.lost,
            deleted: report.deleted,
            retries: report.retries,
            restarts: report.restarts,
            lag_millis: report.lag_millis,
            behind: report.behind,
            records_per_second: report.records_per_second,
            last_success_at: report.last_success_at.map(|at| at.to_string()),
            last_delivered: report.last_delivered,
            last_error: report.last_error.map(Incident::from),
        }
    }
}

/// How a report shows a destination.
#[derive(Serialize, ToSchema)]
struct KindAndTarget {
    /// `table` or `archive`.
    kind: &'static str,
    /// The table, or `archive`.
    target: String,
}

impl From<Destination> for KindAndTarget {
    fn from(destination: Destination) -> Self {
        KindAndTarget { kind: destination.kind(), target: destination.to_string() }
    }
}

/// Something that went wrong, and when.
#[derive(Serialize, ToSchema)]
pub(crate) struct Incident {
    /// When, RFC 3339.
    at: String,
    /// What, with its causes.
    message: String,
}

impl From<incident::Incident> for Incident {
    fn from(incident: incident::Incident) -> Self {
        Incident { at: incident.at.to_string(), message: incident.message }
    }
}

/// What a worker does now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FlowState {
    /// It has begun, and nothing shows yet that it works.
    Starting,
    /// It works.
    Running,
    /// It failed, and starts again after a short delay.
    Retrying,
    /// Another server runs it; this one takes over when that one is silent.
    StandingBy,
    /// Somebody has paused it.
    Paused,
    /// It failed again and again without progress. It is tried again once in a while.
    Failed,
    /// The server stops.
    Stopped,
}

impl From<state::FlowState> for FlowState {
    fn from(of: state::FlowState) -> Self {
        match of {
            state::FlowState::Starting => FlowState::Starting,
            state::FlowState::Running => FlowState::Running,
            state::FlowState::Retrying => FlowState::Retrying,
            state::FlowState::StandingBy => FlowState::StandingBy,
            state::FlowState::Paused => FlowState::Paused,
            state::FlowState::Failed => FlowState::Failed,
            state::FlowState::Stopped => FlowState::Stopped,
        }
    }
}

/// Where a flow comes from.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    /// The settings file.
    Settings,
    /// It was created while the server ran, and is kept in the data folder.
    RunTime,
}

impl From<report::Origin> for Origin {
    fn from(of: report::Origin) -> Self {
        match of {
            report::Origin::Settings => Origin::Settings,
            report::Origin::RunTime => Origin::RunTime,
        }
    }
}

/// What runs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WorkerKind {
    /// A continuous query, or a pump of one.
    Query,
    /// A delivery.
    Delivery,
    /// A task of the server itself, such as the one that drops expired records.
    Task,
}

impl From<report::WorkerKind> for WorkerKind {
    fn from(of: report::WorkerKind) -> Self {
        match of {
            report::WorkerKind::Query => WorkerKind::Query,
            report::WorkerKind::Delivery => WorkerKind::Delivery,
            report::WorkerKind::Task => WorkerKind::Task,
        }
    }
}

/// A reason, what it means here, and what to do.
#[derive(Serialize, ToSchema)]
pub(crate) struct Reason {
    /// Which one.
    code: Cause,
    /// What it is, in a sentence's fragment.
    what: String,
    /// What to do about it.
    fix: String,
}

impl From<explain::Reason> for Reason {
    fn from(reason: explain::Reason) -> Self {
        Reason { code: reason.code.into(), what: reason.what, fix: reason.fix }
    }
}

/// The reasons there are.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cause {
    /// The query fails and is retried.
    QueryFailing,
    /// The query is paused.
    QueryPaused,
    /// No record has arrived.
    NoInput,
    /// There are records that the query has not read yet.
    Behind,
    /// The query cannot read the records.
    DoesNotParse,
    /// WHERE rejects all rows.
    FilterRejectsAll,
    /// Rows wait until their window closes.
    WindowOpen,
    /// A shard has not confirmed yet that no earlier record will arrive.
    IdleShard,
    /// Records expired before the query read them.
    Expired,
    /// Rows are written but cannot be delivered.
    SinkFailing,
    /// Nothing is wrong.
    RowsWritten,
}

impl From<explain::Cause> for Cause {
    fn from(of: explain::Cause) -> Self {
        match of {
            explain::Cause::QueryFailing => Cause::QueryFailing,
            explain::Cause::QueryPaused => Cause::QueryPaused,
            explain::Cause::NoInput => Cause::NoInput,
            explain::Cause::Behind => Cause::Behind,
            explain::Cause::DoesNotParse => Cause::DoesNotParse,
            explain::Cause::FilterRejectsAll => Cause::FilterRejectsAll,
            explain::Cause::WindowOpen => Cause::WindowOpen,
            explain::Cause::IdleShard => Cause::IdleShard,
            explain::Cause::Expired => Cause::Expired,
            explain::Cause::SinkFailing => Cause::SinkFailing,
            explain::Cause::RowsWritten => Cause::RowsWritten,
        }
    }
}

/// A part of a flow that a request wants to change.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Difference {
    /// Which part: `sql`, `source`, `output`, `destination`, or the name of a pump.
    part: String,
    /// What it is now.
    is: String,
    /// What was asked for.
    wanted: String,
}

impl From<admin::Difference> for Difference {
    fn from(difference: admin::Difference) -> Self {
        let admin::Difference { part, is, wanted } = difference;
        Difference { part, is, wanted }
    }
}

/// A continuous query: one pump or several.
#[derive(Serialize, ToSchema)]
pub(crate) struct QuerySpec {
    /// The text of the query.
    sql: String,
    /// Streams by the name that the query uses for them; without an entry the names are the same.
    #[schema(value_type = BTreeMap<String, String>)]
    streams: BTreeMap<String, StreamName>,
    /// Where the query begins when it has no checkpoint.
    start: FlowStart,
}

impl From<spec::QuerySpec> for QuerySpec {
    fn from(spec: spec::QuerySpec) -> Self {
        QuerySpec { sql: spec.sql, streams: spec.streams, start: spec.start.into() }
    }
}

/// Where a flow begins in its source when it has no checkpoint.
#[derive(Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FlowStart {
    /// At the oldest record that is kept.
    #[default]
    TrimHorizon,
    /// After what is there.
    Latest,
}

impl From<spec::FlowStart> for FlowStart {
    fn from(of: spec::FlowStart) -> Self {
        match of {
            spec::FlowStart::TrimHorizon => FlowStart::TrimHorizon,
            spec::FlowStart::Latest => FlowStart::Latest,
        }
    }
}

impl From<FlowStart> for spec::FlowStart {
    fn from(start: FlowStart) -> Self {
        match start {
            FlowStart::TrimHorizon => spec::FlowStart::TrimHorizon,
            FlowStart::Latest => spec::FlowStart::Latest,
        }
    }
}
