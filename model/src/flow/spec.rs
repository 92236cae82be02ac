//! What somebody asks for: a continuous query or a delivery, with all that it takes to start it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::flow::destination::Destination;
use crate::name::StreamName;
use crate::stream::store::StartingPosition;

/// Where a flow begins in its source when it has no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlowStart {
    /// At the oldest record that is kept.
    #[default]
    TrimHorizon,
    /// After what is there.
    Latest,
}

impl From<FlowStart> for StartingPosition {
    fn from(start: FlowStart) -> Self {
        match start {
            FlowStart::TrimHorizon => StartingPosition::TrimHorizon,
            FlowStart::Latest => StartingPosition::Latest,
        }
    }
}

/// A continuous query: one pump or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuerySpec {
    /// The text of the query.
    pub sql: String,
    /// Streams by the name that the query uses for them; without an entry the names are the same.
    #[serde(default)]
    pub streams: BTreeMap<String, StreamName>,
    /// Where the query begins when it has no checkpoint.
    #[serde(default)]
    pub start: FlowStart,
}

/// A delivery: a stream and where its records go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliverySpec {
    /// The stream to deliver.
    pub source: StreamName,
    /// Where its records go.
    pub destination: Destination,
    /// Where the delivery begins when it has no checkpoint.
    #[serde(default)]
    pub start: FlowStart,
}

/// Which kind of flow. Each kind has its own names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlowKind {
    /// A continuous query.
    Query,
    /// A delivery.
    Delivery,
}

impl FlowKind {
    /// As text: `query` or `delivery`.
    pub fn as_str(self) -> &'static str {
        match self {
            FlowKind::Query => "query",
            FlowKind::Delivery => "delivery",
        }
    }
}

/// What a flow is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowSpec {
    /// A continuous query.
    Query(QuerySpec),
    /// A delivery.
    Delivery(DeliverySpec),
}

impl FlowSpec {
    /// Which kind of flow it makes.
    pub fn kind(&self) -> FlowKind {
        match self {
            FlowSpec::Query(_) => FlowKind::Query,
            FlowSpec::Delivery(_) => FlowKind::Delivery,
        }
    }
}
