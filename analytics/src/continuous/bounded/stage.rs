//! One query of a run over files.

use std::collections::BTreeMap;
use std::time::Duration;

use model::clock::{Clock, SystemClock, Timestamp};

use crate::continuous::bounded::options::{BoundedError, BoundedOptions, RunReport};
use crate::continuous::bounded::sides::{Reason, Sides, Told};
use crate::continuous::decode::json::Unfit;
use crate::continuous::definition::{Definition, RowTime};
use crate::continuous::driver::{Driver, LateRows, Taken};
use crate::continuous::encode::OutputRow;
use crate::continuous::origin::Origin;
use crate::rows::convert::time_of;
use crate::rows::field::{FieldNames, Fields};
use crate::sql::schema::{ROWTIME, SqlColumn};

/// A query, and how far it has come.
pub(crate) struct Stage {
    pub(crate) definition: Definition,
    /// Once the columns of its stream are known.
    work: Option<Work>,
    /// Until when each query that writes its stream has nothing more to say.
    pub(crate) upstreams: BTreeMap<usize, Timestamp>,
    pub(crate) report: RunReport,
}

struct Work {
    driver: Driver,
    /// The columns' fields, and the time.
    fields: FieldNames,
    /// The place of the time of a line of a file.
    time: usize,
    /// Whether a line without that field is read now, so to speak.
    time_of_reading: bool,
    /// Rows may be so much out of order.
    delay: Duration,
    /// The newest time of a row.
    newest: Timestamp,
    /// The records of rows that wait, where somebody wants to know what becomes of them.
    waiting: Vec<Vec<u8>>,
}

impl Stage {
    pub(crate) fn new(definition: Definition) -> Stage {
        Stage { definition, work: None, upstreams: BTreeMap::new(), report: RunReport::default() }
    }

    /// Whether its columns are known.
    pub(crate) fn is_planned(&self) -> bool {
        self.work.is_some()
    }

    /// Begins, with these columns. Returns those that it writes.
    pub(crate) fn plan(
        &mut self,
        columns: &[SqlColumn],
        options: &BoundedOptions,
    ) -> Result<Vec<SqlColumn>, BoundedError> {
        let definition = &self.definition;
        let operator = definition.operator(columns)?;
        let written = operator.output_columns();
        let mut fields = operator.fields().clone();
        let source = [definition.select.source.as_str(), definition.source()];
        let own_field = source.iter().find_map(|name| options.time_fields.get(*name));
        let asked = own_field.or(options.time_field.as_ref());
        let is_fed = !self.upstreams.is_empty();
        // A field that the user names goes before the column that the query names.
        let (column, own_delay) = match &definition.time {
            RowTime::Column { name, delay } if asked.is_none() || is_fed => (operator.place_of(name), *delay),
            _ => (None, 0),
        };
        let time = fields.add_exactly(asked.map_or(ROWTIME, String::as_str));
        let own_delay = Duration::from_millis(own_delay.unsigned_abs());
        let delay = if is_fed { own_delay } else { options.delay.max(own_delay) };
        self.work = Some(Work {
            driver: Driver::new(operator, LateRows::Drop, column, Timestamp::MIN),
            fields,
            time,
            time_of_reading: asked.is_none() || column.is_some(),
            delay,
            newest: Timestamp::MIN,
            waiting: Vec::new(),
        });
        Ok(written)
    }

    /// Takes a line of a file, or a row of another query, which has a time.
    pub(crate) fn take(
        &mut self,
        line: &[u8],
        time: Option<Timestamp>,
        sides: &mut Sides<'_>,
    ) -> Result<(), BoundedError> {
        let Some(work) = &mut self.work else { return Ok(()) };
        let stream = self.definition.select.source.as_str();
        let objects = match work.fields.read(line) {
            Ok(objects) => objects,
            Err(error) => {
                self.report.left_out += 1;
                let unfit = Unfit::from(error).to_string();
                let told = Told { detail: Some(&unfit), record: Some(line), ..Told::default() };
                return Ok(sides.tell(stream, Reason::Malformed, told)?);
            }
        };
        for fields in objects {
            match work.take(fields, time) {
                Outcome::Taken => {
                    if sides.are_wanted() {
                        work.waiting.push(line.to_vec());
                    }
                }
                Outcome::Late(at) => {
                    self.report.late += 1;
                    let window = work.driver.operator().window_of(at);
                    let told = Told { window, record: Some(line), ..Told::default() };
                    sides.tell(stream, Reason::Late, told)?;
                }
                Outcome::LeftOut { reason, column, detail } => {
                    self.report.left_out += 1;
                    let told =
                        Told { column: column.as_deref(), detail: Some(&detail), record: Some(line), window: None };
                    sides.tell(stream, reason, told)?;
                }
            }
        }
        work.driver.operator_mut().settle()?;
        self.count(sides)
    }

    /// Until when what it has taken is complete, by its own rows.
    pub(crate) fn complete_until(&self) -> Timestamp {
        self.work.as_ref().map_or(Timestamp::MIN, |work| work.newest - work.delay)
    }

    /// Until when all queries that write its stream have nothing more to say, less what its rows may be out of order.
    pub(crate) fn fed_until(&self) -> Timestamp {
        let lowest = self.upstreams.values().min().copied().unwrap_or(Timestamp::MIN);
        let Some(work) = &self.work else { return lowest };
        match lowest {
            Timestamp::MAX => lowest,
            _ if work.driver.has_own_time() => work.newest - work.delay,
            lowest => lowest - work.delay,
        }
    }

    /// Closes what is over.
    pub(crate) fn close(&mut self, until: Timestamp, sides: &mut Sides<'_>) -> Result<Vec<OutputRow>, BoundedError> {
        let Some(work) = &mut self.work else { return Ok(Vec::new()) };
        let mut rows = work.driver.take_ready()?;
        rows.extend(work.driver.close(until)?);
        self.count(sides)?;
        Ok(rows)
    }

    /// Counts and tells what could not be computed.
    fn count(&mut self, sides: &mut Sides<'_>) -> Result<(), BoundedError> {
        let Some(work) = &mut self.work else { return Ok(()) };
        let operator = work.driver.operator_mut();
        let left_out = operator.take_left_out();
        self.report.left_out += left_out.count;
        let stream = self.definition.select.source.as_str();
        for (place, reason) in &left_out.rows {
            let record = work.waiting.get(*place).map(Vec::as_slice);
            sides.tell(stream, Reason::RunTime, Told { detail: Some(reason), record, ..Told::default() })?;
        }
        for _ in left_out.rows.len() as u64..left_out.count {
            let told = Told { detail: Some(&left_out.reason), ..Told::default() };
            sides.tell(stream, Reason::RunTime, told)?;
        }
        if operator.waiting_rows() == 0 {
            work.waiting.clear();
        }
        Ok(())
    }
}

/// What became of an object.
enum Outcome {
    Taken,
    Late(Timestamp),
    LeftOut { reason: Reason, column: Option<String>, detail: String },
}

impl Work {
    fn take(&mut self, fields: Fields<'_>, time: Option<Timestamp>) -> Outcome {
        let malformed = |column, detail| Outcome::LeftOut { reason: Reason::Malformed, column, detail };
        let at = match (time, &fields[self.time]) {
            (Some(time), _) => Some(time),
            (None, Some(field)) if !self.driver.has_own_time() => time_of(field).map(Timestamp::from_millis),
            (None, _) => self.time_of_reading.then(|| SystemClock.now()),
        };
        let Some(at) = at else { return malformed(None, "the record has no time".to_owned()) };
        let row = match self.driver.operator().row(fields) {
            Ok(row) => row,
            Err(unfit) => {
                let column = match &unfit {
                    Unfit::Value { column, .. } => Some(column.clone()),
                    _ => None,
                };
                return malformed(column, unfit.to_string());
            }
        };
        match self.driver.push(row, at, Origin::default()) {
            Taken::InTime(time) => {
                self.newest = self.newest.max(time);
                Outcome::Taken
            }
            Taken::Late(time) => Outcome::Late(time),
            Taken::Timeless => malformed(None, "the row has no time: its time column is null".to_owned()),
            Taken::Future(time) => Outcome::LeftOut {
                reason: Reason::Future,
                column: None,
                detail: format!("the row's time is {time}, more than an hour after it was read"),
            },
        }
    }
}
