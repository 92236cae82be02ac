//! `[queries.NAME]`: a continuous query to run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::flow::spec::FlowStart;
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
    pub(crate) start: FlowStart,
}
