//! What continuous queries know of themselves, taken over at every scrape.

use std::sync::Mutex;

use analytics::continuous::status::StatusHandle;
use model::clock::Timestamp;
use model::name::ConsumerName;
use prometheus::{GaugeVec, IntCounterVec};

use super::families::{Families, as_gauge, follow};

/// Figures of queries. They are as many as the settings have.
#[derive(Debug)]
pub(crate) struct Queries {
    records: IntCounterVec,
    rows: IntCounterVec,
    left_out: IntCounterVec,
    watermark: GaugeVec,
    lag: GaugeVec,
    restarts: IntCounterVec,
    running: GaugeVec,
    watched: Mutex<Vec<(ConsumerName, StatusHandle)>>,
}

impl Queries {
    pub(crate) fn new(families: &mut Families) -> Self {
        let by = &["query"];
        Queries {
            records: families.counter(
                "gallop_query_records_total",
                by,
                "Records read since the query first started, up to its last checkpoint.",
            ),
            rows: families.counter("gallop_query_rows_total", by, "Rows written, counted likewise."),
            left_out: families.counter(
                "gallop_query_left_out_records_total",
                by,
                "Records or rows that it could not use, counted likewise.",
            ),
            watermark: families.gauge(
                "gallop_query_watermark_timestamp_seconds",
                by,
                "No record that arrived earlier is still expected.",
            ),
            lag: families.gauge(
                "gallop_query_lag_seconds",
                by,
                "How long the first open window is overdue; 0 if none is.",
            ),
            restarts: families.counter("gallop_query_restarts_total", by, "Restarts after a failure."),
            running: families.gauge("gallop_query_running", by, "1 while the query runs, 0 once it has ended."),
            watched: Mutex::default(),
        }
    }

    /// Shows a query, which runs, from now on.
    pub(crate) fn watch(&self, name: &ConsumerName, status: StatusHandle) {
        let by = [name.as_str()];
        self.running.with_label_values(&by).set(1.0);
        self.restarts.with_label_values(&by);
        self.watched.lock().expect("no holder of the lock panics").push((name.clone(), status));
    }

    /// A query starts again after a failure.
    pub(crate) fn restarted(&self, name: &ConsumerName) {
        self.restarts.with_label_values(&[name.as_str()]).inc();
    }

    /// A query runs no more.
    pub(crate) fn ended(&self, name: &ConsumerName) {
        self.running.with_label_values(&[name.as_str()]).set(as_gauge(false));
    }

    pub(crate) fn refresh(&self, now: Timestamp) {
        for (name, status) in self.watched.lock().expect("no holder of the lock panics").iter() {
            let (by, status) = ([name.as_str()], status.get());
            follow(&self.records, &by, status.records);
            follow(&self.rows, &by, status.rows);
            follow(&self.left_out, &by, status.left_out);
            if let Some(watermark) = status.watermark {
                self.watermark.with_label_values(&by).set(watermark.as_millis() as f64 / 1000.0);
            }
            let late = status.window_end.map_or(0.0, |end| now.since(end).as_secs_f64());
            self.lag.with_label_values(&by).set(late);
        }
    }
}
