//! Takes a query through time: the time that a row counts under, and which windows are over. What runs over a stream and
//! what runs over a file differ in one rule: what becomes of rows whose window is over.

use std::time::Duration;

use datafusion::error::DataFusionError;
use model::clock::Timestamp;
use model::datagram::payload::Datagram;

use crate::continuous::decode::field::Fields;
use crate::continuous::decode::json::Unfit;
use crate::continuous::encode::OutputRow;
use crate::continuous::operator::Operator;

/// A query that is further ahead of a source that was created anew begins its windows again.
const AHEAD_MAX: Duration = Duration::from_secs(60);

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
    InTime,
    /// Its window is over.
    Late,
}

/// A query at work, and how far its time has come.
#[derive(Debug)]
pub(crate) struct Driver {
    operator: Operator,
    late_rows: LateRows,
    /// Windows that end here or before are over.
    closed_until: Timestamp,
}

impl Driver {
    /// Goes on where windows are over until `closed_until`.
    pub(crate) fn new(operator: Operator, late_rows: LateRows, closed_until: Timestamp) -> Driver {
        Driver { operator, late_rows, closed_until }
    }

    /// The query.
    pub(crate) fn operator(&self) -> &Operator {
        &self.operator
    }

    /// The query, to read or set what has nothing to do with time.
    pub(crate) fn operator_mut(&mut self) -> &mut Operator {
        &mut self.operator
    }

    /// Windows that end here or before are over.
    pub(crate) fn closed_until(&self) -> Timestamp {
        self.closed_until
    }

    /// The time that a row counts under; none if it is late.
    fn rowtime(&self, at: Timestamp) -> Option<Timestamp> {
        match self.late_rows {
            LateRows::Join => Some(at.max(self.closed_until)),
            LateRows::Drop => (self.closed_until < self.operator.window_of(at).end).then_some(at),
        }
    }

    /// Takes one object, given by its fields.
    pub(crate) fn push_fields(&mut self, fields: Fields<'_>, at: Timestamp) -> Result<Taken, Unfit> {
        let Some(rowtime) = self.rowtime(at) else { return Ok(Taken::Late) };
        let row = self.operator.row(fields)?;
        self.operator.push(row, rowtime);
        Ok(Taken::InTime)
    }

    /// Takes all objects of a record, or none of them.
    pub(crate) fn push_record(&mut self, data: &[u8], at: Timestamp) -> Result<Taken, Unfit> {
        let Some(rowtime) = self.rowtime(at) else { return Ok(Taken::Late) };
        self.operator.push_record(data, rowtime)?;
        Ok(Taken::InTime)
    }

    /// Takes the records of datagrams, all of which arrived at one time.
    ///
    /// # Panics
    ///
    /// Before [`Operator::set_sensor`].
    pub(crate) fn push_datagrams(&mut self, datagrams: &[Datagram<'_>], at: Timestamp) -> Taken {
        let Some(rowtime) = self.rowtime(at) else { return Taken::Late };
        self.operator.push_datagrams(datagrams, rowtime);
        Taken::InTime
    }

    /// Whether a window is over once time is complete until then.
    pub(crate) fn is_due(&self, until: Timestamp) -> bool {
        self.operator.next_end().is_some_and(|end| end <= until)
    }

    /// The source was created anew at `created`. Where the clock was set back before, rows of this source would wait
    /// until its time is where the earlier one's was: instead, all windows are closed, and time begins again.
    pub(crate) fn begin_again(&mut self, created: Timestamp) -> Result<Vec<OutputRow>, DataFusionError> {
        let window = self.operator.window_of(created);
        let reached = self.closed_until.max(self.operator.next_end().unwrap_or(Timestamp::MIN));
        if reached <= window.end + AHEAD_MAX {
            return Ok(Vec::new());
        }
        self.closed_until = window.start;
        self.operator.close(Timestamp::MAX)
    }

    /// Time is complete until then: closes every window that is over.
    pub(crate) fn close(&mut self, until: Timestamp) -> Result<Vec<OutputRow>, DataFusionError> {
        match self.late_rows {
            LateRows::Drop => self.closed_until = self.closed_until.max(until),
            // Rows that join the earliest open window need a time inside of it.
            LateRows::Join if self.is_due(until) => {
                self.closed_until = self.closed_until.max(self.operator.window_of(until).start);
            }
            LateRows::Join => {}
        }
        self.operator.close(until)
    }
}
