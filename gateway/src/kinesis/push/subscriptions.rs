//! Who receives the records of which shard: one subscription for each registered consumer and shard.
//!
//! A second call within [`TAKEOVER_AFTER`] of the one before is refused, whether or not that one's subscription still
//! lives; a later one takes over, and the older subscription fails.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use model::clock::Timestamp;
use model::name::{ConsumerName, StreamName};
use model::stream::shard::ShardId;
use tokio_util::sync::CancellationToken;

/// How long a subscription is safe from being taken over.
pub(crate) const TAKEOVER_AFTER: Duration = Duration::from_secs(5);

/// The most subscriptions of the whole server.
pub(crate) const SUBSCRIPTIONS_MAX: usize = 20_000;

/// Ended calls that are remembered before the old ones are swept out, besides as many as there are live ones.
const SWEEP_AFTER: usize = 256;

/// One consumer's view of one shard. A consumer or a stream that is made anew under its name is another one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Subscriber {
    pub(crate) stream: StreamName,
    pub(crate) stream_created_at: Timestamp,
    pub(crate) consumer: ConsumerName,
    pub(crate) registered_at: Timestamp,
    pub(crate) shard: ShardId,
}

impl Subscriber {
    /// As error texts name it.
    pub(crate) fn in_words(&self, account: &str) -> String {
        format!("{account}:{}:{}:{}", self.stream, self.consumer, self.shard)
    }
}

/// All subscriptions of a server.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    /// The last successful call of each subscriber.
    last: HashMap<Subscriber, Call>,
    live: usize,
    /// Tells one call from the next.
    count: u64,
}

#[derive(Debug)]
struct Call {
    number: u64,
    at: Timestamp,
    taken_over: CancellationToken,
    live: bool,
}

/// A live subscription; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) subscriber: Subscriber,
    /// Done once another call has taken over.
    pub(crate) taken_over: CancellationToken,
    number: u64,
    all: Arc<Subscriptions>,
}

/// Why a call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The subscriber's last call was less than [`TAKEOVER_AFTER`] ago.
    TooSoon,
    /// [`SUBSCRIPTIONS_MAX`] are live.
    TooMany,
}

impl Subscriptions {
    /// Whether [`Subscriptions::begin`] would be refused now. Nothing comes of it.
    pub(crate) fn check(&self, subscriber: &Subscriber, now: Timestamp) -> Result<(), Refused> {
        self.lock().check(subscriber, now)
    }

    /// Begins a subscription, ending the subscriber's older one.
    pub(crate) fn begin(self: &Arc<Self>, subscriber: Subscriber, now: Timestamp) -> Result<Subscription, Refused> {
        let mut calls = self.lock();
        calls.check(&subscriber, now)?;
        calls.end(&subscriber, None);
        calls.sweep(now);
        calls.count += 1;
        calls.live += 1;
        let (number, taken_over) = (calls.count, CancellationToken::new());
        let call = Call { number, at: now, taken_over: taken_over.clone(), live: true };
        if let Some(older) = calls.last.insert(subscriber.clone(), call) {
            older.taken_over.cancel();
        }
        Ok(Subscription { subscriber, taken_over, number, all: Arc::clone(self) })
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().expect("no holder of the lock panics")
    }
}

impl Call {
    fn protects(&self, now: Timestamp) -> bool {
        // A clock that was set back does not protect for longer.
        self.at <= now && now.since(self.at) < TAKEOVER_AFTER
    }
}

impl Calls {
    fn check(&self, subscriber: &Subscriber, now: Timestamp) -> Result<(), Refused> {
        let last = self.last.get(subscriber);
        if last.is_some_and(|call| call.protects(now)) {
            return Err(Refused::TooSoon);
        }
        // One that is taken over makes room for the one that takes over.
        let freed = usize::from(last.is_some_and(|call| call.live));
        if self.live - freed >= SUBSCRIPTIONS_MAX { Err(Refused::TooMany) } else { Ok(()) }
    }

    /// Notes that a subscription is over, but not when it was called; `number` names one that may be replaced by now.
    fn end(&mut self, subscriber: &Subscriber, number: Option<u64>) {
        if let Some(call) = self.last.get_mut(subscriber)
            && call.live
            && number.is_none_or(|number| number == call.number)
        {
            call.live = false;
            self.live -= 1;
        }
    }

    fn sweep(&mut self, now: Timestamp) {
        if self.last.len() > 2 * self.live + SWEEP_AFTER {
            self.last.retain(|_, call| call.live || call.protects(now));
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.all.lock().end(&self.subscriber, Some(self.number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscriber(shard: u32) -> Subscriber {
        Subscriber {
            stream: StreamName::new("s").expect("a name"),
            stream_created_at: Timestamp::from_millis(1),
            consumer: ConsumerName::new("c").expect("a name"),
            registered_at: Timestamp::from_millis(2),
            shard: ShardId(shard),
        }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    #[test]
    fn a_call_within_five_seconds_is_refused_and_a_later_one_takes_over() {
        let all = Arc::new(Subscriptions::default());
        let first = all.begin(subscriber(0), at(0)).expect("the first");
        assert_eq!(all.begin(subscriber(0), at(4999)).map(|_| ()), Err(Refused::TooSoon));
        let elsewhere = all.begin(subscriber(1), at(0)).expect("another shard");
        assert!(!first.taken_over.is_cancelled());
        let second = all.begin(subscriber(0), at(5000)).expect("the second");
        assert!(first.taken_over.is_cancelled() && !second.taken_over.is_cancelled());
        assert!(!elsewhere.taken_over.is_cancelled());
        drop(first);
        assert_eq!(all.lock().live, 2);
        assert_eq!(all.begin(subscriber(0), at(9999)).map(|_| ()), Err(Refused::TooSoon), "counted from the second");
        drop(second);
        assert_eq!(all.begin(subscriber(0), at(9999)).map(|_| ()), Err(Refused::TooSoon), "though it is over");
        let third = all.begin(subscriber(0), at(3)).expect("the clock was set back");
        assert!(!third.taken_over.is_cancelled());
    }

    #[test]
    fn live_ones_are_bounded_and_old_ones_forgotten() {
        let all = Arc::new(Subscriptions::default());
        for shard in 0..SUBSCRIPTIONS_MAX as u32 {
            drop(all.begin(subscriber(shard), at(i64::from(shard) * 100)).expect("none is live"));
        }
        assert!(all.lock().last.len() <= SWEEP_AFTER + 2, "{}", all.lock().last.len());
        let live: Vec<_> =
            (0..SUBSCRIPTIONS_MAX as u32).map(|shard| all.begin(subscriber(shard), at(-9_999))).collect();
        assert!(live.iter().all(Result::is_ok));
        let over = subscriber(SUBSCRIPTIONS_MAX as u32);
        assert_eq!(all.begin(over.clone(), at(0)).map(|_| ()), Err(Refused::TooMany));
        drop(live);
        assert!(all.begin(over, at(0)).is_ok());
    }
}
