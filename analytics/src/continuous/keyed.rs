//! State of windows that rows begin, for each key apart: sessions and stagger windows.
//!
//! A state row has the span of the rows that it was made of. Sorted by key and time, neighbours that belong to one window
//! become one state row with the span of both:
//!
//! ```text
//! session, gap 5     key a  [10, 15) [12, 17) ─▶ [10, 17)     [30, 35)
//! stagger, width 9   key a  [10, 19) [12, 21) ─▶ [10, 19)     [30, 39)
//! ```
//! Where a stagger window begins is known only when no earlier row can come: until then its rows stay apart.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, TimestampMillisecondArray, UInt32Array};
use datafusion::arrow::compute::{concat_batches, filter_record_batch, take_record_batch};
use datafusion::arrow::datatypes::TimestampMillisecondType;
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::error::DataFusionError;
use model::clock::Timestamp;

use crate::continuous::apart;
use crate::continuous::panes::{PARTS_MAX, bytes_of};
use crate::continuous::plan::Plan;
use crate::window::kind::Keyed;

/// The span of a state row, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct StateSpan {
    /// Whether the row before it has another key.
    begins_key: bool,
    start: i64,
    end: i64,
}

/// The windows that state rows belong to, one for each: rows are sorted by key and time. No row before `complete` comes any
/// more.
fn windows_of(windows: Keyed, rows: Vec<StateSpan>, complete: i64) -> Vec<(i64, i64)> {
    let mut spans: Vec<(i64, i64)> = Vec::with_capacity(rows.len());
    // The window of the last row, and how many rows are known to be in it.
    let (mut window, mut members) = ((0, 0), 0_usize);
    for row in rows {
        // Where a session begins does not matter to what belongs to it.
        let begins_for_sure = matches!(windows, Keyed::Session { .. }) || window.0 == row.start || window.0 <= complete;
        if members > 0 && !row.begins_key && begins_for_sure && row.start < window.1 {
            if matches!(windows, Keyed::Session { .. }) {
                window.1 = window.1.max(row.end);
            }
            members += 1;
        } else {
            spans.extend(std::iter::repeat_n(window, members));
            (window, members) = ((row.start, row.end), 1);
        }
    }
    spans.extend(std::iter::repeat_n(window, members));
    spans
}

/// The open windows of all keys.
#[derive(Debug)]
pub(crate) struct KeyedWindows {
    windows: Keyed,
    parts: Vec<RecordBatch>,
    /// Of all parts.
    bytes: usize,
    /// When the first row alone, folded or not, would end its window.
    first_end: Option<Timestamp>,
    /// Windows that end here or before were given out.
    closed_until: Timestamp,
}

impl KeyedWindows {
    pub(crate) fn new(windows: Keyed) -> KeyedWindows {
        KeyedWindows { windows, parts: Vec::new(), bytes: 0, first_end: None, closed_until: Timestamp::MIN }
    }

    /// Takes note of a row that waits to be folded.
    pub(crate) fn open(&mut self, at: Timestamp) {
        self.note_end(Timestamp::from_millis(at.as_millis().saturating_add(self.windows.length())));
    }

    fn note_end(&mut self, end: Timestamp) {
        self.first_end = Some(self.first_end.map_or(end, |known| known.min(end)));
    }

    /// When the first window may end.
    pub(crate) fn next_end(&self) -> Option<Timestamp> {
        self.first_end
    }

    /// Windows that end here or before were given out: a row of an earlier time would change one.
    pub(crate) fn closed_until(&self) -> Timestamp {
        self.closed_until
    }

    /// Windows were given out until then, before state was taken back.
    pub(crate) fn set_closed_until(&mut self, until: Timestamp) {
        self.closed_until = until;
    }

    /// How many state rows there are.
    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(RecordBatch::num_rows).sum()
    }

    /// Adds state rows. Returns how many bytes they are.
    pub(crate) fn keep(&mut self, states: RecordBatch, plan: &Plan) -> Result<usize, DataFusionError> {
        if states.num_rows() == 0 {
            return Ok(0);
        }
        let (_, end) = plan.window_columns();
        let ends = states.column(end).as_primitive::<TimestampMillisecondType>().values();
        if let Some(end) = ends.iter().min() {
            self.note_end(Timestamp::from_millis(*end));
        }
        let bytes = bytes_of(&states);
        self.bytes += bytes;
        self.parts.push(states);
        if self.parts.len() > PARTS_MAX {
            self.merge(plan, Timestamp::MIN)?;
        }
        Ok(bytes)
    }

    /// Says the same with fewer state rows. No row before `complete` comes any more.
    pub(crate) fn merge(&mut self, plan: &Plan, complete: Timestamp) -> Result<(), DataFusionError> {
        let states = concat_batches(plan.state_schema(), &self.parts)?;
        let (sorted, spans) = self.sorted(&states, plan, complete)?;
        let spanned = spanned(&sorted, plan, &spans)?;
        self.parts = apart::merge(plan, vec![spanned])?;
        self.bytes = self.parts.iter().map(bytes_of).sum();
        Ok(())
    }

    /// State rows by key and time, and the span of the window that each belongs to.
    fn sorted(
        &self,
        states: &RecordBatch,
        plan: &Plan,
        complete: Timestamp,
    ) -> Result<(RecordBatch, Vec<(i64, i64)>), DataFusionError> {
        let (start, end) = plan.window_columns();
        let is_key = |column: &usize| *column != start && *column != end;
        let keys: Vec<ArrayRef> =
            (0..plan.group_columns()).filter(is_key).map(|column| Arc::clone(states.column(column))).collect();
        let fields = keys.iter().map(|key| SortField::new(key.data_type().clone())).collect();
        let keys = match keys.is_empty() {
            true => None,
            false => Some(RowConverter::new(fields)?.convert_columns(&keys)?),
        };
        let starts = states.column(start).as_primitive::<TimestampMillisecondType>().values();
        let ends = states.column(end).as_primitive::<TimestampMillisecondType>().values();
        let key_of = |row: usize| keys.as_ref().map(|keys| keys.row(row));
        let mut order: Vec<usize> = (0..states.num_rows()).collect();
        order.sort_by_key(|row| (key_of(*row), starts[*row]));
        let spans = order.iter().enumerate().map(|(place, row)| StateSpan {
            begins_key: place == 0 || key_of(order[place - 1]) != key_of(*row),
            start: starts[*row],
            end: ends[*row],
        });
        let spans = windows_of(self.windows, spans.collect(), complete.as_millis());
        let order = UInt32Array::from_iter_values(order.into_iter().map(|row| row as u32));
        Ok((take_record_batch(states, &order)?, spans))
    }

    /// The state of the windows that end at `until` or before; no row before that time comes any more.
    pub(crate) fn close(&mut self, until: Timestamp, plan: &Plan) -> Result<Option<Vec<RecordBatch>>, DataFusionError> {
        if self.first_end.is_none_or(|end| until < end) {
            return Ok(None);
        }
        self.merge(plan, until)?;
        let (_, end) = plan.window_columns();
        let (mut over, mut open) = (Vec::new(), Vec::new());
        self.first_end = None;
        for part in std::mem::take(&mut self.parts) {
            let ends = part.column(end).as_primitive::<TimestampMillisecondType>().clone();
            let is_over: BooleanArray = ends.values().iter().map(|end| Some(*end <= until.as_millis())).collect();
            let is_open: BooleanArray = is_over.iter().map(|over| over.map(|over| !over)).collect();
            over.push(filter_record_batch(&part, &is_over)?);
            open.push(filter_record_batch(&part, &is_open)?);
            for end in ends.values().iter().copied().map(Timestamp::from_millis) {
                match end <= until {
                    true => self.closed_until = self.closed_until.max(end),
                    false => self.note_end(end),
                }
            }
        }
        self.parts = open.into_iter().filter(|part| part.num_rows() > 0).collect();
        self.bytes = self.parts.iter().map(bytes_of).sum();
        over.retain(|part| part.num_rows() > 0);
        Ok((!over.is_empty()).then_some(over))
    }

    /// Bytes of all state.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// All state rows.
    pub(crate) fn states(&self) -> Vec<RecordBatch> {
        self.parts.clone()
    }
}

/// The state rows with these windows.
fn spanned(states: &RecordBatch, plan: &Plan, spans: &[(i64, i64)]) -> Result<RecordBatch, DataFusionError> {
    let (start, end) = plan.window_columns();
    let times = |of: fn(&(i64, i64)) -> i64| -> ArrayRef {
        Arc::new(TimestampMillisecondArray::from_iter_values(spans.iter().map(of)))
    };
    let mut columns = states.columns().to_vec();
    (columns[start], columns[end]) = (times(|span| span.0), times(|span| span.1));
    Ok(RecordBatch::try_new(states.schema(), columns)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(windows: Keyed, complete: i64, rows: &[(bool, i64, i64)], expected: &[(i64, i64)]) {
        let row = |(begins_key, start, end): &(bool, i64, i64)| StateSpan {
            begins_key: *begins_key,
            start: *start,
            end: *end,
        };
        assert_eq!(windows_of(windows, rows.iter().map(row).collect(), complete), expected, "{windows:?}");
    }

    #[test]
    fn neighbours_that_belong_together_get_one_window() {
        let rows = [(true, 10, 15), (false, 12, 17), (false, 17, 22), (false, 30, 35), (true, 11, 16)];
        let sessions = [(10, 17), (10, 17), (17, 22), (30, 35), (11, 16)];
        check(Keyed::Session { gap: 5 }, i64::MIN, &rows, &sessions);
        let rows = [(true, 10, 19), (false, 12, 21), (false, 19, 28), (false, 20, 29), (true, 12, 21)];
        let staggered = [(10, 19), (10, 19), (19, 28), (19, 28), (12, 21)];
        check(Keyed::Stagger { width: 9 }, 40, &rows, &staggered);
        // Until it is sure where a window begins, its rows stay apart.
        check(Keyed::Stagger { width: 9 }, 10, &rows, &[(10, 19), (10, 19), (19, 28), (20, 29), (12, 21)]);
        check(Keyed::Session { gap: 5 }, 0, &[], &[]);
    }
}
