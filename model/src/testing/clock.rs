//! A clock that moves when a test says so.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::clock::{Clock, Timestamp};

/// Stands still until it is moved; sleepers wake when it reaches their time.
#[derive(Debug)]
pub struct ManualClock {
    now: watch::Sender<Timestamp>,
    elapsed_millis: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        ManualClock { now: watch::Sender::new(now), elapsed_millis: AtomicU64::new(0) }
    }

    /// Sets the clock, as somebody might set the machine's, forwards or backwards. No time passes.
    pub fn set(&self, now: Timestamp) {
        self.now.send_replace(now);
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).expect("a test lasts no longer than that");
        self.elapsed_millis.fetch_add(millis, Ordering::SeqCst);
        self.now.send_modify(|now| *now = *now + by);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.elapsed_millis.load(Ordering::SeqCst))
    }

    async fn sleep_until(&self, at: Timestamp) {
        let mut now = self.now.subscribe();
        now.wait_for(|now| *now >= at).await.expect("the clock outlives its sleepers");
    }
}
