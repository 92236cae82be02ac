//! Takes a query through time: the time that a row counts under, and which windows are over. What runs over a stream and
//! what runs over a file differ in one rule: what becomes of rows whose window is over.

use std::time::Duration;

use datafusion::error::DataFusionError;
use model::clock::Timestamp;
use model::datagram::payload::Datagram;

use crate::continuous::decode::json::{Row, Unfit};
use crate::continuous::encode::OutputRow;
use crate::continuous::operator::Operator;
use crate::continuous::origin::Origin;

/// A query that is further ahead of a source that was created anew begins its windows again.
const AHEAD_MAX: Duration = Duration::from_secs(60);
/// A row that says it happened so much later than it arrived has a wrong clock.
const FUTURE_MAX: Duration = Duration::from_secs(3600);

/// What becomes of a row whose window is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LateRows {
    /// It counts in the earliest window that is not over.
    Join,
    /// It counts nowhere.
    Drop,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It counts in a window.
    InTime(Timestamp),
    /// Its windows are over.
    Late(Timestamp),
    /// It has no time.
    Timeless,
    /// Its time is too far ahead of its arrival.
    Future(Timestamp),
}

/// A query at work, and how far its time has come.
#[derive(Debug)]
pub(crate) struct Driver {
    operator: Operator,
    late_rows: LateRows,
    /// Where a row has its time, if it has one of its own.
    time: Option<usize>,
    /// Windows that end here or before are over.
    closed_until: Timestamp,
}

impl Driver {
    /// Goes on where windows are over until `closed_until`. Rows have their time at this place among the fields, or that of
    /// their arrival.
    pub(crate) fn new(operator: Operator, late_rows: LateRows, time: Option<usize>, closed_until: Timestamp) -> Driver {
        Driver { operator, late_rows, time, closed_until }
    }

    /// The query.
    pub(crate) fn operator(&self) -> &Operator {
        &self.operator
    }

    /// The query, to read or set what has nothing to do with time.
    pub(crate) fn operator_mut(&mut self) -> &mut Operator {
        &mut self.operator
    }

    /// Whether rows say when they happened.
    pub(crate) fn has_own_time(&self) -> bool {
        self.time.is_some()
    }

    /// Windows that end here or before are over.
    pub(crate) fn closed_until(&self) -> Timestamp {
        self.closed_until
    }

    /// When the first open window ends.
    pub(crate) fn next_end(&self) -> Option<Timestamp> {
        self.operator.next_end(self.closed_until)
    }

    /// The time that a row counts under; none if it is late.
    fn rowtime(&self, at: Timestamp) -> Option<Timestamp> {
        match self.late_rows {
            LateRows::Join => Some(at.max(self.closed_until)),
            LateRows::Drop => (!self.operator.is_late(at, self.closed_until)).then_some(at),
        }
    }

    /// Takes a row that arrived `at` then.
    pub(crate) fn push(&mut self, row: Row<'_>, at: Timestamp, origin: Origin<'_>) -> Taken {
        let at = match self.time.map(|place| row.time(place)) {
            None => at,
            Some(None) => return Taken::Timeless,
            Some(Some(own)) if at + FUTURE_MAX < own => return Taken::Future(own),
            Some(Some(own)) => own,
        };
        let Some(rowtime) = self.rowtime(at) else { return Taken::Late(at) };
        self.operator.push(row, rowtime, origin);
        Taken::InTime(at)
    }

    /// Makes rows of all objects of a record.
    pub(crate) fn rows<'a>(&self, data: &'a [u8]) -> Result<Vec<Row<'a>>, Unfit> {
        self.operator.rows(data)
    }

    /// Takes the records of datagrams, all of which arrived at one time.
    ///
    /// # Panics
    ///
    /// Before [`Operator::set_sensor`].
    pub(crate) fn push_datagrams(&mut self, datagrams: &[Datagram<'_>], at: Timestamp, origin: Origin<'_>) -> Taken {
        let Some(rowtime) = self.rowtime(at) else { return Taken::Late(at) };
        self.operator.push_datagrams(datagrams, rowtime, origin);
        Taken::InTime(at)
    }

    /// Whether a window is over once time is complete until then.
    pub(crate) fn is_due(&self, until: Timestamp) -> bool {
        self.next_end().is_some_and(|end| end <= until)
    }

    /// The source was created anew at `created`. Where the clock was set back before, rows of this source would wait
    /// until its time is where the earlier one's was: instead, all windows are closed, and time begins again.
    pub(crate) fn begin_again(&mut self, created: Timestamp) -> Result<Vec<OutputRow>, DataFusionError> {
        let window_end = self.operator.window_of(created).map_or(created, |window| window.end);
        let reached = self.closed_until.max(self.next_end().unwrap_or(Timestamp::MIN));
        if reached <= window_end + AHEAD_MAX {
            return Ok(Vec::new());
        }
        let closed = self.operator.close(self.closed_until, Timestamp::MAX);
        self.closed_until = self.operator.window_of(created).map_or(created, |window| window.start);
        closed
    }

    /// Time is complete until then: closes every window that is over.
    pub(crate) fn close(&mut self, until: Timestamp) -> Result<Vec<OutputRow>, DataFusionError> {
        let is_due = self.is_due(until);
        let closed = self.operator.close(self.closed_until, until)?;
        match self.late_rows {
            LateRows::Drop => self.closed_until = self.closed_until.max(until),
            // Rows that join the earliest open window need a time inside of it.
            LateRows::Join if is_due => {
                let open_from = self.operator.window_of(until).map_or(until, |window| window.start);
                self.closed_until = self.closed_until.max(open_from);
            }
            LateRows::Join => {}
        }
        Ok(closed)
    }

    /// Time is complete until then, and no window is over: rows that come later than that may be late all the same.
    pub(crate) fn advance(&mut self, until: Timestamp) {
        if self.late_rows == LateRows::Drop {
            self.closed_until = self.closed_until.max(until);
        }
    }

    /// The rows that are ready without waiting for any window.
    pub(crate) fn take_ready(&mut self) -> Result<Vec<OutputRow>, DataFusionError> {
        self.operator.take_ready()
    }
}
