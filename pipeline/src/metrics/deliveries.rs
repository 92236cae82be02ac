//! What deliveries know of themselves, taken over at every scrape.

use std::time::Duration;

use model::flow::report::Standing;
use prometheus::{GaugeVec, IntCounterVec};
use sinks::delivery::status::DeliveryStatus;

use super::families::{Families, Shown, as_gauge, follow};

/// Figures of deliveries. They are as many as there are.
#[derive(Debug)]
pub(crate) struct Deliveries {
    records: IntCounterVec,
    cuts: IntCounterVec,
    dead_letters: IntCounterVec,
    expired: IntCounterVec,
    lost: IntCounterVec,
    deleted: IntCounterVec,
    retries: IntCounterVec,
    restarts: IntCounterVec,
    lag: GaugeVec,
    last_success: GaugeVec,
    running: GaugeVec,
    behind: GaugeVec,
    shown: Shown,
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
            expired: families.counter(
                "gallop_delivery_expired_records_total",
                by,
                "Records that expired before they were delivered.",
            ),
            lost: families.counter(
                "gallop_delivery_lost_records_total",
                by,
                "Records lost to damage before they were delivered; an upper bound.",
            ),
            deleted: families.counter(
                "gallop_delivery_deleted_records_total",
                by,
                "Records that were deleted with their stream before they were delivered.",
            ),
            retries: families.counter("gallop_delivery_retries_total", by, "Attempts that failed and are retried."),
            restarts: families.counter("gallop_delivery_restarts_total", by, "Restarts after a failure."),
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
            running: families.gauge(
                "gallop_delivery_running",
                by,
                "1 while the delivery runs, 0 while it is failed or paused.",
            ),
            behind: families.gauge(
                "gallop_delivery_behind_records",
                by,
                "Records in the source after its checkpoint; missing where counting costs too much.",
            ),
            shown: Shown::default(),
        }
    }

    /// Takes over what all deliveries say. One that is gone is shown no more.
    pub(crate) fn refresh(&self, deliveries: &[(Standing, DeliveryStatus, Option<u64>)]) {
        for name in self.shown.gone(deliveries.iter().map(|(standing, ..)| standing.name.as_str())) {
            let by = [name.as_str()];
            let lost = [&self.dead_letters, &self.expired, &self.lost, &self.deleted];
            let counters = [&self.records, &self.cuts, &self.retries, &self.restarts].into_iter().chain(lost);
            for counter in counters {
                drop(counter.remove_label_values(&by));
            }
            for gauge in [&self.lag, &self.last_success, &self.running, &self.behind] {
                drop(gauge.remove_label_values(&by));
            }
        }
        for (standing, status, behind) in deliveries {
            let by = [standing.name.as_str()];
            follow(&self.records, &by, status.delivered_records);
            follow(&self.cuts, &by, status.delivered_cuts);
            follow(&self.dead_letters, &by, status.dead_letters);
            follow(&self.expired, &by, status.expired);
            follow(&self.lost, &by, status.lost);
            follow(&self.deleted, &by, status.deleted);
            follow(&self.retries, &by, status.retries);
            follow(&self.restarts, &by, standing.restarts);
            self.lag.with_label_values(&by).set(Duration::from_millis(status.lag_millis).as_secs_f64());
            if let Some(at) = status.last_success_at {
                self.last_success.with_label_values(&by).set(at.as_millis() as f64 / 1000.0);
            }
            self.running.with_label_values(&by).set(as_gauge(standing.state.is_active()));
            if let Some(behind) = behind {
                self.behind.with_label_values(&by).set(*behind as f64);
            }
        }
    }
}
