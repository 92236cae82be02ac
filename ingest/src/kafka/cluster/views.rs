//! How old the shard maps are that this process knows.
//!
//! Other processes split shards too, and this one sees it at its next look at the registry. Until then it puts records into the
//! closed parent. They are read like all others: a parent ends for its readers only when nobody can put into it any more
//! (`closing`). For that, nothing is acknowledged by a map that is older than `view_age_max`:
//!
//! ```text
//! process A   split written ............................... the parent's end is read and written
//! process B   looked before it .. puts .. last acknowledged
//!             |----------- view_age_max -----------|-spare-|
//! ```

use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::clock::Timestamp;
use tokio::sync::{OwnedMutexGuard, watch};
use tokio::time::Instant;

use crate::kafka::options::KafkaOptions;

/// Held by who reads the registry and brings what is in service up to date, or changes both: so nothing older ever takes the
/// place of something newer.
pub(crate) type Turn = OwnedMutexGuard<()>;

/// When the look at the registry began whose shard maps are in service.
pub(crate) struct Views {
    turn: Arc<tokio::sync::Mutex<()>>,
    began: watch::Sender<Instant>,
    /// What was split before this time, in the brokers' clocks, is known.
    seen_until: Mutex<Timestamp>,
    age_max: Duration,
    /// How long a caller waits for a younger one.
    delay_max: Duration,
}

impl Views {
    /// After a look that began at `began`.
    pub(crate) fn new(began: Instant, options: &KafkaOptions) -> Self {
        let KafkaOptions { view_age_max: age_max, answer_delay_max: delay_max, .. } = *options;
        Views {
            turn: Arc::default(),
            began: watch::Sender::new(began),
            seen_until: Mutex::new(Timestamp::MIN),
            age_max,
            delay_max,
        }
    }

    /// The next turn.
    pub(crate) async fn turn(&self) -> Turn {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// What a look that began at `began` has found is in service. `time`: what the brokers' clocks showed before.
    pub(crate) fn renewed(&self, began: Instant, time: Option<Timestamp>) {
        if let Some(time) = time {
            let mut seen_until = self.seen_until.lock().expect("no holder of the lock panics");
            *seen_until = time.max(*seen_until);
        }
        self.began.send_replace(began);
    }

    /// All splits before this time, in the brokers' clocks, are in the maps.
    pub(crate) fn seen_until(&self) -> Timestamp {
        *self.seen_until.lock().expect("no holder of the lock panics")
    }

    /// Waits until the shard maps are recent enough to rely on. After [`Freshness::Renewed`], the
    /// caller must check whether its shards are still open. Fails if they are not renewed in time.
    pub(crate) async fn fresh(&self) -> Result<Freshness, Outdated> {
        let now = Instant::now();
        if now.duration_since(*self.began.borrow()) <= self.age_max {
            return Ok(Freshness::Fresh);
        }
        let mut views = self.began.subscribe();
        let renewed = tokio::time::timeout(self.delay_max, views.wait_for(|began| *began > now)).await;
        match renewed {
            Ok(Ok(_)) => Ok(Freshness::Renewed),
            _ => Err(Outdated),
        }
    }
}

/// Whether shard maps had to be renewed before they could be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// They were recent enough.
    Fresh,
    /// They were too old and have been renewed. Shards may have been closed in between.
    Renewed,
}

/// Nobody could say which shards are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the brokers did not say in time which shards are open")]
pub(crate) struct Outdated;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn old_maps_are_waited_for_and_not_for_ever() {
        let options = KafkaOptions::new("127.0.0.1:1");
        let views = Views::new(Instant::now(), &options);
        tokio::time::advance(options.view_age_max).await;
        assert_eq!(views.fresh().await, Ok(Freshness::Fresh));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(views.fresh().await, Err(Outdated));
        let waiting = views.fresh();
        let looked = async {
            tokio::time::advance(Duration::from_millis(10)).await;
            views.renewed(Instant::now(), None);
        };
        assert_eq!(tokio::join!(waiting, looked).0, Ok(Freshness::Renewed));
    }
}
