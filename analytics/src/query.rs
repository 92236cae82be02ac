//! Continuous queries: one per pump, each reads a stream and writes a row per window and key to another.
//!
//! A row's window is that of its arrival, so nothing is late, and every record counts in exactly one window. A window
//! closes when all shards say that nothing earlier can come. Rows and the checkpoint they follow from are committed
//! together: however often a query is stopped and started again, its output is the same.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use datafusion::error::DataFusionError;
use model::aggregate::{UserRecord, user_records};
use model::checkpoint::Checkpoint;
use model::clock::{Clock, Timestamp};
use model::consumer::{ShardBatch, StreamReader};
use model::hash_key::PartitionKey;
use model::name::{ConsumerName, StreamName};
use model::record::PutEntry;
use model::shard::ShardId;
use model::sql::{SqlError, SqlErrorKind};
use model::stream_store::{StartingPosition, StreamError, StreamStore};
use tracing::{debug, info, warn};

use crate::decode::objects;
use crate::encode::OutputRow;
use crate::operator::Operator;
use crate::schema::{SqlColumn, discover};
use crate::snapshot::{self, Header};
use crate::sql::error::sql_error;
use crate::sql::rewrite::WindowedSelect;
use crate::sql::statements::{Pump, Script};

/// A store that lags behind the clock is asked again after this.
const TIP_RETRY_DELAY: Duration = Duration::from_millis(20);
/// Records left out are logged at most this often.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// How a continuous query is tied to its surroundings.
#[derive(Debug, Clone)]
pub struct QueryOptions {
    /// Which stream a name in the SQL stands for; a name that is missing here is the stream's own.
    pub streams: BTreeMap<String, StreamName>,
    /// Where a query without a checkpoint begins.
    pub start: StartingPosition,
    /// How often progress is made durable while no window closes.
    pub checkpoint_interval: Duration,
}

impl Default for QueryOptions {
    /// Names are the streams' own, from new records on, a checkpoint a second.
    fn default() -> Self {
        QueryOptions {
            streams: BTreeMap::new(),
            start: StartingPosition::Latest,
            checkpoint_interval: Duration::from_secs(1),
        }
    }
}

/// Why a query stopped. After anything but [`QueryError::Sql`] and [`QueryError::Changed`], starting it again may help.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The query does not fit the records that came first.
    #[error("query `{query}` does not fit the records of its stream")]
    Sql {
        /// The query.
        query: ConsumerName,
        /// What does not fit.
        #[source]
        source: SqlError,
    },
    /// The checkpoint was made by another query of the same name.
    #[error("query `{query}` was changed since its checkpoint: give the new query another name, or the old SQL back")]
    Changed {
        /// The query.
        query: ConsumerName,
    },
    /// The checkpoint cannot be read.
    #[error("the checkpoint of query `{query}` cannot be read: {reason}")]
    Checkpoint {
        /// The query.
        query: ConsumerName,
        /// What is wrong with it.
        reason: String,
    },
    /// A stream could not be read or written.
    #[error("query `{query}` cannot go on")]
    Stream {
        /// The query.
        query: ConsumerName,
        /// What the store said.
        #[source]
        source: StreamError,
    },
    /// The engine failed.
    #[error("query `{query}` could not be computed")]
    Engine {
        /// The query.
        query: ConsumerName,
        /// What DataFusion said.
        #[source]
        source: Box<DataFusionError>,
    },
}

/// One pump, checked and ready to run.
#[derive(Debug, Clone)]
pub struct ContinuousQuery {
    name: ConsumerName,
    source: StreamName,
    output: StreamName,
    definition: Definition,
    options: QueryOptions,
}

/// What a pump's text says.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    pub(crate) pump: String,
    pub(crate) into: String,
    pub(crate) select: WindowedSelect,
    /// The source's columns where they are declared.
    pub(crate) columns: Option<Vec<SqlColumn>>,
    /// The target's columns where they are declared, each with the place of its value in the select list.
    pub(crate) target: Option<Vec<(SqlColumn, Option<usize>)>>,
}

impl Definition {
    /// Reads and checks all pumps of a text.
    pub(crate) fn parse(sql: &str) -> Result<Vec<Definition>, SqlError> {
        let script = Script::parse(sql)?;
        script.pumps.iter().map(|pump| Definition::of(pump, &script)).collect()
    }

    fn of(pump: &Pump, script: &Script) -> Result<Definition, SqlError> {
        let select = WindowedSelect::new(&pump.query)?;
        if select.source == pump.into {
            return Err(pump.into_at.refuse("a pump cannot read the stream it writes", "insert into another stream"));
        }
        let target = script.columns(&pump.into).map(|columns| target(pump, columns, select.names.len())).transpose()?;
        let columns = script.columns(&select.source).map(<[SqlColumn]>::to_vec);
        let definition = Definition { pump: pump.name.clone(), into: pump.into.clone(), select, columns, target };
        if let Some(columns) = &definition.columns {
            definition.operator(columns)?;
        }
        Ok(definition)
    }

    /// Plans the query over a source with these columns.
    pub(crate) fn operator(&self, columns: &[SqlColumn]) -> Result<Operator, SqlError> {
        Operator::new(&self.select, columns, self.target.as_deref()).map_err(|error| sql_error(&error, &self.select))
    }

    /// The error of a query whose source is not declared: first records may lack a column that later ones have.
    fn advised(&self, error: SqlError) -> SqlError {
        let advice = || format!("declare the columns: CREATE OR REPLACE STREAM \"{}\" (..)", self.select.source);
        match self.columns {
            Some(_) => error,
            None => SqlError { suggestion: Some(error.suggestion.unwrap_or_else(advice)), ..error },
        }
    }

    /// The query as text: equal for texts that differ in blanks and comments only.
    fn fingerprint(&self) -> String {
        format!("{} {:?} {:?} {:?} {:?}", self.select.sql, self.select.tumbling, self.columns, self.target, self.into)
    }
}

/// Which value of the select list each declared column takes.
fn target(pump: &Pump, declared: &[SqlColumn], values: usize) -> Result<Vec<(SqlColumn, Option<usize>)>, SqlError> {
    let named: Vec<&str> = match &pump.columns {
        None => declared.iter().map(|column| column.name.as_str()).collect(),
        Some(names) => {
            if let Some((name, at)) = names.iter().find(|(name, _)| declared.iter().all(|c| c.name != *name)) {
                let message = format!("stream `{}` has no column `{name}`", pump.into);
                return Err(at.refuse(message, "name a column of CREATE STREAM, with its quotes"));
            }
            names.iter().map(|(name, _)| name.as_str()).collect()
        }
    };
    if named.len() != values {
        let message = format!("{} columns of stream `{}` are given {values} values", named.len(), pump.into);
        return Err(pump.into_at.refuse(message, "select one value per column, in the order of the columns"));
    }
    let place = |column: &SqlColumn| named.iter().position(|name| *name == column.name);
    Ok(declared.iter().map(|column| (column.clone(), place(column))).collect())
}

impl ContinuousQuery {
    /// Reads and checks the SQL: one query per pump. A single one is called `name`, of several each `name.pump`.
    pub fn prepare(name: &ConsumerName, sql: &str, options: QueryOptions) -> Result<Vec<ContinuousQuery>, SqlError> {
        let definitions = Definition::parse(sql)?;
        let alone = definitions.len() == 1;
        let invalid = |error: model::name::InvalidName| SqlError::new(SqlErrorKind::Invalid, error.to_string());
        let stream = |sql_name: &str| match options.streams.get(sql_name) {
            Some(stream) => Ok(stream.clone()),
            None => StreamName::new(sql_name).map_err(invalid),
        };
        let queries = definitions.into_iter().map(|definition| {
            let name = if alone {
                name.clone()
            } else {
                let pump = definition.pump.replace(|c: char| !c.is_ascii_alphanumeric() && c != '_', "-");
                ConsumerName::new(&format!("{name}.{pump}")).map_err(invalid)?
            };
            let (source, output) = (stream(&definition.select.source)?, stream(&definition.into)?);
            Ok(ContinuousQuery { name, source, output, definition, options: options.clone() })
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

    /// Runs from the last checkpoint until `shutdown`, and then makes a last checkpoint. After an error, and after being
    /// dropped at any point, running again goes on where the last checkpoint was.
    pub async fn run(
        &self,
        store: Arc<dyn StreamStore>,
        clock: Arc<dyn Clock>,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), QueryError> {
        let mut shutdown = pin!(shutdown);
        let mut running = Running::start(self, store, Arc::clone(&clock)).await?;
        loop {
            let window_end = running.next_end().map(|end| end.max(running.ask_after));
            let checkpoint_at = running.dirty.then(|| running.committed_at + self.options.checkpoint_interval);
            tokio::select! {
                () = &mut shutdown => break,
                batch = running.reader.next() => running.absorb(batch.map_err(|error| self.stream(error))?)?,
                () = sleep_until(&*clock, window_end) => running.ask_tips().await?,
                () = sleep_until(&*clock, checkpoint_at) => running.commit(Vec::new()).await?,
            }
            running.close().await?;
        }
        if running.dirty {
            running.commit(Vec::new()).await?;
        }
        Ok(())
    }

    fn stream(&self, source: StreamError) -> QueryError {
        QueryError::Stream { query: self.name.clone(), source }
    }

    fn engine(&self, source: DataFusionError) -> QueryError {
        QueryError::Engine { query: self.name.clone(), source: Box::new(source) }
    }

    fn checkpoint_error(&self, error: impl std::fmt::Display) -> QueryError {
        QueryError::Checkpoint { query: self.name.clone(), reason: error.to_string() }
    }
}

/// Sleeps until a time that may be missing: then for ever.
async fn sleep_until(clock: &dyn Clock, at: Option<Timestamp>) {
    match at {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// A query between two checkpoints.
struct Running<'a> {
    query: &'a ContinuousQuery,
    store: Arc<dyn StreamStore>,
    clock: Arc<dyn Clock>,
    reader: StreamReader,
    operator: Option<Operator>,
    header: Header,
    /// The version of the last checkpoint.
    version: u64,
    /// Something happened since the last checkpoint.
    dirty: bool,
    committed_at: Timestamp,
    /// How far time is complete in each shard.
    complete: BTreeMap<ShardId, Timestamp>,
    /// Tips are not asked again before this.
    ask_after: Timestamp,
    logged: Option<Timestamp>,
    unlogged: u64,
}

impl<'a> Running<'a> {
    async fn start(
        query: &'a ContinuousQuery,
        store: Arc<dyn StreamStore>,
        clock: Arc<dyn Clock>,
    ) -> Result<Running<'a>, QueryError> {
        let definition = &query.definition;
        let found = store.checkpoint(&query.output, &query.name).await.map_err(|error| query.stream(error))?;
        let mut header = Header {
            fingerprint: definition.fingerprint(),
            closed_until: Timestamp::MIN,
            columns: definition.columns.clone(),
            records: 0,
            rows: 0,
            errors: 0,
        };
        let (mut version, mut positions, mut states) = (0, BTreeMap::new(), Vec::new());
        // Without a checkpoint the first one is due at once: it pins where the query began.
        let dirty = found.is_none();
        if let Some(checkpoint) = found {
            let (kept, kept_states) =
                snapshot::decode(&checkpoint.state).map_err(|error| query.checkpoint_error(error))?;
            if kept.fingerprint != header.fingerprint {
                return Err(QueryError::Changed { query: query.name.clone() });
            }
            (header, states) = (kept, kept_states);
            (version, positions) = (checkpoint.version, checkpoint.positions);
        }
        let reader = StreamReader::open(Arc::clone(&store), query.source.clone(), positions, query.options.start)
            .await
            .map_err(|error| query.stream(error))?;
        let mut running = Running {
            query,
            store,
            reader,
            operator: None,
            header,
            version,
            dirty,
            committed_at: clock.now(),
            complete: BTreeMap::new(),
            ask_after: Timestamp::MIN,
            logged: None,
            unlogged: 0,
            clock,
        };
        if let Some(columns) = running.header.columns.clone() {
            running.plan(&columns)?.restore(states).map_err(|error| query.engine(error))?;
        }
        if dirty {
            running.commit(Vec::new()).await?;
        }
        info!(query = %query.name, source = %query.source, output = %query.output, version, "query started");
        Ok(running)
    }

    fn plan(&mut self, columns: &[SqlColumn]) -> Result<&mut Operator, QueryError> {
        let query = self.query;
        let operator = query.definition.operator(columns).map_err(|source| QueryError::Sql {
            query: query.name.clone(),
            source: query.definition.advised(source),
        })?;
        self.header.columns = Some(columns.to_vec());
        Ok(self.operator.insert(operator))
    }

    fn next_end(&self) -> Option<Timestamp> {
        self.operator.as_ref().and_then(Operator::next_end)
    }

    /// Takes in a batch whole.
    fn absorb(&mut self, batch: ShardBatch) -> Result<(), QueryError> {
        self.dirty |= !batch.records.is_empty() || batch.position.finished || batch.skipped > 0;
        self.complete.insert(batch.shard, batch.complete_until);
        if batch.skipped > 0 {
            warn!(query = %self.query.name, shard = %batch.shard, records = batch.skipped, "records were past retention");
        }
        let users = || batch.records.iter().flat_map(|record| user_records(record, batch.owned));
        if self.operator.is_none() {
            let first: Vec<_> =
                users().filter(|user| !user.misplaced).filter_map(|user| objects(user.data).ok()).flatten().collect();
            if !first.is_empty() {
                let columns = discover(&first);
                self.plan(&columns)?;
                info!(query = %self.query.name, columns = columns.len(), "columns found in the first records");
            }
        }
        users().for_each(|user| self.count(&user));
        match &mut self.operator {
            Some(operator) => operator.settle().map_err(|error| self.query.engine(error)),
            None => Ok(()),
        }
    }

    /// Adds a user record to its window, or leaves it out.
    fn count(&mut self, user: &UserRecord<'_>) {
        self.header.records += 1;
        if user.misplaced {
            return self.left_out(1, "part of an aggregate belongs to another shard: its producer sends it again");
        }
        let rowtime = user.record.arrived_at.max(self.header.closed_until);
        let taken = match &mut self.operator {
            Some(operator) => operator.push_record(user.data, rowtime),
            // There are no columns because no record so far was one of objects.
            None => objects(user.data).map(|_| ()),
        };
        if let Err(unfit) = taken {
            self.left_out(1, &unfit.to_string());
        }
    }

    fn left_out(&mut self, count: u64, reason: &str) {
        self.header.errors += count;
        self.unlogged += count;
        let now = self.clock.now();
        if self.logged.is_none_or(|logged| logged + LOG_INTERVAL <= now) {
            warn!(query = %self.query.name, count = self.unlogged, reason, "records or rows left out");
            (self.logged, self.unlogged) = (Some(now), 0);
        }
    }

    /// Asks the shards how far time is complete.
    async fn ask_tips(&mut self) -> Result<(), QueryError> {
        self.ask_after = self.clock.now() + TIP_RETRY_DELAY;
        for batch in self.reader.poll_tips().await.map_err(|error| self.query.stream(error))? {
            self.complete.insert(batch.shard, batch.complete_until);
        }
        Ok(())
    }

    /// Closes the windows that no shard can add to any more.
    async fn close(&mut self) -> Result<(), QueryError> {
        let complete = |shard| self.complete.get(&shard).copied().unwrap_or(Timestamp::MIN);
        let Some(until) = self.reader.active().map(complete).min() else { return Ok(()) };
        let Some(operator) =
            self.operator.as_mut().filter(|operator| operator.next_end().is_some_and(|end| end <= until))
        else {
            return Ok(());
        };
        let closed = operator.close(until).map_err(|error| self.query.engine(error))?;
        // Rows that come from here on belong to a window that is still open.
        self.header.closed_until = self.header.closed_until.max(operator.window_of(until).start);
        if let Some(reason) = closed.errors.first() {
            self.left_out(closed.errors.len() as u64, reason);
        }
        self.header.rows += closed.rows.len() as u64;
        debug!(query = %self.query.name, rows = closed.rows.len(), %until, "windows closed");
        self.commit(closed.rows).await
    }

    async fn commit(&mut self, rows: Vec<OutputRow>) -> Result<(), QueryError> {
        let states = match &mut self.operator {
            Some(operator) => {
                let states = operator.states().map_err(|error| self.query.engine(error))?;
                Some((operator.state_schema(), states))
            }
            None => None,
        };
        let states = states.as_ref().map(|(schema, states)| (&**schema, states.as_slice()));
        let state = snapshot::encode(&self.header, states).map_err(|error| self.query.checkpoint_error(error))?;
        let checkpoint = Checkpoint { version: self.version + 1, positions: self.reader.positions().clone(), state };
        let outputs = rows.into_iter().map(|row| self.entry(row)).collect();
        let query = self.query;
        self.store
            .commit(&query.output, &query.name, checkpoint, outputs)
            .await
            .map_err(|error| query.stream(error))?;
        self.version += 1;
        self.dirty = false;
        self.committed_at = self.clock.now();
        Ok(())
    }

    fn entry(&self, row: OutputRow) -> PutEntry {
        // A key that no partition key can be (empty, too long) gives way to the query's name.
        let key = row.key.and_then(|key| PartitionKey::new(key).ok());
        let key = key.unwrap_or_else(|| PartitionKey::new(self.query.name.as_str()).expect("a name is a short text"));
        PutEntry::new(key, row.json.into_bytes())
    }
}
