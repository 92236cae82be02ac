//! What a delivery stream tells about itself.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::clock::{Clock, Timestamp};
use model::text::chain::chain;
use serde::Serialize;

/// A delivery stream's figures since its start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DeliveryStatus {
    /// Records that are durable in the sink.
    pub delivered_records: u64,
    /// Cuts that are durable in the sink.
    pub delivered_cuts: u64,
    /// Records that the sink cannot take.
    pub dead_letters: u64,
    /// Records that expired before they were delivered: lost.
    pub expired: u64,
    /// Records lost to damage before they were delivered; an upper bound.
    pub lost: u64,
    /// Records that were deleted with an earlier stream of the source's name before they were
    /// delivered: lost.
    pub deleted: u64,
    /// Failed tries.
    pub retries: u64,
    /// Age in milliseconds of the oldest record that was read and is not delivered; zero when there
    /// is none.
    pub lag_millis: u64,
    /// What failed last, and when; none after a success that followed.
    pub last_error: Option<LastError>,
    /// When a cut was last delivered, since its start.
    pub last_success_at: Option<Timestamp>,
    /// The cut that was last delivered: the object that holds it, or its shard and sequence
    /// numbers.
    pub last_delivered: Option<String>,
    /// Whether it runs.
    pub running: bool,
}

/// A failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastError {
    /// When.
    pub at: Timestamp,
    /// What, with its causes.
    pub message: String,
}

/// Shows the status of a delivery stream, also while it runs and after its end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct StatusHandle {
    inner: Arc<Mutex<Inner>>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct Inner {
    status: DeliveryStatus,
    oldest_waiting: Option<Timestamp>,
}

impl StatusHandle {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        StatusHandle { inner: Arc::default(), clock }
    }

    /// The figures now.
    pub fn get(&self) -> DeliveryStatus {
        let inner = self.inner.lock().expect("no holder of the lock panics");
        let lag = inner.oldest_waiting.map_or(Duration::ZERO, |oldest| self.clock.now().since(oldest));
        let lag_millis = u64::try_from(lag.as_millis()).unwrap_or(u64::MAX);
        DeliveryStatus { lag_millis, ..inner.status.clone() }
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut DeliveryStatus)) {
        change(&mut self.inner.lock().expect("no holder of the lock panics").status);
    }

    pub(super) fn set_oldest_waiting(&self, oldest: Option<Timestamp>) {
        self.inner.lock().expect("no holder of the lock panics").oldest_waiting = oldest;
    }

    pub(super) fn failed(&self, error: &(dyn std::error::Error + 'static)) {
        let message = chain(error);
        let at = self.clock.now();
        self.update(|status| {
            status.retries += 1;
            status.last_error = Some(LastError { at, message });
        });
    }

    pub(super) fn succeeded(&self) {
        self.update(|status| status.last_error = None);
    }
}
