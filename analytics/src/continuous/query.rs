//! Continuous queries: each reads a stream and writes rows to another: one per window and key, or one per row.
//!
//! A row's time is that of its arrival, unless the query names a column for it. By arrival nothing is late, and every record
//! counts in every window that it belongs to. A window closes when all shards say that nothing earlier can come. Rows and the checkpoint they follow from are committed
//! together: however often a query is stopped and started again, its output is the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use datafusion::error::DataFusionError;
use model::name::{ConsumerName, StreamName};
use model::query::engine::{SqlError, SqlErrorKind};
use model::stream::checkpoint::{Checkpoint, STATE_BYTES_MAX};
use model::stream::store::{StartingPosition, StreamError};

use crate::continuous::definition::Definition;
use crate::continuous::error::QueryError;
use crate::continuous::snapshot;
use crate::continuous::status::StatusHandle;

/// How a continuous query is tied to its surroundings.
#[derive(Debug, Clone)]
pub struct QueryOptions {
    /// Which stream a name in the SQL stands for; a name that is missing here is the stream's own.
    pub streams: BTreeMap<String, StreamName>,
    /// Where a query without a checkpoint begins.
    pub start: StartingPosition,
    /// How often progress is made durable while no window closes. A query whose state is large does
    /// so less often (`continuous/due.rs`).
    pub checkpoint_interval: Duration,
    /// How much state its open windows may hold, at most [`STATE_BYTES_MAX`]. A query that needs
    /// more stops with [`QueryError::StateTooLarge`].
    pub state_bytes_max: usize,
}

impl Default for QueryOptions {
    /// Names are the streams' own, from new records on, a checkpoint a second.
    fn default() -> Self {
        QueryOptions {
            streams: BTreeMap::new(),
            start: StartingPosition::Latest,
            checkpoint_interval: Duration::from_secs(1),
            state_bytes_max: STATE_BYTES_MAX,
        }
    }
}

/// One pump, checked and ready to run.
#[derive(Debug, Clone)]
pub struct ContinuousQuery {
    pub(crate) name: ConsumerName,
    pub(crate) source: StreamName,
    pub(crate) output: StreamName,
    pub(crate) definition: Definition,
    pub(crate) options: QueryOptions,
    pub(crate) status: StatusHandle,
}

impl ContinuousQuery {
    /// Reads and checks the SQL: one query per pump. A single one is called `name`, of several each `name.pump`.
    pub fn prepare(name: &ConsumerName, sql: &str, options: QueryOptions) -> Result<Vec<ContinuousQuery>, SqlError> {
        let definitions = Definition::parse(sql, None)?;
        let alone = definitions.len() == 1;
        let invalid = |error: model::name::InvalidName| SqlError::new(SqlErrorKind::Invalid, error.to_string());
        let stream = |sql_name: &str, own_name: &str| match options.streams.get(sql_name) {
            Some(stream) => Ok(stream.clone()),
            None => StreamName::new(own_name).map_err(invalid),
        };
        let queries = definitions.into_iter().map(|definition| {
            let name = if alone {
                name.clone()
            } else {
                let pump = definition.pump.replace(|c: char| !c.is_ascii_alphanumeric() && c != '_', "-");
                ConsumerName::new(&format!("{name}.{pump}")).map_err(invalid)?
            };
            let source = stream(&definition.select.source, definition.source())?;
            let output = stream(&definition.into, definition.output())?;
            Ok(ContinuousQuery {
                name,
                source,
                output,
                definition,
                options: options.clone(),
                status: StatusHandle::default(),
            })
        });
        let queries: Vec<ContinuousQuery> = queries.collect::<Result<_, SqlError>>()?;
        let names: BTreeSet<&ConsumerName> = queries.iter().map(|query| &query.name).collect();
        if names.len() < queries.len() {
            return Err(SqlError::new(SqlErrorKind::Invalid, "two pumps have the same name"));
        }
        Ok(queries)
    }

    /// The name its checkpoint is kept under.
    pub fn name(&self) -> &ConsumerName {
        &self.name
    }

    /// The stream it reads.
    pub fn source(&self) -> &StreamName {
        &self.source
    }

    /// The stream it writes.
    pub fn output(&self) -> &StreamName {
        &self.output
    }

    /// The query as text: equal for texts that differ in blanks and comments only.
    pub fn fingerprint(&self) -> String {
        self.definition.fingerprint()
    }

    /// Whether a checkpoint is one of this query, so that it can go on from there.
    pub fn fits(&self, checkpoint: &Checkpoint) -> Result<bool, QueryError> {
        if checkpoint.is_blank() {
            return Ok(true);
        }
        let (header, _) = snapshot::decode(&checkpoint.state).map_err(|error| self.checkpoint_error(error))?;
        Ok(self.definition.is_fingerprint(&header.fingerprint))
    }

    /// Shows how it goes.
    pub fn status(&self) -> StatusHandle {
        self.status.clone()
    }

    pub(crate) fn stream(&self, source: StreamError) -> QueryError {
        QueryError::Stream { query: self.name.clone(), source }
    }

    pub(crate) fn engine(&self, source: DataFusionError) -> QueryError {
        QueryError::Engine { query: self.name.clone(), source: Box::new(source) }
    }

    /// Whether a checkpoint may hold so much state.
    pub(crate) fn check_state(&self, bytes: usize) -> Result<(), QueryError> {
        let bytes_max = self.options.state_bytes_max;
        if bytes <= bytes_max {
            return Ok(());
        }
        Err(QueryError::StateTooLarge { query: self.name.clone(), bytes, bytes_max })
    }

    pub(crate) fn checkpoint_error(&self, error: impl std::fmt::Display) -> QueryError {
        QueryError::Checkpoint { query: self.name.clone(), reason: error.to_string() }
    }
}
