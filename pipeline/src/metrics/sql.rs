//! Ad hoc SQL and its processes, looked at with every scrape.

use std::sync::Mutex;

use analytics::worker::engine::{CRASH, WorkerFigures};
use analytics::worker::process::WorkerLimit;
use prometheus::{GaugeVec, IntCounterVec};

use super::families::{Families, NONE, follow};

/// Says what the processes do.
type Watched = Box<dyn Fn() -> WorkerFigures + Send + Sync>;

/// Figures of ad hoc SQL.
pub(crate) struct Sql {
    processes: GaugeVec,
    running: GaugeVec,
    ended: IntCounterVec,
    watched: Mutex<Watched>,
}

impl Sql {
    pub(crate) fn new(families: &mut Families) -> Self {
        let ended = "Queries that were ended, by the limit that they reached, or by a crash of their process.";
        let sql = Sql {
            processes: families.gauge("gallop_sql_processes", &[], "Processes for ad hoc queries, idle ones included."),
            running: families.gauge("gallop_sql_queries_running", &[], "Ad hoc queries that run now."),
            ended: families.counter("gallop_sql_queries_ended_total", &["cause"], ended),
            watched: Mutex::new(Box::new(WorkerFigures::default)),
        };
        // All at zero, so that a first one is a rise.
        sql.refresh();
        sql
    }

    /// Shows what `figures` says from now on.
    pub(crate) fn watch(&self, figures: impl Fn() -> WorkerFigures + Send + Sync + 'static) {
        *self.watched.lock().expect("no holder of the lock panics") = Box::new(figures);
    }

    pub(crate) fn refresh(&self) {
        let figures = (self.watched.lock().expect("no holder of the lock panics"))();
        self.processes.with_label_values(&NONE).set(figures.workers as f64);
        self.running.with_label_values(&NONE).set(figures.running as f64);
        for word in WorkerLimit::WORDS.into_iter().chain([CRASH]) {
            follow(&self.ended, &[word], figures.ended.get(word).copied().unwrap_or_default());
        }
    }
}
