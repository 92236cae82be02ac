//! What people may ask of flows while the server runs: create, alter, pause, resume, drop.

use std::collections::BTreeSet;

use async_trait::async_trait;

use crate::flow::spec::{FlowKind, FlowSpec};
use crate::name::{ConsumerName, StreamName, TableName};
use crate::query::engine::SqlError;

/// The most flows that are kept besides those of the settings.
pub const FLOWS_MAX: usize = 1000;

/// A part of a flow that somebody wants to be different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which part: `sql`, `source`, `output`, `destination`, or the name of a pump.
    pub part: String,
    /// What it is now.
    pub is: String,
    /// What was asked for.
    pub wanted: String,
}

/// How a flow is altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Alteration {
    /// Whether the flow's progress and state may be thrown away where the new spec does not fit
    /// them. It then begins anew, at the spec's start.
    pub restart: bool,
}

/// Why something was not done to a flow.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// The spec cannot run as it is.
    #[error("{0}")]
    Invalid(String),
    /// The SQL cannot run as it is.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// There is no such flow.
    #[error("{0}")]
    NotFound(String),
    /// Something that is there stands against it.
    #[error("{0}")]
    Conflict(String),
    /// The new spec does not fit what the flow has done so far.
    #[error("{message}")]
    Differs {
        /// What, why, and what to do.
        message: String,
        /// What differs.
        differences: Vec<Difference>,
    },
    /// It could have been done, but something failed.
    #[error("{0}")]
    Failed(String),
}

/// The streams and the table that a flow uses. An archive belongs to the stream whose records it
/// has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlowUses {
    /// Streams whose records it reads.
    pub reads: BTreeSet<StreamName>,
    /// Streams that it writes to.
    pub writes: BTreeSet<StreamName>,
    /// The table that it writes to.
    pub table: Option<TableName>,
}

/// Changes flows. What was done is kept over restarts when a call returns.
#[async_trait]
pub trait FlowAdmin: Send + Sync {
    /// The spec of a flow.
    async fn spec(&self, kind: FlowKind, name: &ConsumerName) -> Result<FlowSpec, FlowError>;

    /// What a flow of this spec would use. Nothing is changed. Error: the spec cannot run.
    fn uses(&self, name: &ConsumerName, spec: &FlowSpec) -> Result<FlowUses, FlowError>;

    /// Checks a spec, keeps it, and starts the flow.
    async fn create(&self, name: ConsumerName, spec: FlowSpec) -> Result<(), FlowError>;

    /// Replaces a flow's spec. The flow goes on where it was if the new spec fits what it has done
    /// so far. [`FlowError::Differs`] otherwise, unless the alteration allows a restart.
    async fn alter(&self, name: &ConsumerName, spec: FlowSpec, how: Alteration) -> Result<(), FlowError>;

    /// Ends a flow's work until it is resumed, over restarts of the server too. Its progress stays.
    async fn pause(&self, kind: FlowKind, name: &ConsumerName) -> Result<(), FlowError>;

    /// Lets a flow work again, at once, also one that has failed too often.
    async fn resume(&self, kind: FlowKind, name: &ConsumerName) -> Result<(), FlowError>;

    /// Ends a flow and forgets its progress. What it wrote stays; `with_output` deletes the streams
    /// that a query wrote to.
    async fn drop(&self, kind: FlowKind, name: &ConsumerName, with_output: bool) -> Result<(), FlowError>;
}
