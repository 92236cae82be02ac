//! Reading a stretch of a partition from the brokers, for those who are behind the tail and for
//! topics of our own.
//!
//! A few clients are shared by all who seek. One that stopped at a reader's limit keeps its place
//! and what it has fetched ahead, and goes on when the same reader comes for more.
//!
//! Offsets in a stretch may hold no record: markers of transactions, aborted ones, compacted ones.
//! That nothing follows up to the stretch's end is only believed when the broker says so twice, and
//! its last stable offset was at the stretch's end in between: a broker that has just become leader
//! may know less than its predecessor for a moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::Offset;
use tokio::sync::Semaphore;

use crate::kafka::cluster::clients::{
    ASK_DELAY_MAX, Clients, Context, LOOK_INTERVAL, LOOKS_MAX, Partition, StoreConsumer, detached, is_unknown,
};
use crate::kafka::cluster::fault::Fault;
use model::blocking::blocking;

/// The most clients that seek at once; who comes when all are busy waits.
const READERS_MAX: usize = 8;
/// A read that has got nothing for so long has failed.
const READ_DELAY_MAX: Duration = Duration::from_secs(15);
/// The client forgets what it has seen of a topic that it does not read: it looks again after so
/// long.
const LOOK_AGE_MAX: Duration = Duration::from_secs(60);
/// How long one look for a message takes at most.
const POLL: Duration = Duration::from_millis(100);

/// A stretch of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) partition: Partition,
    pub(crate) from: u64,
    /// At most the last stable offset at some time before.
    pub(crate) until: u64,
}

/// How much one read returns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) messages_max: usize,
    pub(crate) bytes_max: usize,
}

/// What was read, and the offset to go on from: the stretch's end unless a bound was reached
/// before.
#[derive(Debug)]
pub(crate) struct Range<T> {
    pub(crate) found: Vec<T>,
    pub(crate) next: u64,
}

/// Why a stretch was not read.
#[derive(Debug)]
pub(crate) enum NotRead {
    /// Its first offset is not kept any more.
    Trimmed,
    /// The topic or partition is gone.
    Missing,
    /// Trouble.
    Fault(Fault),
}

/// The clients that seek.
pub(crate) struct RangeReader {
    clients: Arc<Clients>,
    idle: Mutex<Vec<Cursor>>,
    permits: Semaphore,
}

/// A client, and the place that its next message has if it stopped at a bound.
struct Cursor {
    consumer: StoreConsumer,
    at: Option<(Partition, u64)>,
    /// Topics that the client has been made to look at, and when: by itself it does so once a
    /// second.
    looked_at: HashMap<String, Instant>,
}

impl RangeReader {
    pub(crate) fn new(clients: Arc<Clients>) -> Self {
        RangeReader { clients, idle: Mutex::default(), permits: Semaphore::new(READERS_MAX) }
    }

    /// Reads a stretch; `take` makes something of each message and says how many bytes it counts
    /// for.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        stretch: Stretch,
        bounds: Bounds,
        take: impl FnMut(&BorrowedMessage<'_>) -> (T, usize) + Send + 'static,
    ) -> Result<Range<T>, NotRead> {
        let ranges = Arc::clone(self);
        detached(async move { ranges.read_with_one(stretch, bounds, take).await }).await
    }

    /// Reads with one of the clients.
    async fn read_with_one<T: Send + 'static>(
        &self,
        stretch: Stretch,
        bounds: Bounds,
        take: impl FnMut(&BorrowedMessage<'_>) -> (T, usize) + Send + 'static,
    ) -> Result<Range<T>, NotRead> {
        let _permit = self.permits.acquire().await.expect("never closed");
        let mut cursor = self.cursor(&stretch).map_err(NotRead::Fault)?;
        let (cursor, result) = blocking(move || {
            let result = cursor.read(&stretch, bounds, take);
            (cursor, result)
        })
        .await;
        self.idle.lock().expect("no holder of the lock panics").push(cursor);
        result
    }

    /// The client that stands where the stretch begins, else any, else a new one.
    fn cursor(&self, stretch: &Stretch) -> Result<Cursor, Fault> {
        let mut idle = self.idle.lock().expect("no holder of the lock panics");
        let stands_there = |cursor: &Cursor| {
            cursor.at.as_ref().is_some_and(|(partition, next)| *partition == stretch.partition && *next == stretch.from)
        };
        let place = idle.iter().position(stands_there).or_else(|| idle.iter().position(|cursor| cursor.at.is_none()));
        // Of those that wait for their reader, the one that waits longest gives way.
        let place = place.or((idle.len() >= READERS_MAX).then_some(0));
        if let Some(place) = place {
            return Ok(idle.remove(place));
        }
        drop(idle);
        let consumer = self
            .clients
            .options
            .range_reader()
            .create_with_context(Context)
            .map_err(Fault::doing("setting up a reader"))?;
        Ok(Cursor { consumer, at: None, looked_at: HashMap::new() })
    }
}

impl Cursor {
    /// Lets the client see the topic's partitions as they are now.
    fn look(&mut self, topic: &str) -> KafkaResult<()> {
        self.consumer.fetch_metadata(Some(topic), ASK_DELAY_MAX)?;
        self.looked_at.retain(|_, at| at.elapsed() <= LOOK_AGE_MAX);
        self.looked_at.insert(topic.to_owned(), Instant::now());
        Ok(())
    }

    fn read<T>(
        &mut self,
        stretch: &Stretch,
        bounds: Bounds,
        mut take: impl FnMut(&BorrowedMessage<'_>) -> (T, usize),
    ) -> Result<Range<T>, NotRead> {
        let (topic, partition) = (&stretch.partition.0, stretch.partition.1);
        let doing = || format!("reading topic {topic}, partition {partition}");
        let fault = |error| NotRead::Fault(Fault::doing(doing())(error));
        let stands_there = self.at.take() == Some((stretch.partition.clone(), stretch.from));
        if !stands_there {
            if self.looked_at.get(topic).is_none_or(|at| at.elapsed() > LOOK_AGE_MAX) {
                self.look(topic).map_err(fault)?;
            }
            assign(&self.consumer, &stretch.partition, stretch.from).map_err(fault)?;
        }
        let mut range = Range { found: Vec::new(), next: stretch.from };
        let (mut bytes, mut confirmed, mut looks, mut progress) = (0, false, 0, Instant::now());
        while range.next < stretch.until {
            match self.consumer.poll(POLL) {
                None if progress.elapsed() < READ_DELAY_MAX => {}
                None => return Err(NotRead::Fault(Fault::late(doing()))),
                Some(Ok(message)) => {
                    let offset = u64::try_from(message.offset()).unwrap_or(0);
                    if offset >= stretch.until {
                        range.next = stretch.until;
                        break;
                    }
                    let (item, item_bytes) = take(&message);
                    range.found.push(item);
                    (range.next, progress) = (offset + 1, Instant::now());
                    bytes += item_bytes;
                    if range.found.len() >= bounds.messages_max || bytes >= bounds.bytes_max {
                        self.at = Some((stretch.partition.clone(), range.next));
                        return Ok(range);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) if confirmed => range.next = stretch.until,
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    let ends = self.consumer.fetch_watermarks(topic, partition, ASK_DELAY_MAX);
                    confirmed =
                        ends.is_ok_and(|(_, stable)| stable >= i64::try_from(stretch.until).unwrap_or(i64::MAX));
                    assign(&self.consumer, &stretch.partition, range.next).map_err(fault)?;
                }
                Some(Err(error)) if is_unknown(&error) => {
                    if looks == LOOKS_MAX {
                        return Err(NotRead::Missing);
                    }
                    if looks > 0 {
                        std::thread::sleep(LOOK_INTERVAL);
                    }
                    looks += 1;
                    self.look(topic).map_err(fault)?;
                    assign(&self.consumer, &stretch.partition, range.next).map_err(fault)?;
                }
                Some(Err(error)) => match error.rdkafka_error_code() {
                    Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                        return Err(NotRead::Trimmed);
                    }
                    // Brokers come and go; the library connects again by itself.
                    _ if progress.elapsed() < READ_DELAY_MAX => {}
                    _ => return Err(fault(error)),
                },
            }
        }
        // Nothing is fetched ahead for nobody.
        self.consumer.unassign().map_err(fault)?;
        Ok(range)
    }
}

fn assign(consumer: &StoreConsumer, (topic, partition): &Partition, from: u64) -> KafkaResult<()> {
    let mut list = TopicPartitionList::new();
    let from = Offset::Offset(i64::try_from(from).expect("offsets fit"));
    list.add_partition_offset(topic, *partition, from)?;
    consumer.assign(&list)
}
