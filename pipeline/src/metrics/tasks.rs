//! The server's own tasks, taken over at every scrape.

use model::flow::report::Standing;
use prometheus::{GaugeVec, IntCounterVec};

use super::families::{Families, Shown, as_gauge, follow};

/// Figures of the server's own tasks.
#[derive(Debug)]
pub(crate) struct Tasks {
    restarts: IntCounterVec,
    running: GaugeVec,
    shown: Shown,
}

impl Tasks {
    pub(crate) fn new(families: &mut Families) -> Self {
        let by = &["task"];
        Tasks {
            restarts: families.counter("gallop_task_restarts_total", by, "Restarts after a failure."),
            running: families.gauge(
                "gallop_task_running",
                by,
                "1 while the task of the server works, 0 while it fails.",
            ),
            shown: Shown::default(),
        }
    }

    /// Takes over what all tasks say. One that is done is shown no more.
    pub(crate) fn refresh(&self, tasks: &[Standing]) {
        for name in self.shown.gone(tasks.iter().map(|standing| standing.name.as_str())) {
            drop(self.restarts.remove_label_values(&[name.as_str()]));
            drop(self.running.remove_label_values(&[name.as_str()]));
        }
        for standing in tasks {
            let by = [standing.name.as_str()];
            follow(&self.restarts, &by, standing.restarts);
            self.running.with_label_values(&by).set(as_gauge(standing.state.is_active()));
        }
    }
}
