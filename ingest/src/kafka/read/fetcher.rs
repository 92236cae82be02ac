//! One client that follows the tips of all shards that are read, and feeds their tails.
//!
//! A shard is followed from the first time that somebody reads near its tip, and left when nobody
//! has for [`IDLE_MAX`]. The memory of all tails has one bound, which the shards that are followed
//! share evenly.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use model::stream::sequence_number::SequenceNumber;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::Offset;
use tracing::{debug, warn};

use crate::kafka::cluster::clients::{ASK_DELAY_MAX, Clients, Context, End, Partition, StoreConsumer, detached};
use crate::kafka::cluster::fault::Fault;
use crate::kafka::read::record::record;
use crate::kafka::read::tail::Tail;
use model::blocking::blocking;

/// A shard that nobody has read for so long is not followed any more.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// The most memory one shard's tail takes, and the least it is given.
const TAIL_BYTES_MAX: usize = 8 << 20;
const TAIL_BYTES_MIN: usize = 64 << 10;
/// How long one look for a message takes at most; stopping takes as long.
const POLL: Duration = Duration::from_millis(100);

type Tails = HashMap<String, HashMap<i32, Arc<Tail>>>;

/// The client and its thread.
pub(crate) struct Fetcher {
    clients: Arc<Clients>,
    shared: Arc<Shared>,
    /// One change of what is followed at a time.
    changing: tokio::sync::Mutex<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    consumer: StoreConsumer,
    tails: RwLock<Tails>,
    /// How many partitions the client knows of each topic that is followed.
    known: Mutex<HashMap<String, usize>>,
    stop: AtomicBool,
    bytes_max: usize,
}

impl Fetcher {
    pub(crate) fn start(clients: Arc<Clients>) -> Result<Fetcher, Fault> {
        let consumer = clients
            .options
            .tip_reader()
            .create_with_context(Context)
            .map_err(Fault::doing("setting up the reader of tips"))?;
        let bytes_max = clients.options.tail_bytes_max;
        let shared = Arc::new(Shared {
            consumer,
            tails: RwLock::default(),
            known: Mutex::default(),
            stop: AtomicBool::new(false),
            bytes_max,
        });
        let feeder = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("kafka tips".to_owned());
        let thread = thread.spawn(move || feeder.run()).expect("the system has a thread for the reader of tips");
        Ok(Fetcher { clients, shared, changing: tokio::sync::Mutex::default(), thread: Mutex::new(Some(thread)) })
    }

    /// The tail of a shard, which is followed from now on. `base` is the number of the shard's
    /// offset 0: by it, the tail of an earlier stream of the name is told from this one's.
    pub(crate) async fn tail(
        self: &Arc<Self>,
        partition: &Partition,
        base: SequenceNumber,
    ) -> Result<Arc<Tail>, Fault> {
        if let Some(tail) = self.shared.tail(&partition.0, partition.1).filter(|tail| tail.base == base) {
            return Ok(tail);
        }
        let (fetcher, partition) = (Arc::clone(self), partition.clone());
        detached(async move { fetcher.begin(&partition, base).await }).await
    }

    /// Begins to follow a shard.
    async fn begin(&self, partition: &Partition, base: SequenceNumber) -> Result<Arc<Tail>, Fault> {
        let _changing = self.changing.lock().await;
        match self.shared.tail(&partition.0, partition.1) {
            Some(tail) if tail.base == base => return Ok(tail),
            // Who still asks for it reads a stream that is gone, and finds that out when it looks again.
            Some(younger) if base < younger.base => {
                return Err(Fault::late(format!("following the deleted topic {}", partition.0)));
            }
            // A reader may have begun it anew while its stream was being deleted.
            Some(_) => self.leave_now(|(topic, _), _| *topic == partition.0).await,
            None => {}
        }
        let first = self.clients.end(&partition.0, partition.1, End::Stable).await?;
        let tail = Arc::new(Tail::new(base, base.plus(first)));
        self.shared.insert(partition.clone(), Arc::clone(&tail));
        let (shared, place) = (Arc::clone(&self.shared), partition.clone());
        let followed = blocking(move || shared.look(&place).and_then(|()| shared.follow(&place, first))).await;
        if let Err(error) = followed {
            self.shared.remove(partition);
            return Err(Fault::doing(format!("following topic {}, partition {}", partition.0, partition.1))(error));
        }
        Ok(tail)
    }

    /// Tails that are followed.
    pub(crate) fn tails(&self) -> Vec<(Partition, Arc<Tail>)> {
        let tails = self.shared.tails.read().expect("no holder of the lock panics");
        let of_topic = |(topic, tails): (&String, &HashMap<i32, Arc<Tail>>)| {
            tails.iter().map(|(partition, tail)| ((topic.clone(), *partition), Arc::clone(tail))).collect::<Vec<_>>()
        };
        tails.iter().flat_map(of_topic).collect()
    }

    /// The tail of a partition, if it is followed.
    pub(crate) fn followed(&self, topic: &str, partition: i32) -> Option<Arc<Tail>> {
        self.shared.tail(topic, partition)
    }

    /// Follows some partitions no more; who reads there is sent to look again.
    pub(crate) async fn leave(&self, wanted: impl Fn(&Partition, &Tail) -> bool) {
        let _changing = self.changing.lock().await;
        self.leave_now(wanted).await;
    }

    /// The same while nothing else changes what is followed.
    async fn leave_now(&self, wanted: impl Fn(&Partition, &Tail) -> bool) {
        let gone: Vec<_> = self.tails().into_iter().filter(|(partition, tail)| wanted(partition, tail)).collect();
        if gone.is_empty() {
            return;
        }
        for (partition, tail) in &gone {
            self.shared.remove(partition);
            tail.stop();
        }
        let shared = Arc::clone(&self.shared);
        let partitions: Vec<Partition> = gone.into_iter().map(|(partition, _)| partition).collect();
        if let Err(error) = blocking(move || shared.unfollow(&partitions)).await {
            debug!(%error, "partitions that were followed cannot be left");
        }
    }

    /// Leaves shards that nobody reads. Called from time to time.
    pub(crate) async fn leave_idle(&self) {
        self.leave(|_, tail| tail.idle() > IDLE_MAX).await;
    }

    /// Ends the thread.
    pub(crate) async fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.lock().expect("no holder of the lock panics").take();
        if let Some(thread) = thread
            && blocking(move || thread.join()).await.is_err()
        {
            warn!("the reader of tips had panicked");
        }
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn tail(&self, topic: &str, partition: i32) -> Option<Arc<Tail>> {
        let tails = self.tails.read().expect("no holder of the lock panics");
        tails.get(topic)?.get(&partition).cloned()
    }

    fn insert(&self, (topic, partition): Partition, tail: Arc<Tail>) {
        self.tails.write().expect("no holder of the lock panics").entry(topic).or_default().insert(partition, tail);
    }

    fn remove(&self, (topic, partition): &Partition) {
        let mut tails = self.tails.write().expect("no holder of the lock panics");
        if let Some(of_topic) = tails.get_mut(topic) {
            of_topic.remove(partition);
            if of_topic.is_empty() {
                tails.remove(topic);
                self.known.lock().expect("no holder of the lock panics").remove(topic);
            }
        }
    }

    /// Makes sure that the client knows the partition, which may have come into being just now.
    fn look(&self, (topic, partition): &Partition) -> KafkaResult<()> {
        let known = self.known.lock().expect("no holder of the lock panics").get(topic).copied();
        if known.is_none_or(|known| known <= *partition as usize) {
            let metadata = self.consumer.fetch_metadata(Some(topic), ASK_DELAY_MAX)?;
            let known = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
            self.known.lock().expect("no holder of the lock panics").insert(topic.clone(), known);
        }
        Ok(())
    }

    fn follow(&self, (topic, partition): &Partition, first: u64) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, *partition, Offset::Offset(i64::try_from(first).expect("offsets fit")))?;
        self.consumer.incremental_assign(&list)
    }

    fn unfollow(&self, partitions: &[Partition]) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in partitions {
            list.add_partition(topic, *partition);
        }
        self.consumer.incremental_unassign(&list)
    }

    /// What one tail may hold.
    fn share(tails: &Tails, bytes_max: usize) -> usize {
        let followed: usize = tails.values().map(HashMap::len).sum();
        (bytes_max / followed.max(1)).clamp(TAIL_BYTES_MIN, TAIL_BYTES_MAX)
    }

    fn run(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            match self.consumer.poll(POLL) {
                None => {}
                Some(Ok(message)) => {
                    let tails = self.tails.read().expect("no holder of the lock panics");
                    let tail = tails.get(message.topic()).and_then(|of_topic| of_topic.get(&message.partition()));
                    if let Some(tail) = tail {
                        tail.push(record(&message, tail.base, tail.floor()), Shared::share(&tails, self.bytes_max));
                    }
                }
                Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) => {
                    // A tip that is not kept any more: it is not said whose. Readers look again.
                    warn!(%error, "the position of a shard was lost; all shards are read again");
                    self.restart();
                }
                Some(Err(error)) => debug!(%error, "reader of tips"),
            }
        }
    }

    fn restart(&self) {
        let tails = std::mem::take(&mut *self.tails.write().expect("no holder of the lock panics"));
        if let Err(error) = self.consumer.unassign() {
            warn!(%error, "partitions that were followed cannot be left");
        }
        tails.values().flat_map(HashMap::values).for_each(|tail| tail.stop());
    }
}
