//! What a consumer does when another process has moved its checkpoint on.
//!
//! It stands by until the other one has committed nothing for a while, and then continues from the
//! checkpoint. So one of several processes does the work, and another takes over when that one is
//! gone. An idle process that is replaced like this stands by in turn.

use std::time::Duration;

use crate::clock::{Clock, sleep};
use crate::name::{ConsumerName, StreamName};
use crate::stream::store::StreamStore;

/// How long a holder has committed nothing when it is taken for gone. One at work commits about
/// every second. One that has much state commits less often; if it is replaced meanwhile, its next
/// commit is refused, and what it had read since its last one is read again.
pub const SILENCE: Duration = Duration::from_secs(4);

/// Returns when nobody has committed for `consumer` in `home` during [`SILENCE`]. A store that does
/// not answer says nothing about the other holder: it is asked again.
pub async fn stand_by(store: &dyn StreamStore, clock: &dyn Clock, home: &StreamName, consumer: &ConsumerName) {
    let mut seen = None;
    loop {
        if let Ok(checkpoint) = store.checkpoint(home, consumer).await {
            let version = checkpoint.map_or(0, |checkpoint| checkpoint.version);
            if seen.replace(version) == Some(version) {
                return;
            }
        }
        sleep(clock, SILENCE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::Timestamp;
    use crate::stream::checkpoint::Checkpoint;
    use crate::stream::store::StreamOptions;
    use crate::testing::clock::ManualClock;
    use crate::testing::memory_store::MemoryStore;

    #[tokio::test]
    async fn whoever_stands_by_goes_on_once_the_other_is_silent() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let (home, consumer) = (StreamName::new("home").expect("valid"), ConsumerName::new("query").expect("valid"));
        store.create(&home, StreamOptions::default()).await.expect("created");
        let waits = tokio::spawn({
            let (store, clock, home, consumer) = (store.clone(), clock.clone(), home.clone(), consumer.clone());
            async move { stand_by(&*store, &*clock, &home, &consumer).await }
        });
        for version in 1..=3 {
            let checkpoint = Checkpoint { version, ..Checkpoint::default() };
            store.commit(&home, &consumer, checkpoint, Vec::new()).await.expect("committed");
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            assert!(!waits.is_finished(), "the other is at work");
            clock.advance(SILENCE);
        }
        while !waits.is_finished() {
            clock.advance(SILENCE);
            tokio::task::yield_now().await;
        }
    }
}
