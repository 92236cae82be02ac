//! What a query keeps of rows whose windows are not over.

use datafusion::arrow::array::RecordBatch;
use datafusion::error::DataFusionError;
use model::clock::Timestamp;

use crate::continuous::keyed::KeyedWindows;
use crate::continuous::panes::Panes;
use crate::continuous::plan::Plan;
use crate::window::kind::{Keyed, WindowKind};

/// State rows, and which windows they are of.
#[derive(Debug)]
pub(crate) enum WindowState {
    Aligned(Panes),
    Keyed(KeyedWindows),
}

impl WindowState {
    pub(crate) fn new(windows: WindowKind) -> WindowState {
        match windows {
            WindowKind::Aligned(aligned) => WindowState::Aligned(Panes::new(aligned)),
            WindowKind::Keyed(keyed) => WindowState::Keyed(KeyedWindows::new(keyed)),
        }
    }

    /// Takes note of a row that waits to be folded.
    pub(crate) fn open(&mut self, at: Timestamp) {
        match self {
            WindowState::Aligned(panes) => panes.open(at),
            WindowState::Keyed(windows) => windows.open(at),
        }
    }

    /// How many panes or windows are open.
    pub(crate) fn len(&self) -> usize {
        match self {
            WindowState::Aligned(panes) => panes.len(),
            WindowState::Keyed(windows) => windows.len(),
        }
    }

    /// When the first window ends that ends after `after`.
    pub(crate) fn next_end(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            WindowState::Aligned(panes) => panes.next_end(after),
            WindowState::Keyed(windows) => windows.next_end(),
        }
    }

    /// Adds state rows. Returns how many bytes they are.
    pub(crate) fn keep(&mut self, states: RecordBatch, plan: &Plan) -> Result<usize, DataFusionError> {
        match self {
            WindowState::Aligned(panes) => panes.keep(&states, plan),
            WindowState::Keyed(windows) => windows.keep(states, plan),
        }
    }

    /// The state of windows that end after `after`, and until `until` or at it: a list per time at which some end. No row
    /// before `until` comes any more.
    pub(crate) fn close(
        &mut self,
        after: Timestamp,
        until: Timestamp,
        plan: &Plan,
    ) -> Result<Vec<Vec<RecordBatch>>, DataFusionError> {
        match self {
            WindowState::Aligned(panes) => panes.close(after, until, plan),
            WindowState::Keyed(windows) => Ok(windows.close(until, plan)?.into_iter().collect()),
        }
    }

    /// Whether all windows that hold a row of this time are over, where windows are over until `closed_until`.
    pub(crate) fn is_late(&self, windows: WindowKind, at: Timestamp, closed_until: Timestamp) -> bool {
        match (windows, self) {
            (WindowKind::Aligned(aligned), _) => {
                aligned.last_end(aligned.pane_of(at)).is_some_and(|end| end <= closed_until)
            }
            (WindowKind::Keyed(Keyed::Session { gap }), WindowState::Keyed(windows)) => {
                let alone_until = Timestamp::from_millis(at.as_millis().saturating_add(gap));
                alone_until <= closed_until || at < windows.closed_until()
            }
            (WindowKind::Keyed(_), _) => at < closed_until,
        }
    }

    /// Of windows that rows begin: those that end here or before were given out.
    pub(crate) fn given_out_until(&self) -> Option<Timestamp> {
        match self {
            WindowState::Aligned(_) => None,
            WindowState::Keyed(windows) => Some(windows.closed_until()),
        }
    }

    /// What [`WindowState::given_out_until`] was when state was kept.
    pub(crate) fn set_given_out_until(&mut self, until: Timestamp) {
        if let WindowState::Keyed(windows) = self {
            windows.set_closed_until(until);
        }
    }

    /// Bytes of all state.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            WindowState::Aligned(panes) => panes.bytes(),
            WindowState::Keyed(windows) => windows.bytes(),
        }
    }

    /// Says the same with fewer state rows.
    pub(crate) fn merge(&mut self, plan: &Plan) -> Result<(), DataFusionError> {
        match self {
            WindowState::Aligned(panes) => panes.merge(plan),
            WindowState::Keyed(windows) => windows.merge(plan, Timestamp::MIN),
        }
    }

    /// All state rows.
    pub(crate) fn states(&self) -> Vec<RecordBatch> {
        match self {
            WindowState::Aligned(panes) => panes.states(),
            WindowState::Keyed(windows) => windows.states(),
        }
    }
}
