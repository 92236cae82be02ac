//! A continuous query while it runs: where it begins, how a window closes, what a checkpoint holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::clock::{Clock, Timestamp};
use model::stream::checkpoint::Checkpoint;
use model::stream::consumer::StreamReader;
use model::stream::hash_key::PartitionKey;
use model::stream::record::PutEntry;
use model::stream::shard::ShardId;
use model::stream::store::{StreamError, StreamStore};
use tracing::{debug, info, warn};

use crate::continuous::definition::RowTime;
use crate::continuous::driver::{Driver, LateRows};
use crate::continuous::due;
use crate::continuous::encode::OutputRow;
use crate::continuous::error::QueryError;
use crate::continuous::event_time::EventTime;
use crate::continuous::query::ContinuousQuery;
use crate::continuous::snapshot::{self, Header};
use crate::continuous::undiscovered::Undiscovered;
use crate::sql::schema::SqlColumn;

/// A store that lags behind the clock is asked again after this.
const TIP_RETRY_DELAY: Duration = Duration::from_millis(20);
/// And after this many times as long as the last asking took: in between records are read.
const TIP_REST_FACTOR: u32 = 4;
/// While a window is open, tips are asked at least this often: the time of the stream and the wall clock may differ.
const TIP_INTERVAL: Duration = Duration::from_secs(1);

/// A query between two checkpoints.
pub(crate) struct Running<'a> {
    pub(crate) query: &'a ContinuousQuery,
    store: Arc<dyn StreamStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) reader: StreamReader,
    /// Once the source's columns are known.
    pub(crate) driver: Option<Driver>,
    pub(crate) header: Header,
    /// The version of the last checkpoint.
    version: u64,
    /// Something happened since the last checkpoint.
    pub(crate) dirty: bool,
    /// In the elapsed time of the clock.
    pub(crate) committed_at: Duration,
    /// Bytes of state in the last checkpoint.
    state_bytes: usize,
    /// How far time is complete in each shard.
    pub(crate) complete: BTreeMap<ShardId, Timestamp>,
    /// Tips are not asked again before this.
    pub(crate) ask_after: Timestamp,
    /// Tips are asked at the latest then, in the elapsed time of the clock.
    pub(crate) ask_at: Duration,
    pub(crate) logged: Option<Timestamp>,
    pub(crate) unlogged: u64,
    /// While there are some, nothing is committed: they are read again after a restart.
    pub(crate) undiscovered: Undiscovered,
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
            given_out_until: None,
            event_time: EventTime::default(),
        };
        let (mut version, mut positions, mut states) = (0, BTreeMap::new(), Vec::new());
        let state_bytes = found.as_ref().map_or(0, |checkpoint| checkpoint.state.len());
        // Without a checkpoint the first one is due at once: it pins where the query began.
        let dirty = found.as_ref().is_none_or(Checkpoint::is_blank);
        if let Some(blank) = found.as_ref().filter(|_| dirty) {
            version = blank.version;
        } else if let Some(checkpoint) = found {
            let (kept, kept_states) =
                snapshot::decode(&checkpoint.state).map_err(|error| query.checkpoint_error(error))?;
            if !definition.is_fingerprint(&kept.fingerprint) {
                return Err(QueryError::Changed { query: query.name.clone() });
            }
            (header, states) = (Header { fingerprint: header.fingerprint, ..kept }, kept_states);
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
            committed_at: clock.elapsed(),
            state_bytes,
            complete: BTreeMap::new(),
            ask_after: Timestamp::MIN,
            ask_at: Duration::ZERO,
            logged: None,
            unlogged: 0,
            undiscovered: Undiscovered::default(),
            clock,
        };
        if let Some(columns) = running.header.columns.clone() {
            let given_out_until = running.header.given_out_until;
            let driver = running.plan(&columns)?;
            let restored = driver.operator_mut().restore(states, given_out_until);
            restored.map_err(|error| query.checkpoint_error(format!("its state does not fit: {error}")))?;
        }
        match running.reader.deleted() {
            Some(records) => {
                let rows = running.begin_again()?;
                running.write(rows).await?;
                running.tell_deleted(records);
            }
            None if dirty => running.commit(Vec::new()).await?,
            None => {}
        }
        running.show();
        info!(query = %query.name, source = %query.source, output = %query.output, version, "query started");
        Ok(running)
    }

    /// Goes on in a source that was created anew. Windows of the earlier one stay open until the records of this one
    /// close them, unless that would take too long.
    fn begin_again(&mut self) -> Result<Vec<OutputRow>, QueryError> {
        let created = self.reader.stream().created_at;
        let Some(driver) = &mut self.driver else { return Ok(Vec::new()) };
        let rows = driver.begin_again(created).map_err(|error| self.query.engine(error))?;
        self.header.closed_until = driver.closed_until();
        Ok(rows)
    }

    /// Tells that the checkpoint was of an earlier stream of the source's name.
    fn tell_deleted(&self, records: u64) {
        let (query, source) = (&self.query.name, &self.query.source);
        if records == 0 {
            return info!(%query, %source, "the source was created anew");
        }
        warn!(%query, %source, records, "the source was created anew: records of the earlier one were deleted before they were read");
        self.query.status.update(|status| status.deleted += records);
    }

    /// Keeps what was read of a source that is gone: nobody can read it again. Gives the error back.
    pub(crate) async fn keep_if_gone(&mut self, error: QueryError) -> QueryError {
        let gone = |source: &StreamError| matches!(source, StreamError::NotFound(name) if *name == self.query.source);
        if matches!(&error, QueryError::Stream { source, .. } if gone(source))
            && self.dirty
            && let Err(failed) = self.commit(Vec::new()).await
        {
            return failed;
        }
        error
    }

    pub(crate) fn plan(&mut self, columns: &[SqlColumn]) -> Result<&mut Driver, QueryError> {
        let query = self.query;
        let operator = query.definition.operator(columns).map_err(|source| QueryError::Sql {
            query: query.name.clone(),
            source: query.definition.advised(source),
        })?;
        self.header.columns = Some(columns.to_vec());
        let (late_rows, time) = match &query.definition.time {
            // A record's window is that of its arrival: one that was stamped below a closed window counts in the next.
            RowTime::Arrival => (LateRows::Join, None),
            RowTime::Column { name, .. } => (LateRows::Drop, operator.place_of(name)),
        };
        Ok(self.driver.insert(Driver::new(operator, late_rows, time, self.header.closed_until)))
    }

    fn open_windows(&self) -> usize {
        self.driver.as_ref().map_or(0, |driver| driver.operator().open_windows())
    }

    pub(crate) fn next_end(&self) -> Option<Timestamp> {
        self.driver.as_ref().and_then(Driver::next_end)
    }

    /// The same where windows end by the clock; where they end by the time that rows say, the clock tells nothing.
    pub(crate) fn next_end_by_clock(&self) -> Option<Timestamp> {
        self.next_end().filter(|_| self.query.definition.time == RowTime::Arrival)
    }

    /// When, in the elapsed time of the clock, the next checkpoint is due, if anything has happened since the last one.
    pub(crate) fn checkpoint_at(&self) -> Option<Duration> {
        let bytes_changed = self.driver.as_ref().map_or(0, |driver| driver.operator().bytes_changed());
        let delay = due::delay(self.query.options.checkpoint_interval, self.state_bytes, bytes_changed);
        self.dirty.then(|| self.committed_at + delay)
    }

    /// Asks the shards how far time is complete.
    pub(crate) async fn ask_tips(&mut self) -> Result<(), QueryError> {
        let begin = self.clock.elapsed();
        let tips = self.reader.poll_tips().await.map_err(|error| self.query.stream(error))?;
        let rest = (self.clock.elapsed().saturating_sub(begin) * TIP_REST_FACTOR).max(TIP_RETRY_DELAY);
        self.ask_after = self.clock.now() + rest;
        self.ask_at = self.clock.elapsed() + rest.max(TIP_INTERVAL);
        self.complete.extend(tips.into_iter().map(|batch| (batch.shard, batch.complete_until)));
        Ok(())
    }

    /// Closes the windows that no shard can add to any more.
    pub(crate) async fn close(&mut self) -> Result<(), QueryError> {
        self.write_ready().await?;
        let Some(until) = self.complete_until() else { return Ok(()) };
        // Shards that no batch has come from yet promise nothing, and shards that are all at their
        // end promise for ever.
        let watermark = Some(until).filter(|until| Timestamp::MIN < *until && *until < Timestamp::MAX);
        let (window_end, open_windows) = (self.next_end(), self.open_windows());
        self.query.status.update(|status| {
            status.watermark = watermark.or(status.watermark);
            (status.window_end, status.open_windows) = (window_end, open_windows);
        });
        let Some(driver) = &mut self.driver else { return Ok(()) };
        if !driver.is_due(until) {
            driver.advance(until);
            return Ok(());
        }
        let rows = driver.close(until).map_err(|error| self.query.engine(error))?;
        self.header.closed_until = driver.closed_until();
        debug!(query = %self.query.name, rows = rows.len(), %until, "windows closed");
        self.write(rows).await
    }

    /// Until when time is complete in all shards that are read; none where there is no shard.
    fn complete_until(&self) -> Option<Timestamp> {
        let complete = |shard| self.complete.get(&shard).copied().unwrap_or(Timestamp::MIN);
        match &self.query.definition.time {
            RowTime::Arrival => self.reader.active().map(complete).min(),
            RowTime::Column { delay, .. } => {
                let shards = self.reader.active().map(|shard| (shard, complete(shard)));
                let mut shards = shards.peekable();
                shards.peek()?;
                Some(self.header.event_time.complete(shards, *delay))
            }
        }
    }

    /// Writes the rows of a query without windows.
    async fn write_ready(&mut self) -> Result<(), QueryError> {
        let is_ready = self.driver.as_ref().is_some_and(|driver| driver.operator().has_ready());
        if is_ready { self.commit(Vec::new()).await } else { Ok(()) }
    }

    /// Writes rows, with a checkpoint.
    async fn write(&mut self, rows: Vec<OutputRow>) -> Result<(), QueryError> {
        let outputs = self.fitting(rows).await?;
        self.header.rows += outputs.len() as u64;
        self.commit(outputs).await
    }

    /// The rows that the output stream takes. The others are left out and counted.
    async fn fitting(&mut self, rows: Vec<OutputRow>) -> Result<Vec<PutEntry>, QueryError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let query = self.query;
        let settings = self.store.describe(&query.output).await.map_err(|error| query.stream(error))?.settings.clone();
        let (fitting, too_large): (Vec<_>, Vec<_>) =
            rows.into_iter().map(|row| self.entry(row)).partition(|entry| settings.check(entry).is_ok());
        if let Some(error) = too_large.last().and_then(|entry| settings.check(entry).err()) {
            let reason = format!("a row cannot be written to stream `{}`: {error}", query.output);
            self.left_out(too_large.len() as u64, &reason);
        }
        Ok(fitting)
    }

    /// Makes durable what was read and what came of it: `outputs`, and rows that are ready without waiting for a window.
    pub(crate) async fn commit(&mut self, mut outputs: Vec<PutEntry>) -> Result<(), QueryError> {
        let ready = self.driver.as_mut().map(Driver::take_ready).transpose();
        let ready = self.fitting(ready.map_err(|error| self.query.engine(error))?.unwrap_or_default()).await?;
        self.header.rows += ready.len() as u64;
        outputs.extend(ready);
        let states = match &mut self.driver {
            Some(driver) => {
                self.header.closed_until = driver.closed_until();
                self.header.given_out_until = driver.operator().given_out_until();
                let operator = driver.operator_mut();
                let states = operator.states().map_err(|error| self.query.engine(error))?;
                Some((operator.state_schema(), states))
            }
            None => None,
        };
        self.count_left_out();
        let states = states.as_ref().map(|(schema, states)| (&**schema, states.as_slice()));
        let state = snapshot::encode(&self.header, states).map_err(|error| self.query.checkpoint_error(error))?;
        self.query.check_state(state.len())?;
        let state_bytes = state.len();
        let checkpoint = Checkpoint { version: self.version + 1, positions: self.reader.positions().clone(), state };
        let query = self.query;
        self.store
            .commit(&query.output, &query.name, checkpoint, outputs)
            .await
            .map_err(|error| query.stream(error))?;
        self.version += 1;
        self.dirty = false;
        self.state_bytes = state_bytes;
        if let Some(driver) = &mut self.driver {
            driver.operator_mut().reset_bytes_changed();
        }
        self.committed_at = self.clock.elapsed();
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
