//! What a query computes of rows: results of windows, rows of rows, or rows with those before them. All three take batches
//! of rows, and give batches of results once time has come far enough.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::Schema;
use datafusion::error::DataFusionError;
use model::clock::Timestamp;

use crate::continuous::apart::{self, LeftOut};
use crate::continuous::encode::RowOrder;
use crate::continuous::panes::bytes_of;
use crate::continuous::plan::Plan;
use crate::continuous::projection::Projection;
use crate::continuous::sliding::Sliding;
use crate::continuous::state::WindowState;
use crate::sql::query::StreamQuery;
use crate::sql::schema::{ROWTIME, SqlColumn};
use crate::window::assigner::Assigner;
use crate::window::kind::WindowKind;
use crate::window::span::Span;

/// A query's plan, and its state.
#[derive(Debug)]
pub(crate) enum Computation {
    /// Rows are folded into windows.
    Windows { windows: WindowKind, plan: Plan, state: WindowState },
    /// Each row makes a row, or none.
    Rows { plan: Projection, ready: Vec<RecordBatch> },
    /// Each row makes a row, or none, with the rows before it.
    Sliding { plan: Sliding, pending: BTreeMap<Timestamp, usize> },
}

/// What became of a batch of rows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Folded {
    /// Whether WHERE has let any pass.
    pub(crate) any_passed: bool,
    /// Bytes that were added to the state.
    pub(crate) bytes: usize,
}

impl Computation {
    /// Plans `select` over a source with these columns.
    pub(crate) fn new(
        select: &StreamQuery,
        columns: &[SqlColumn],
        system_columns: &[&str],
    ) -> Result<Computation, DataFusionError> {
        Ok(match (select.windows, &select.sliding) {
            (Some(windows), _) => {
                let plan = Plan::new(select, columns, system_columns)?;
                Computation::Windows { windows, plan, state: WindowState::new(windows) }
            }
            (None, Some(frames)) => {
                let plan = Sliding::new(select, frames, columns, system_columns)?;
                Computation::Sliding { plan, pending: BTreeMap::new() }
            }
            (None, None) => {
                let plan = Projection::new(select, columns, system_columns)?;
                Computation::Rows { plan, ready: Vec::new() }
            }
        })
    }

    /// What results look like.
    pub(crate) fn result(&self) -> &Arc<Schema> {
        match self {
            Computation::Windows { plan, .. } => &plan.result,
            Computation::Rows { plan, .. } => &plan.result,
            Computation::Sliding { plan, .. } => &plan.result,
        }
    }

    /// In which order results are written; the user's columns are so many.
    pub(crate) fn order(&self, values: usize) -> RowOrder {
        match self {
            Computation::Windows { .. } => RowOrder::TimeAndKeys,
            // Behind the user's columns, the time and the key.
            Computation::Sliding { .. } => RowOrder::Column(values + 2),
            Computation::Rows { .. } => RowOrder::AsTheyAre,
        }
    }

    /// Whether results wait for time to pass.
    pub(crate) fn waits_for_time(&self) -> bool {
        !matches!(self, Computation::Rows { .. })
    }

    /// The window of a moment, if all keys have the same windows.
    pub(crate) fn window_of(&self, at: Timestamp) -> Option<Span> {
        match self {
            Computation::Windows { windows: windows @ WindowKind::Aligned(_), .. } => Some(windows.pane_of(at)),
            _ => None,
        }
    }

    /// Whether all windows that hold a row of this time are over.
    pub(crate) fn is_late(&self, at: Timestamp, closed_until: Timestamp) -> bool {
        match self {
            Computation::Windows { windows, state, .. } => state.is_late(*windows, at, closed_until),
            Computation::Sliding { .. } => at < closed_until,
            Computation::Rows { .. } => false,
        }
    }

    /// Takes note of a row that waits to be taken in.
    pub(crate) fn open(&mut self, at: Timestamp) {
        match self {
            Computation::Windows { state, .. } => state.open(at),
            Computation::Sliding { pending, .. } => *pending.entry(at).or_default() += 1,
            Computation::Rows { .. } => {}
        }
    }

    /// How many windows are open.
    pub(crate) fn open_windows(&self) -> usize {
        match self {
            Computation::Windows { state, .. } => state.len(),
            Computation::Sliding { pending, .. } => pending.len(),
            Computation::Rows { .. } => 0,
        }
    }

    /// When the first open window ends that ends after `after`.
    pub(crate) fn next_end(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Computation::Windows { state, .. } => state.next_end(after),
            // A row is computed when none of its time can come any more.
            Computation::Sliding { pending, .. } => {
                pending.keys().next().map(|first| *first + Duration::from_millis(1))
            }
            Computation::Rows { .. } => None,
        }
    }

    /// Takes in rows.
    pub(crate) fn fold(&mut self, rows: &RecordBatch, left_out: &mut LeftOut) -> Result<Folded, DataFusionError> {
        let mut folded = Folded::default();
        match self {
            Computation::Windows { windows, plan, state } => {
                let rows = Assigner(*windows).assign(rows, time_of(rows));
                for states in apart::fold(plan, &rows, left_out)? {
                    folded.any_passed |= states.num_rows() > 0;
                    folded.bytes += state.keep(states, plan)?;
                }
            }
            Computation::Sliding { plan, .. } => {
                folded = Folded { any_passed: true, bytes: plan.push(rows)? };
            }
            Computation::Rows { plan, ready } => {
                let made = apart::map(plan, rows, left_out)?;
                folded.any_passed = made.iter().any(|made| made.num_rows() > 0);
                ready.extend(made);
            }
        }
        Ok(folded)
    }

    /// The results of windows that end after `after`, and at `until` or before: no row before that time comes any more.
    pub(crate) fn close(
        &mut self,
        after: Timestamp,
        until: Timestamp,
        left_out: &mut LeftOut,
    ) -> Result<Vec<RecordBatch>, DataFusionError> {
        match self {
            Computation::Windows { plan, state, .. } => {
                let over = state.close(after, until, plan)?;
                over.into_iter().map(|parts| apart::close(plan, parts, left_out)).collect()
            }
            Computation::Sliding { plan, pending } => {
                *pending = pending.split_off(&until);
                plan.close(until, left_out)
            }
            Computation::Rows { .. } => Ok(Vec::new()),
        }
    }

    /// Whether there are results that wait for nothing.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self, Computation::Rows { ready, .. } if !ready.is_empty())
    }

    /// Results that wait for nothing.
    pub(crate) fn take_ready(&mut self) -> Vec<RecordBatch> {
        match self {
            Computation::Rows { ready, .. } => std::mem::take(ready),
            _ => Vec::new(),
        }
    }

    /// Bytes of all state. It is merged before there are more than `bytes_max`.
    pub(crate) fn state_bytes(&mut self, bytes_max: usize) -> Result<usize, DataFusionError> {
        match self {
            Computation::Windows { plan, state, .. } => {
                if bytes_max < state.bytes() {
                    state.merge(plan)?;
                }
                Ok(state.bytes())
            }
            Computation::Sliding { plan, .. } => Ok(plan.bytes()),
            Computation::Rows { ready, .. } => Ok(ready.iter().map(bytes_of).sum()),
        }
    }

    /// All state.
    pub(crate) fn states(&self) -> Vec<RecordBatch> {
        match self {
            Computation::Windows { state, .. } => state.states(),
            Computation::Sliding { plan, .. } => plan.states(),
            Computation::Rows { .. } => Vec::new(),
        }
    }

    /// What state looks like.
    pub(crate) fn state_schema(&self) -> Arc<Schema> {
        match self {
            Computation::Windows { plan, .. } => Arc::clone(plan.state_schema()),
            Computation::Sliding { plan, .. } => Arc::clone(plan.state_schema()),
            Computation::Rows { .. } => Arc::new(Schema::empty()),
        }
    }

    /// Takes back what [`Computation::states`] gave.
    pub(crate) fn restore(&mut self, states: RecordBatch) -> Result<Folded, DataFusionError> {
        match self {
            Computation::Windows { plan, state, .. } => {
                let any_passed = states.num_rows() > 0;
                Ok(Folded { any_passed, bytes: state.keep(states, plan)? })
            }
            Computation::Sliding { plan, pending } => {
                plan.restore(&states)?.into_iter().for_each(|time| *pending.entry(time).or_default() += 1);
                Ok(Folded { any_passed: true, bytes: 0 })
            }
            Computation::Rows { .. } => Ok(Folded::default()),
        }
    }

    /// Of windows that rows begin: those that end here or before were given out.
    pub(crate) fn given_out_until(&self) -> Option<Timestamp> {
        match self {
            Computation::Windows { state, .. } => state.given_out_until(),
            _ => None,
        }
    }

    /// What [`Computation::given_out_until`] was when state was kept.
    pub(crate) fn set_given_out_until(&mut self, until: Timestamp) {
        if let Computation::Windows { state, .. } = self {
            state.set_given_out_until(until);
        }
    }
}

/// The times of rows.
fn time_of(rows: &RecordBatch) -> &ArrayRef {
    rows.column_by_name(ROWTIME).expect("rows have a time")
}
