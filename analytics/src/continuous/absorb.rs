//! How a running query takes in what it reads, and counts what it cannot use.

use std::time::Duration;

use model::clock::Timestamp;
use model::datagram::sensor_stream::{NotOfStream, SensorStream};
use model::query::engine::{SqlError, SqlErrorKind};
use model::stream::aggregate::{UserRecord, user_records};
use model::stream::consumer::ShardBatch;
use model::stream::record::Record;
use model::stream::shard::ShardId;
use model::text::json_object::RecordText;
use tracing::{info, warn};

use crate::continuous::decode::discover::{discover, discover_usual};
use crate::continuous::decode::json::{Kinds, Row, Unfit, objects};
use crate::continuous::decode::sensor::columns_of;
use crate::continuous::definition::RowTime;
use crate::continuous::driver::Taken;
use crate::continuous::error::QueryError;
use crate::continuous::operator::NotSet;
use crate::continuous::origin::Origin;
use crate::continuous::running::Running;
use crate::rows::sensor::{BLOCK_DATAGRAMS_MAX, Block};

/// Records left out are logged at most this often.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The kinds of all fields of a record's objects.
fn kinds(data: &[u8]) -> Result<Vec<Kinds>, Unfit> {
    objects(RecordText::of(data)?.bytes())
}

impl Running<'_> {
    /// Takes in a batch whole.
    pub(crate) fn absorb(&mut self, batch: ShardBatch) -> Result<(), QueryError> {
        self.dirty |= !batch.records.is_empty() || batch.position.finished || batch.expired + batch.lost > 0;
        self.complete.insert(batch.shard, batch.complete_until);
        if batch.expired > 0 {
            warn!(query = %self.query.name, shard = %batch.shard, records = batch.expired, "records expired before they were read");
            self.query.status.update(|status| status.expired += batch.expired);
        }
        if batch.lost > 0 {
            warn!(query = %self.query.name, shard = %batch.shard, records = batch.lost, "records were lost to damage before they were read");
            self.query.status.update(|status| status.lost += batch.lost);
        }
        if !batch.records.is_empty() {
            match batch.stream.sensor() {
                Some(sensor) => self.absorb_datagrams(sensor, &batch.records, batch.shard)?,
                None if self.driver.is_some() => self.absorb_objects(&batch)?,
                None => self.discover(batch)?,
            }
        }
        self.dirty &= self.undiscovered.is_empty();
        Ok(())
    }

    /// Takes in records of JSON of a stream whose columns are not known yet.
    fn discover(&mut self, batch: ShardBatch) -> Result<(), QueryError> {
        let users = batch.records.iter().flat_map(|record| user_records(record, batch.owned, None));
        let found: Vec<_> =
            users.filter(|user| !user.misplaced).filter_map(|user| kinds(&user.data).ok()).flatten().collect();
        if found.is_empty() && self.undiscovered.is_empty() {
            return self.absorb_objects(&batch);
        }
        self.undiscovered.push(batch, found);
        let waits_for = match self.plan_discovered() {
            Ok(()) => None,
            Err(QueryError::Sql { source, .. }) => Some(source.to_string()),
            Err(error) => return Err(error),
        };
        self.query.status.update(|status| status.waits_for.clone_from(&waits_for));
        if let Some(reason) = &waits_for
            && !self.undiscovered.is_full()
        {
            self.log_left_out(0, &format!("waiting for records that fit the query: {reason}"));
            return Ok(());
        }
        for batch in self.undiscovered.take() {
            match &waits_for {
                None => self.absorb_objects(&batch)?,
                Some(reason) => self.give_up(&batch, reason),
            }
        }
        Ok(())
    }

    /// Plans the query over the columns of the records that wait.
    fn plan_discovered(&mut self) -> Result<(), QueryError> {
        let columns = discover(self.undiscovered.objects());
        if let Err(error) = self.plan(&columns).map(|_| ()) {
            // A few odd values may have made text of a column of numbers.
            let usual = discover_usual(self.undiscovered.objects());
            self.plan(&usual).map_err(|_| error)?;
        }
        let columns = self.header.columns.as_ref().map_or(0, Vec::len);
        info!(query = %self.query.name, columns, "columns found in the first records");
        Ok(())
    }

    /// Begins without records that have waited for too long.
    fn give_up(&mut self, batch: &ShardBatch, reason: &str) {
        let count = batch.records.iter().flat_map(|record| user_records(record, batch.owned, None)).count() as u64;
        self.header.records += count;
        self.left_out(count, reason);
    }

    /// Takes in records of JSON.
    fn absorb_objects(&mut self, batch: &ShardBatch) -> Result<(), QueryError> {
        let users = batch.records.iter().flat_map(|record| user_records(record, batch.owned, None));
        let created_at = batch.stream.created_at;
        users.for_each(|user| self.count(&user, batch.shard, created_at));
        if let Some(driver) = &mut self.driver {
            driver.operator_mut().settle().map_err(|error| self.query.engine(error))?;
        }
        self.settled()
    }

    /// Takes in sensor datagrams: blocks of them that arrived at one time, straight to columns.
    fn absorb_datagrams(
        &mut self,
        sensor: &SensorStream,
        records: &[Record],
        shard: ShardId,
    ) -> Result<(), QueryError> {
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
                    let origin = Origin { arrived_at: Some(arrived_at), shard: Some(shard), ..Origin::default() };
                    driver.push_datagrams(&datagrams, arrived_at, origin);
                }
                driver.operator_mut().settle().map_err(|error| query.engine(error))?;
            }
        }
        if let Some((count, why)) = unfit {
            self.header.records += count;
            self.left_out(count, &why.to_string());
        }
        self.settled()
    }

    /// Counts what could not be computed, and checks that the state is not too large.
    fn settled(&mut self) -> Result<(), QueryError> {
        self.count_left_out();
        let Some(driver) = &mut self.driver else { return Ok(()) };
        let query = self.query;
        let bytes =
            driver.operator_mut().state_bytes(query.options.state_bytes_max).map_err(|error| query.engine(error))?;
        query.check_state(bytes)
    }

    /// Adds the rows of a user record to their windows, or leaves it out.
    fn count(&mut self, user: &UserRecord<'_>, shard: ShardId, created_at: Timestamp) {
        self.header.records += 1;
        if user.misplaced {
            return self.left_out(1, "part of an aggregate belongs to another shard; its producer sends it again");
        }
        let arrived_at = user.record.arrived_at;
        let origin = Origin {
            arrived_at: Some(arrived_at),
            partition_key: Some(user.partition_key),
            shard: Some(shard),
            sequence_number: Some((user.record.sequence_number, created_at)),
        };
        let text = match RecordText::of(&user.data) {
            Ok(text) => text,
            Err(error) => return self.left_out(1, &Unfit::from(error).to_string()),
        };
        let rows = match &self.driver {
            Some(driver) => driver.rows(text.bytes()),
            // There are no columns because no record so far was one of objects.
            None => objects(text.bytes()).map(|_| Vec::new()),
        };
        match rows {
            Ok(rows) => rows.into_iter().for_each(|row| self.push(row, arrived_at, origin)),
            Err(unfit) => self.left_out(1, &unfit.to_string()),
        }
    }

    /// Adds a row to its windows.
    fn push(&mut self, row: Row<'_>, arrived_at: Timestamp, origin: Origin<'_>) {
        let Some(driver) = &mut self.driver else { return };
        match driver.push(row, arrived_at, origin) {
            Taken::InTime(time) => {
                if let Some(shard) = origin.shard.filter(|_| self.query.definition.time != RowTime::Arrival) {
                    self.header.event_time.note(shard, time, arrived_at);
                }
            }
            Taken::Late(time) => {
                let reason = format!("a row came late: all windows that hold {time} are over");
                self.left_out(1, &reason);
            }
            Taken::Timeless => self.left_out(1, "the row has no time: its time column is null"),
            Taken::Future(time) => {
                let reason = format!("the row's time is {time}, more than an hour after it arrived");
                self.left_out(1, &reason);
            }
        }
    }

    /// Counts what the query could not compute.
    pub(crate) fn count_left_out(&mut self) {
        let left_out = self.driver.as_mut().map(|driver| driver.operator_mut().take_left_out()).unwrap_or_default();
        if left_out.count > 0 {
            self.left_out(left_out.count, &left_out.reason);
        }
    }

    pub(crate) fn left_out(&mut self, count: u64, reason: &str) {
        self.header.left_out += count;
        let now = self.clock.now();
        self.query.status.update(|status| match &mut status.last_left_out {
            // One after the other with the same reason is the same one.
            Some((at, known)) if known == reason => *at = now,
            last => *last = Some((now, reason.to_owned())),
        });
        self.log_left_out(count, reason);
    }

    fn log_left_out(&mut self, count: u64, reason: &str) {
        let now = self.clock.now();
        self.unlogged += count;
        if self.logged.is_none_or(|logged| logged + LOG_INTERVAL <= now) {
            warn!(query = %self.query.name, count = self.unlogged, reason, "records or rows left out");
            (self.logged, self.unlogged) = (Some(now), 0);
        }
    }
}
