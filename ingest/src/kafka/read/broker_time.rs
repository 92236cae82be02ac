//! How far time is complete at the tip of a shard, when its time is the brokers'.
//!
//! A window may only be closed when nothing earlier will arrive. Records get the log-append time of whatever broker leads
//! their partition, so a promise has to come from the brokers' clocks, also for a shard that nobody writes to. It comes
//! in rounds, while somebody at a tip asks for it:
//!
//! ```text
//! 1  tick     a message to each broker, on a partition of `__gallop-clock` that lies on that broker alone; the least of
//!             the times they stamp is the round's time
//!    look     the shard maps: a shard that was split before the tick promises nothing more
//! 2  high     the high watermark of each shard       ┐ in this order; equal: no transaction is open, and every record
//! 3  stable   the last stable offset of each shard   ┘ at `stable` or above was replicated after step 2 began
//! 4  claim    no record at `stable` or above is stamped before the time of the round BEFORE this one
//! 5  promise  the claim, as soon as the tail holds everything below `stable`
//! ```
//!
//! Why it holds: a record above `stable` was appended after the earlier round's tick, or had been appended before and was
//! not replicated for a whole round. On one replica the second cannot be. On several it takes a follower that lags for
//! more than [`ROUND_INTERVAL`], or a new leader whose clock is behind: for these the tail hands out a record no earlier
//! than what it has promised ([`super::tail`]). So the promise holds for every reader of this process in every case; what
//! such a record loses is that another process, or a later replay from before it, may see its own stamp instead.
//!
//! A split by another process is seen at the next look only, and its children may have older records than the next one of their
//! parent. So a read of an open shard promises nothing beyond the tick before the last look ([`crate::kafka::cluster::views`]).
//!
//! A broker that does not answer ends the round without a time: promises wait until it answers or the cluster has
//! dropped it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::join_all;
use model::clock::{Clock, SystemClock, Timestamp};
use rdkafka::producer::FutureRecord;
use tokio::sync::Notify;
use tracing::{debug, warn};

use crate::kafka::cluster::clients::{Clients, Context, End, Partition, StoreProducer};
use crate::kafka::cluster::fault::Fault;
use crate::kafka::cluster::topics::{Configs, NotCreated};
use crate::kafka::read::fetcher::Fetcher;
use crate::kafka::read::range_reader::{Bounds, RangeReader, Stretch};
use crate::kafka::read::tail::{Claim, Tail};

/// The topic that ticks are written to.
pub(crate) const CLOCK_TOPIC: &str = "__gallop-clock";
/// The least time between two rounds.
const ROUND_INTERVAL: Duration = Duration::from_millis(200);
/// A shard takes part in rounds for so long after its time was asked.
const ASKED_RECENTLY: Duration = Duration::from_secs(3);
/// The next round waits this many times as long as the last one took, so that rounds never take most of the time.
const REST_FACTOR: u32 = 3;
/// A broker without a partition of its own gets one after so long: it may only be starting.
const MISSING_DELAY: Duration = Duration::from_secs(10);
/// Ticks are kept for so long; nobody reads them.
const TICKS_KEPT: Duration = Duration::from_secs(600);

/// Asks brokers what time it is.
pub(crate) struct BrokerTime {
    clients: Arc<Clients>,
    producer: StoreProducer,
    /// Wakes the rounds when somebody asks.
    asked: Notify,
    last: Mutex<Option<(Timestamp, Instant)>>,
    missing: Mutex<BTreeMap<i32, Instant>>,
}

impl BrokerTime {
    /// Makes the ticks' topic if it is not there.
    pub(crate) async fn open(clients: Arc<Clients>) -> Result<BrokerTime, Fault> {
        let producer = clients
            .options
            .ticker()
            .create_with_context(Context)
            .map_err(Fault::doing("setting up the clock's producer"))?;
        let cluster = clients.cluster(None).await?;
        if !cluster.topics.contains_key(CLOCK_TOPIC) {
            match clients.create_pinned(CLOCK_TOPIC, &cluster.brokers, &configs()).await {
                Ok(()) | Err(NotCreated::Exists) => {}
                Err(NotCreated::Refused(reason)) => {
                    return Err(Fault::found(format!("creating {CLOCK_TOPIC}"), reason));
                }
                Err(NotCreated::Fault(fault)) => return Err(fault),
            }
        }
        let (asked, last, missing) = (Notify::new(), Mutex::default(), Mutex::default());
        Ok(BrokerTime { clients, producer, asked, last, missing })
    }

    /// About what the brokers' clocks show: good enough for retention and the names of shards, not for a promise.
    pub(crate) fn about_now(&self) -> Timestamp {
        let last = *self.last.lock().expect("no holder of the lock panics");
        last.map_or_else(|| SystemClock.now(), |(time, at)| time + at.elapsed())
    }

    /// Somebody at a tip wants to know how far time is complete.
    pub(crate) fn ask(&self) {
        self.asked.notify_one();
    }

    /// Rounds, while somebody asks, until dropped.
    pub(crate) async fn run(
        &self,
        fetcher: &Fetcher,
        ranges: &Arc<RangeReader>,
        look: impl AsyncFn(Option<Timestamp>) -> Result<(), Fault>,
    ) {
        let mut before: Option<Timestamp> = None;
        loop {
            let begin = Instant::now();
            let asked: Vec<_> =
                fetcher.tails().into_iter().filter(|(_, tail)| tail.is_time_asked(ASKED_RECENTLY)).collect();
            if asked.is_empty() {
                before = None;
                self.asked.notified().await;
            }
            let ticked = self.tick().await;
            let looked = look(ticked.as_ref().ok().copied().flatten()).await;
            // Gaps first: claims of the round before have had time to be met by records.
            join_all(asked.iter().map(|(partition, tail)| fill_gap(ranges, partition, tail))).await;
            if let Some(time) = before {
                let claimed = match looked {
                    Ok(()) => self.claim(&asked, time).await,
                    Err(fault) => Err(fault),
                };
                if let Err(fault) = claimed {
                    debug!(error = &fault as &dyn std::error::Error, "the time of shards does not advance");
                }
            }
            match ticked {
                Ok(time) => before = time.or(before),
                Err(fault) => debug!(error = &fault as &dyn std::error::Error, "no tick"),
            }
            let took = begin.elapsed();
            tokio::time::sleep((took * REST_FACTOR).max(ROUND_INTERVAL.saturating_sub(took))).await;
        }
    }

    /// One message to each broker; the least time they stamp. None when one does not answer.
    pub(crate) async fn tick(&self) -> Result<Option<Timestamp>, Fault> {
        let cluster = self.clients.cluster(Some(CLOCK_TOPIC)).await?;
        let leaders = cluster.topics.get(CLOCK_TOPIC).cloned().unwrap_or_default();
        self.look_for_missing(&cluster.brokers, &leaders).await;
        let own = |broker: &i32| leaders.iter().position(|leader| leader == broker);
        let partitions: Option<Vec<usize>> = cluster.brokers.iter().map(own).collect();
        let Some(partitions) = partitions.filter(|partitions| !partitions.is_empty()) else { return Ok(None) };
        let ticks = partitions.into_iter().map(|partition| self.send(partition as i32));
        let Some(times) = join_all(ticks).await.into_iter().collect::<Option<Vec<Timestamp>>>() else {
            return Ok(None);
        };
        let time = times.into_iter().min();
        *self.last.lock().expect("no holder of the lock panics") = time.map(|time| (time, Instant::now()));
        Ok(time)
    }

    async fn send(&self, partition: i32) -> Option<Timestamp> {
        let record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(CLOCK_TOPIC).partition(partition).payload(b"");
        let delivery = self.producer.send(record, Duration::ZERO).await.ok()?;
        delivery.timestamp.to_millis().map(Timestamp::from_millis)
    }

    /// Gives a partition to a broker that has been without one for long.
    async fn look_for_missing(&self, brokers: &[i32], leaders: &[i32]) {
        let due = {
            let mut missing = self.missing.lock().expect("no holder of the lock panics");
            missing.retain(|broker, _| brokers.contains(broker) && !leaders.contains(broker));
            for broker in brokers.iter().filter(|broker| !leaders.contains(broker)) {
                missing.entry(*broker).or_insert_with(Instant::now);
            }
            let due = missing.iter().find(|(_, since)| since.elapsed() > MISSING_DELAY).map(|(broker, _)| *broker);
            due.inspect(|broker| missing.retain(|other, _| other != broker))
        };
        if let Some(broker) = due
            && let Err(fault) = self.clients.add_pinned(CLOCK_TOPIC, leaders.len(), broker).await
        {
            warn!(broker, error = &fault as &dyn std::error::Error, "no partition for the clock of a broker");
        }
    }

    /// Claims, for every shard without an open transaction, that time is complete until `time`.
    async fn claim(&self, asked: &[(Partition, Arc<Tail>)], time: Timestamp) -> Result<(), Fault> {
        let partitions: Vec<Partition> = asked.iter().map(|(partition, _)| partition.clone()).collect();
        let high: HashMap<Partition, u64> = self.clients.ends(&partitions, End::High).await?;
        let stable = self.clients.ends(&partitions, End::Stable).await?;
        for (partition, tail) in asked {
            if let (Some(high), Some(stable)) = (high.get(partition), stable.get(partition))
                && high <= stable
            {
                tail.claim(Claim { end: tail.base.plus(*stable), time });
            }
        }
        Ok(())
    }
}

fn configs() -> Configs {
    let pairs = [
        ("message.timestamp.type", "LogAppendTime".to_owned()),
        ("retention.ms", TICKS_KEPT.as_millis().to_string()),
        ("segment.ms", TICKS_KEPT.as_millis().to_string()),
        ("min.insync.replicas", "1".to_owned()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Looks whether offsets that nothing has come for hold no record: markers of transactions do not.
async fn fill_gap(ranges: &Arc<RangeReader>, partition: &Partition, tail: &Tail) {
    let Some((from, until)) = tail.gap() else { return };
    let offset = |number: model::stream::sequence_number::SequenceNumber| number.0 - tail.base.0;
    let stretch = Stretch { partition: partition.clone(), from: offset(from), until: offset(until) };
    let one = Bounds { messages_max: 1, bytes_max: usize::MAX };
    // A record there is on its way to the tail by itself.
    if let Ok(range) = ranges.read(stretch, one, |_| ((), 0)).await
        && range.found.is_empty()
    {
        tail.cover(from, until);
    }
}
