//! `[queries.NAME]`: a continuous query to run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::name::StreamName;
use serde::Deserialize;

/// A continuous query to run.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QueryConfig {
    /// The `.sql` file, relative to the settings file.
    pub(crate) sql: PathBuf,
    /// Streams by the name that the query uses for them; without an entry the names are the same.
    #[serde(default)]
    pub(crate) streams: BTreeMap<String, StreamName>,
    /// Where to begin in the source the first time.
    #[serde(default)]
    pub(crate) start: Start,
}

/// Where a query or delivery begins the first time it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Start {
    /// At the oldest record kept.
    #[default]
    TrimHorizon,
    /// After what is there.
    Latest,
}

impl From<Start> for model::stream::store::StartingPosition {
    fn from(start: Start) -> Self {
        match start {
            Start::TrimHorizon => model::stream::store::StartingPosition::TrimHorizon,
            Start::Latest => model::stream::store::StartingPosition::Latest,
        }
    }
}
