//! What deliveries know of themselves, taken over at every scrape.

use std::sync::Mutex;
use std::time::Duration;

use model::name::ConsumerName;
use prometheus::{GaugeVec, IntCounterVec};
use sinks::delivery::status::StatusHandle;

use super::families::{Families, as_gauge, follow};

/// Figures of deliveries. They are as many as the settings have.
#[derive(Debug)]
pub(crate) struct Deliveries {
    records: IntCounterVec,
    cuts: IntCounterVec,
    dead_letters: IntCounterVec,
    skipped: IntCounterVec,
    retries: IntCounterVec,
    lag: GaugeVec,
    last_success: GaugeVec,
    running: GaugeVec,
    watched: Mutex<Vec<(ConsumerName, StatusHandle)>>,
}

impl Deliveries {
    pub(crate) fn new(families: &mut Families) -> Self {
        let by = &["delivery"];
        Deliveries {
            records: families.counter("gallop_delivery_records_total", by, "Records durable in the table or archive."),
            cuts: families.counter("gallop_delivery_cuts_total", by, "Batches or objects delivered."),
            dead_letters: families.counter(
                "gallop_delivery_dead_letters_total",
                by,
                "Records that the table or archive cannot store.",
            ),
            skipped: families.counter(
                "gallop_delivery_skipped_records_total",
                by,
                "Records that expired before they were delivered.",
            ),
            retries: families.counter("gallop_delivery_retries_total", by, "Attempts that failed and are retried."),
            lag: families.gauge(
                "gallop_delivery_lag_seconds",
                by,
                "Age of the oldest record that is read but not delivered; 0 if there is none.",
            ),
            last_success: families.gauge(
                "gallop_delivery_last_success_timestamp_seconds",
                by,
                "When something was last delivered.",
            ),
            running: families.gauge("gallop_delivery_running", by, "1 while the delivery runs, 0 once it has ended."),
            watched: Mutex::default(),
        }
    }

    /// Shows a delivery from now on.
    pub(crate) fn watch(&self, name: &ConsumerName, status: StatusHandle) {
        self.watched.lock().expect("no holder of the lock panics").push((name.clone(), status));
    }

    pub(crate) fn refresh(&self) {
        for (name, status) in self.watched.lock().expect("no holder of the lock panics").iter() {
            let (by, status) = ([name.as_str()], status.get());
            follow(&self.records, &by, status.delivered_records);
            follow(&self.cuts, &by, status.delivered_cuts);
            follow(&self.dead_letters, &by, status.dead_letters);
            follow(&self.skipped, &by, status.skipped);
            follow(&self.retries, &by, status.retries);
            self.lag.with_label_values(&by).set(Duration::from_millis(status.lag_millis).as_secs_f64());
            if let Some(at) = status.last_success_at {
                self.last_success.with_label_values(&by).set(at.as_millis() as f64 / 1000.0);
            }
            self.running.with_label_values(&by).set(as_gauge(status.running));
        }
    }
}
