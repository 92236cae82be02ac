//! A continuous query while it runs: what it has taken in since its last checkpoint, and how a
//! window closes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::clock::{Clock, Timestamp};
use model::datagram::sensor_stream::{NotOfStream, SensorStream};
use model::query::engine::{SqlError, SqlErrorKind};
use model::stream::aggregate::{UserRecord, user_records};
use model::stream::checkpoint::Checkpoint;
use model::stream::consumer::{ShardBatch, StreamReader};
use model::stream::hash_key::PartitionKey;
use model::stream::record::{PutEntry, Record};
use model::stream::shard::ShardId;
use model::stream::store::StreamStore;
use tracing::{debug, info, warn};

use crate::continuous::decode::discover::discover;
use crate::continuous::decode::json::objects;
use crate::continuous::decode::sensor::columns_of;
use crate::continuous::driver::{Driver, LateRows};
use crate::continuous::encode::OutputRow;
use crate::continuous::error::QueryError;
use crate::continuous::operator::NotSet;
use crate::continuous::query::ContinuousQuery;
use crate::continuous::snapshot::{self, Header};
use crate::rows::sensor::{BLOCK_DATAGRAMS_MAX, Block};
use crate::sql::schema::SqlColumn;

/// A store that lags behind the clock is asked again after this.
const TIP_RETRY_DELAY: Duration = Duration::from_millis(20);
/// Records left out are logged at most this often.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// A query between two checkpoints.
pub(crate) struct Running<'a> {
    query: &'a ContinuousQuery,
    store: Arc<dyn StreamStore>,
    clock: Arc<dyn Clock>,
    pub(crate) reader: StreamReader,
    /// Once the source's columns are known.
    driver: Option<Driver>,
    header: Header,
    /// The version of the last checkpoint.
    version: u64,
    /// Something happened since the last checkpoint.
    pub(crate) dirty: bool,
    pub(crate) committed_at: Timestamp,
    /// How far time is complete in each shard.
    complete: BTreeMap<ShardId, Timestamp>,
    /// Tips are not asked again before this.
    pub(crate) ask_after: Timestamp,
    logged: Option<Timestamp>,
    unlogged: u64,
}

impl<'a> Running<'a> {
    pub(crate) async fn start(
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
            left_out: 0,
        };
        let (mut version, mut positions, mut states) = (0, BTreeMap::new(), Vec::new());
        // Without a checkpoint the first one is due at once: it pins where the query began.
        let dirty = found.as_ref().is_none_or(Checkpoint::is_blank);
        if let Some(blank) = found.as_ref().filter(|_| dirty) {
            version = blank.version;
        } else if let Some(checkpoint) = found {
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
            driver: None,
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
            running.plan(&columns)?.operator_mut().restore(states).map_err(|error| query.engine(error))?;
        }
        if dirty {
            running.commit(Vec::new()).await?;
        }
        running.show();
        info!(query = %query.name, source = %query.source, output = %query.output, version, "query started");
        Ok(running)
    }

    fn plan(&mut self, columns: &[SqlColumn]) -> Result<&mut Driver, QueryError> {
        let query = self.query;
        let operator = query.definition.operator(columns).map_err(|source| QueryError::Sql {
            query: query.name.clone(),
            source: query.definition.advised(source),
        })?;
        self.header.columns = Some(columns.to_vec());
        // A record's window is that of its arrival: one that was stamped below a closed window
        // counts in the next.
        Ok(self.driver.insert(Driver::new(operator, LateRows::Join, self.header.closed_until)))
    }

    fn open_windows(&self) -> usize {
        self.driver.as_ref().map_or(0, |driver| driver.operator().open_windows())
    }

    pub(crate) fn next_end(&self) -> Option<Timestamp> {
        self.driver.as_ref().and_then(|driver| driver.operator().next_end())
    }

    /// Takes in a batch whole.
    pub(crate) fn absorb(&mut self, batch: ShardBatch) -> Result<(), QueryError> {
        self.dirty |= !batch.records.is_empty() || batch.position.finished || batch.expired > 0;
        self.complete.insert(batch.shard, batch.complete_until);
        if batch.expired > 0 {
            warn!(query = %self.query.name, shard = %batch.shard, records = batch.expired, "records expired before they were read");
            self.query.status.update(|status| status.expired += batch.expired);
        }
        if batch.records.is_empty() {
            return Ok(());
        }
        match batch.stream.sensor() {
            Some(sensor) => self.absorb_datagrams(sensor, &batch.records),
            None => self.absorb_objects(&batch),
        }
    }

    /// Takes in records of JSON.
    fn absorb_objects(&mut self, batch: &ShardBatch) -> Result<(), QueryError> {
        let users = || batch.records.iter().flat_map(|record| user_records(record, batch.owned, None));
        if self.driver.is_none() {
            let first: Vec<_> =
                users().filter(|user| !user.misplaced).filter_map(|user| objects(&user.data).ok()).flatten().collect();
            if !first.is_empty() {
                let columns = discover(&first);
                self.plan(&columns)?;
                info!(query = %self.query.name, columns = columns.len(), "columns found in the first records");
            }
        }
        users().for_each(|user| self.count(&user));
        match &mut self.driver {
            Some(driver) => driver.operator_mut().settle().map_err(|error| self.query.engine(error)),
            None => Ok(()),
        }
    }

    /// Takes in sensor datagrams: blocks of them that arrived at one time, straight to columns.
    fn absorb_datagrams(&mut self, sensor: &SensorStream, records: &[Record]) -> Result<(), QueryError> {
        if self.driver.is_none() {
            self.plan(&columns_of(sensor))?;
        }
        let query = self.query;
        let driver = self.driver.as_mut().expect("planned just now");
        driver.operator_mut().set_sensor(sensor).map_err(|not_set| match not_set {
            NotSet::Engine(error) => query.engine(error),
            NotSet::Unfillable(unfillable) => {
                let source = SqlError::new(SqlErrorKind::Invalid, unfillable.to_string());
                QueryError::Sql { query: query.name.clone(), source }
            }
        })?;
        let mut unfit: Option<(u64, NotOfStream)> = None;
        for same_time in records.chunk_by(|one, other| one.arrived_at == other.arrived_at) {
            let arrived_at = same_time[0].arrived_at;
            for block in same_time.chunks(BLOCK_DATAGRAMS_MAX) {
                let Block { datagrams, unfit: count, reason, .. } = Block::read(sensor, block);
                if let Some(reason) = reason {
                    unfit = Some((unfit.map_or(0, |(before, _)| before) + count, reason));
                }
                self.header.records += datagrams.iter().map(|datagram| u64::from(datagram.header.count)).sum::<u64>();
                if !datagrams.is_empty() {
                    driver.push_datagrams(&datagrams, arrived_at);
                }
                driver.operator_mut().settle().map_err(|error| query.engine(error))?;
            }
        }
        if let Some((count, why)) = unfit {
            self.header.records += count;
            self.left_out(count, &why.to_string());
        }
        Ok(())
    }

    /// Adds a user record to its window, or leaves it out.
    fn count(&mut self, user: &UserRecord<'_>) {
        self.header.records += 1;
        if user.misplaced {
            return self.left_out(1, "part of an aggregate belongs to another shard; its producer sends it again");
        }
        let taken = match &mut self.driver {
            Some(driver) => driver.push_record(&user.data, user.record.arrived_at).map(|_| ()),
            // There are no columns because no record so far was one of objects.
            None => objects(&user.data).map(|_| ()),
        };
        if let Err(unfit) = taken {
            self.left_out(1, &unfit.to_string());
        }
    }

    fn left_out(&mut self, count: u64, reason: &str) {
        self.header.left_out += count;
        self.unlogged += count;
        let now = self.clock.now();
        self.query.status.update(|status| match &mut status.last_left_out {
            // One after the other with the same reason is the same one.
            Some((at, known)) if known == reason => *at = now,
            last => *last = Some((now, reason.to_owned())),
        });
        if self.logged.is_none_or(|logged| logged + LOG_INTERVAL <= now) {
            warn!(query = %self.query.name, count = self.unlogged, reason, "records or rows left out");
            (self.logged, self.unlogged) = (Some(now), 0);
        }
    }

    /// Asks the shards how far time is complete.
    pub(crate) async fn ask_tips(&mut self) -> Result<(), QueryError> {
        self.ask_after = self.clock.now() + TIP_RETRY_DELAY;
        for batch in self.reader.poll_tips().await.map_err(|error| self.query.stream(error))? {
            self.complete.insert(batch.shard, batch.complete_until);
        }
        Ok(())
    }

    /// Closes the windows that no shard can add to any more.
    pub(crate) async fn close(&mut self) -> Result<(), QueryError> {
        let complete = |shard| self.complete.get(&shard).copied().unwrap_or(Timestamp::MIN);
        let Some(until) = self.reader.active().map(complete).min() else { return Ok(()) };
        // Shards that no batch has come from yet promise nothing, and shards that are all at their
        // end promise for ever.
        let watermark = Some(until).filter(|until| Timestamp::MIN < *until && *until < Timestamp::MAX);
        let (window_end, open_windows) = (self.next_end(), self.open_windows());
        self.query.status.update(|status| {
            status.watermark = watermark.or(status.watermark);
            (status.window_end, status.open_windows) = (window_end, open_windows);
        });
        let Some(driver) = self.driver.as_mut().filter(|driver| driver.is_due(until)) else { return Ok(()) };
        let closed = driver.close(until).map_err(|error| self.query.engine(error))?;
        self.header.closed_until = driver.closed_until();
        if let Some(reason) = closed.errors.first() {
            self.left_out(closed.errors.len() as u64, reason);
        }
        self.header.rows += closed.rows.len() as u64;
        debug!(query = %self.query.name, rows = closed.rows.len(), %until, "windows closed");
        self.commit(closed.rows).await
    }

    pub(crate) async fn commit(&mut self, rows: Vec<OutputRow>) -> Result<(), QueryError> {
        let states = match &mut self.driver {
            Some(driver) => {
                let operator = driver.operator_mut();
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
        self.show();
        Ok(())
    }

    /// Shows what the checkpoint holds.
    fn show(&self) {
        let (header, window_end) = (&self.header, self.next_end());
        let (rows_read, any_passed) = self.driver.as_ref().map_or((0, false), |driver| driver.operator().progress());
        let open_windows = self.open_windows();
        self.query.status.update(|status| {
            (status.rows_read, status.any_passed, status.open_windows) = (rows_read, any_passed, open_windows);
            (status.records, status.rows, status.left_out) = (header.records, header.rows, header.left_out);
            status.window_end = window_end;
        });
    }

    fn entry(&self, row: OutputRow) -> PutEntry {
        // A key that no partition key can be (empty, too long) gives way to the query's name.
        let key = row.key.and_then(|key| PartitionKey::new(key).ok());
        let key = key.unwrap_or_else(|| PartitionKey::new(self.query.name.as_str()).expect("a name is a short text"));
        PutEntry::new(key, row.json.into_bytes())
    }
}
