//! State of windows that are cut by the clock: a part per pane. When a window ends, the parts of its panes are what its
//! result is made of; a pane is dropped when no later window holds it.

use std::collections::BTreeMap;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, TimestampMillisecondArray, UInt32Array};
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::datatypes::TimestampMillisecondType;
use datafusion::error::DataFusionError;
use model::clock::Timestamp;
use std::sync::Arc;

use crate::continuous::apart;
use crate::continuous::plan::Plan;
use crate::window::kind::Aligned;
use crate::window::span::Span;

/// A pane's state is merged when it has more parts than this.
pub(crate) const PARTS_MAX: usize = 16;

/// State rows of one pane.
#[derive(Debug, Default)]
struct Pane {
    parts: Vec<RecordBatch>,
    /// Of all parts.
    bytes: usize,
}

impl Pane {
    /// Says the same with fewer state rows.
    fn merge(&mut self, plan: &Plan) -> Result<(), DataFusionError> {
        self.parts = apart::merge(plan, std::mem::take(&mut self.parts))?;
        self.bytes = self.parts.iter().map(bytes_of).sum();
        Ok(())
    }
}

/// The bytes of a batch's values.
pub(crate) fn bytes_of(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum()
}

/// State rows with another window, the same for all of them.
pub(crate) fn with_window(states: &RecordBatch, plan: &Plan, window: Span) -> Result<RecordBatch, DataFusionError> {
    let all = |at: Timestamp| -> ArrayRef {
        Arc::new(TimestampMillisecondArray::from(vec![at.as_millis(); states.num_rows()]))
    };
    let (start, end) = plan.window_columns();
    let mut columns = states.columns().to_vec();
    (columns[start], columns[end]) = (all(window.start), all(window.end));
    Ok(RecordBatch::try_new(states.schema(), columns)?)
}

/// The open panes.
#[derive(Debug)]
pub(crate) struct Panes {
    windows: Aligned,
    panes: BTreeMap<Span, Pane>,
}

impl Panes {
    pub(crate) fn new(windows: Aligned) -> Panes {
        Panes { windows, panes: BTreeMap::new() }
    }

    /// Opens the pane of a row that waits to be folded.
    pub(crate) fn open(&mut self, at: Timestamp) {
        self.panes.entry(self.windows.pane_of(at)).or_default();
    }

    /// How many panes are open.
    pub(crate) fn len(&self) -> usize {
        self.panes.len()
    }

    /// When the first window ends that holds an open pane and ends after `after`.
    pub(crate) fn next_end(&self, after: Timestamp) -> Option<Timestamp> {
        // Later panes are in no earlier window than this one, unless it is in none.
        let ends = self.panes.keys().map(|pane| self.windows.first_end(*pane, after));
        ends.flatten().next()
    }

    /// Adds state rows, each to its pane. Returns how many bytes they are.
    pub(crate) fn keep(&mut self, states: &RecordBatch, plan: &Plan) -> Result<usize, DataFusionError> {
        let (start, end) = plan.window_columns();
        let starts = states.column(start).as_primitive::<TimestampMillisecondType>().values();
        let ends = states.column(end).as_primitive::<TimestampMillisecondType>().values();
        let mut rows_by_pane: BTreeMap<Span, Vec<u32>> = BTreeMap::new();
        for (row, (start, end)) in starts.iter().zip(ends).enumerate() {
            rows_by_pane.entry(Span::of_millis(*start, *end)).or_default().push(row as u32);
        }
        let mut bytes_kept = 0;
        for (pane, rows) in rows_by_pane {
            let part = take_record_batch(states, &UInt32Array::from(rows))?;
            let pane = self.panes.entry(pane).or_default();
            let bytes = bytes_of(&part);
            bytes_kept += bytes;
            pane.bytes += bytes;
            pane.parts.push(part);
            if pane.parts.len() > PARTS_MAX {
                pane.merge(plan)?;
            }
        }
        Ok(bytes_kept)
    }

    /// The state of each window that ends after `after`, and until `until` or at it, in order of their ends.
    pub(crate) fn close(
        &mut self,
        after: Timestamp,
        until: Timestamp,
        plan: &Plan,
    ) -> Result<Vec<Vec<RecordBatch>>, DataFusionError> {
        let (mut closed, mut after) = (Vec::new(), after);
        while let Some(end) = self.next_end(after).filter(|end| *end <= until) {
            closed.extend(self.state_of(end, plan)?);
            self.drop_until(end);
            after = end;
        }
        self.drop_until(until.max(after));
        Ok(closed)
    }

    /// The state of the window that ends then, if it has any.
    fn state_of(&mut self, end: Timestamp, plan: &Plan) -> Result<Option<Vec<RecordBatch>>, DataFusionError> {
        let before_end = Timestamp::from_millis(end.as_millis().saturating_sub(1));
        let window = self.windows.ending(end, self.windows.pane_of(before_end));
        let first = Span { start: window.start, end: Timestamp::MIN };
        let last = Span { start: window.end, end: Timestamp::MIN };
        let mut states = Vec::new();
        for (span, pane) in self.panes.range_mut(first..last) {
            let stays = self.windows.last_end(*span).is_some_and(|last| end < last);
            if stays && pane.parts.len() > 1 {
                // Later windows hold it too: what is merged once need not be merged again.
                pane.merge(plan)?;
            }
            for part in &pane.parts {
                states.push(if *span == window { part.clone() } else { with_window(part, plan, window)? });
            }
        }
        Ok((!states.is_empty()).then_some(states))
    }

    /// Drops panes that no window holds that ends after `until`.
    fn drop_until(&mut self, until: Timestamp) {
        while let Some(pane) = self.panes.first_entry() {
            match self.windows.last_end(*pane.key()) {
                Some(end) if until < end => break,
                Some(_) => drop(pane.remove()),
                None if pane.key().end <= until => drop(pane.remove()),
                None => break,
            }
        }
    }

    /// Bytes of all state.
    pub(crate) fn bytes(&self) -> usize {
        self.panes.values().map(|pane| pane.bytes).sum()
    }

    /// Says the same with fewer state rows.
    pub(crate) fn merge(&mut self, plan: &Plan) -> Result<(), DataFusionError> {
        self.panes.values_mut().filter(|pane| pane.parts.len() > 1).try_for_each(|pane| pane.merge(plan))
    }

    /// All state rows.
    pub(crate) fn states(&self) -> Vec<RecordBatch> {
        self.panes.values().flat_map(|pane| pane.parts.iter().cloned()).collect()
    }
}
