//! A topic of our own that keeps the last value of each key: read whole once, then followed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rdkafka::message::Message;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::kafka::cluster::clients::{Clients, End};
use crate::kafka::cluster::fault::Fault;
use crate::kafka::cluster::topics::{NotCreated, compacted_configs};
use crate::kafka::read::range_reader::{Bounds, NotRead, RangeReader, Stretch};

/// How often an open transaction is looked at while it is waited for.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// Beyond the time that brokers give a transaction: the time they take to abort it.
const ABORT_DELAY_MAX: Duration = Duration::from_secs(15);
/// How much is taken from the brokers at a time.
const BOUNDS: Bounds = Bounds { messages_max: 10_000, bytes_max: 16 << 20 };

/// The topic, and what is known of each partition.
pub(crate) struct Compacted {
    pub(crate) topic: String,
    clients: Arc<Clients>,
    ranges: Arc<RangeReader>,
    views: Vec<Mutex<View>>,
}

/// The last committed value of each key of a partition.
#[derive(Debug, Default)]
pub(crate) struct View {
    next: u64,
    pub(crate) values: BTreeMap<Vec<u8>, Bytes>,
}

impl Compacted {
    /// Opens the topic; creates it with so many partitions if it is missing.
    pub(crate) async fn open(
        clients: Arc<Clients>,
        ranges: Arc<RangeReader>,
        topic: &str,
        partitions: i32,
        message_bytes_max: usize,
    ) -> Result<Compacted, Fault> {
        let existing = clients.cluster(None).await?.topics.get(topic).map(Vec::len);
        if existing.is_none() {
            match clients.create_topic(topic, partitions, &compacted_configs(message_bytes_max)).await {
                // Another process may open its store at the same time.
                Ok(()) | Err(NotCreated::Exists) => {}
                Err(NotCreated::Refused(reason)) => {
                    return Err(Fault::found(format!("creating topic {topic}"), reason));
                }
                Err(NotCreated::Fault(fault)) => return Err(fault),
            }
        }
        let partitions = existing.unwrap_or(partitions as usize);
        let views = (0..partitions).map(|_| Mutex::default()).collect();
        Ok(Compacted { topic: topic.to_owned(), clients, ranges, views })
    }

    /// The partition that `key` belongs to.
    pub(crate) fn partition(&self, key: &[u8]) -> i32 {
        (crc32c::crc32c(key) as usize % self.views.len()) as i32
    }

    /// All partitions.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = i32> + use<> {
        0..self.views.len() as i32
    }

    /// The values as they stand: every transaction that had ended before the call is in them. A transaction that is still
    /// open hides later ones, so it is waited for, as long as brokers let it live.
    pub(crate) async fn current(&self, partition: i32) -> Result<MutexGuard<'_, View>, Fault> {
        let patience = self.clients.options.transaction_delay_max + ABORT_DELAY_MAX;
        let late = || Fault::late(format!("waiting for an open transaction in topic {}", self.topic));
        self.current_within(partition, patience).await?.ok_or_else(late)
    }

    /// The same; none when a transaction is open for longer than `patience`.
    pub(crate) async fn current_within(
        &self,
        partition: i32,
        patience: Duration,
    ) -> Result<Option<MutexGuard<'_, View>>, Fault> {
        let Some(until) = self.settled_end(partition, patience).await? else { return Ok(None) };
        let mut view = self.views[partition as usize].lock().await;
        while view.next < until {
            let stretch = Stretch { partition: (self.topic.clone(), partition), from: view.next, until };
            let take = |message: &rdkafka::message::BorrowedMessage<'_>| {
                let key = message.key().unwrap_or_default().to_vec();
                let value = message.payload().map(Bytes::copy_from_slice);
                let bytes = key.len() + value.as_ref().map_or(0, Bytes::len);
                ((key, value), bytes)
            };
            let range = self.ranges.read(stretch, BOUNDS, take).await.map_err(|error| self.fault(error))?;
            for (key, value) in range.found {
                match value {
                    Some(value) => view.values.insert(key, value),
                    None => view.values.remove(&key),
                };
            }
            view.next = range.next;
        }
        Ok(Some(view))
    }

    /// The end of the partition, once no transaction is open below it; none when patience ends before.
    async fn settled_end(&self, partition: i32, patience: Duration) -> Result<Option<u64>, Fault> {
        let high = self.clients.end(&self.topic, partition, End::High).await?;
        let begin = Instant::now();
        loop {
            let stable = self.clients.end(&self.topic, partition, End::Stable).await?;
            if stable >= high {
                return Ok(Some(stable));
            }
            if begin.elapsed() > patience {
                return Ok(None);
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    fn fault(&self, error: NotRead) -> Fault {
        match error {
            NotRead::Fault(fault) => fault,
            NotRead::Trimmed => Fault::found(format!("reading topic {}", self.topic), "records were deleted from it"),
            NotRead::Missing => Fault::found(format!("reading topic {}", self.topic), "it was deleted"),
        }
    }
}
