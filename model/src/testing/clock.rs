//! A clock that moves when a test says so.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::clock::{Clock, Timestamp};

/// Stands still until it is moved; sleepers wake when it reaches their time, in the order in which
/// they fell asleep.
#[derive(Debug)]
pub struct ManualClock {
    now_millis: AtomicI64,
    elapsed_millis: AtomicU64,
    moved: Notify,
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        let now_millis = AtomicI64::new(now.as_millis());
        ManualClock { now_millis, elapsed_millis: AtomicU64::new(0), moved: Notify::new() }
    }

    /// Sets the clock, as somebody might set the machine's, forwards or backwards. No time passes.
    pub fn set(&self, now: Timestamp) {
        self.now_millis.store(now.as_millis(), Ordering::SeqCst);
        self.moved.notify_waiters();
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).expect("a test lasts no longer than that");
        self.elapsed_millis.fetch_add(millis, Ordering::SeqCst);
        self.set(self.now() + by);
    }
}

impl ManualClock {
    async fn sleep_while(&self, early: impl Fn() -> bool) {
        loop {
            let mut moved = std::pin::pin!(self.moved.notified());
            moved.as_mut().enable();
            if !early() {
                return;
            }
            moved.await;
        }
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now_millis.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.elapsed_millis.load(Ordering::SeqCst))
    }

    async fn sleep_until(&self, at: Timestamp) {
        self.sleep_while(|| self.now() < at).await;
    }

    async fn sleep_until_elapsed(&self, at: Duration) {
        self.sleep_while(|| self.elapsed() < at).await;
    }
}
