//! The store's connections that are not a reader's or a writer's: questions about offsets and the
//! cluster. Calls of the client library block, so each runs beside the async tasks and ends within
//! [`ASK_DELAY_MAX`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::clock::Timestamp;
use rdkafka::TopicPartitionList;
use rdkafka::admin::AdminClient;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::{Metadata, MetadataTopic};
use rdkafka::producer::FutureProducer;
use rdkafka::topic_partition_list::Offset;
use tracing::debug;

use crate::kafka::cluster::fault::Fault;
use crate::kafka::options::KafkaOptions;
use model::blocking::{blocking, finished};

/// How long a question to the cluster may take.
pub(crate) const ASK_DELAY_MAX: Duration = Duration::from_secs(10);

/// A partition that a client does not know is looked for so often: it may have come into being just
/// now.
pub(crate) const LOOKS_MAX: u32 = 10;
/// The pause before it is looked for again.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// A partition of a topic.
pub(crate) type Partition = (String, i32);

/// Which end of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The first offset that is kept.
    Oldest,
    /// Above the last record that readers of committed records can see.
    Stable,
    /// Above the last record that is replicated, committed or not.
    High,
}

/// How many brokers there are, and where the partitions of a topic are led.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cluster {
    pub(crate) brokers: Vec<i32>,
    /// The leader of each partition, in order; -1 for none.
    pub(crate) topics: HashMap<String, Vec<i32>>,
}

/// Runs to its end, also when the caller stops waiting, or waits for something else meanwhile: what
/// holds a lock or a permit must never depend on somebody who needs the same one first.
pub(crate) async fn detached<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    finished(tokio::spawn(work)).await
}

/// What the client library tells beside its answers. Brokers that come and go are its own to deal
/// with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context;

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        debug!(?level, facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        debug!(%error, reason, "librdkafka");
    }
}

impl ConsumerContext for Context {}

/// A reader.
pub(crate) type StoreConsumer = BaseConsumer<Context>;
/// A writer.
pub(crate) type StoreProducer = FutureProducer<Context>;

/// Shared by the whole store.
pub(crate) struct Clients {
    pub(crate) options: KafkaOptions,
    pub(crate) admin: AdminClient<Context>,
    stable: Arc<StoreConsumer>,
    high: Arc<StoreConsumer>,
}

impl Clients {
    /// Fails on settings that the library does not know; connects later, by itself.
    pub(crate) fn new(options: KafkaOptions) -> Result<Clients, Fault> {
        let settings = |error| Fault::doing("setting up the Kafka client")(error);
        Ok(Clients {
            admin: options.admin().create_with_context(Context).map_err(settings)?,
            stable: Arc::new(options.asker("read_committed").create_with_context(Context).map_err(settings)?),
            high: Arc::new(options.asker("read_uncommitted").create_with_context(Context).map_err(settings)?),
            options,
        })
    }

    /// One end of each partition. A partition that is not known, or whose leader does not answer,
    /// is left out.
    pub(crate) async fn ends(&self, partitions: &[Partition], end: End) -> Result<HashMap<Partition, u64>, Fault> {
        if partitions.is_empty() {
            return Ok(HashMap::new());
        }
        let asker = Arc::clone(if end == End::High { &self.high } else { &self.stable });
        let offset = if end == End::Oldest { Offset::Beginning } else { Offset::End };
        let partitions = partitions.to_vec();
        let found = blocking(move || offsets(&asker, &partitions, offset)).await;
        let found = found.map_err(Fault::doing("asking for offsets"))?;
        Ok(found.into_iter().filter_map(|(partition, offset)| Some((partition, offset?))).collect())
    }

    /// The one end of one partition.
    pub(crate) async fn end(&self, topic: &str, partition: i32, end: End) -> Result<u64, Fault> {
        let partition = (topic.to_owned(), partition);
        let found = self.ends(std::slice::from_ref(&partition), end).await?;
        found.get(&partition).copied().ok_or_else(|| Fault::late(format!("asking for offsets of {}", partition.0)))
    }

    /// The first offset of each partition whose record arrived at `at` or later; none when there is
    /// none. A partition that is not known, or whose leader does not answer, is left out.
    pub(crate) async fn offsets_at(
        &self,
        partitions: &[Partition],
        at: Timestamp,
    ) -> Result<HashMap<Partition, Option<u64>>, Fault> {
        let asker = Arc::clone(&self.stable);
        let at = Offset::Offset(at.as_millis().max(0));
        let partitions = partitions.to_vec();
        blocking(move || offsets(&asker, &partitions, at)).await.map_err(Fault::doing("asking for offsets by time"))
    }

    /// The brokers in service, and the topics.
    pub(crate) async fn cluster(&self, topic: Option<&str>) -> Result<Cluster, Fault> {
        let (asker, topic) = (Arc::clone(&self.stable), topic.map(str::to_owned));
        blocking(move || {
            let metadata = look_at(&asker, topic.as_deref())?;
            let known = metadata.topics().iter().filter(|topic| topic.error().is_none());
            let leaders = |topic: &MetadataTopic| {
                let mut partitions: Vec<(i32, i32)> = topic.partitions().iter().map(|p| (p.id(), p.leader())).collect();
                partitions.sort_unstable();
                partitions.into_iter().map(|(_, leader)| leader).collect()
            };
            Ok(Cluster {
                brokers: metadata.brokers().iter().map(|broker| broker.id()).collect(),
                topics: known.map(|topic| (topic.name().to_owned(), leaders(topic))).collect(),
            })
        })
        .await
        .map_err(Fault::doing("asking which brokers and topics there are"))
    }

    /// Lets the askers hand over news of connections, which would pile up otherwise. Called from
    /// time to time.
    pub(crate) fn drain_news(&self) {
        for asker in [&self.stable, &self.high] {
            while asker.poll(Duration::ZERO).is_some() {}
        }
    }
}

/// Whether a client knows a topic or its partitions as they were, not as they are.
pub(crate) fn is_unknown(error: &KafkaError) -> bool {
    let unknown =
        [RDKafkaErrorCode::UnknownPartition, RDKafkaErrorCode::UnknownTopic, RDKafkaErrorCode::UnknownTopicOrPartition];
    error.rdkafka_error_code().is_some_and(|code| unknown.contains(&code))
}

/// Whether another broker, or the same one a little later, answers: leaders move, and new ones have
/// to catch up.
fn is_moving(error: &KafkaError) -> bool {
    let moving = [
        RDKafkaErrorCode::BrokerDestroy,
        RDKafkaErrorCode::BrokerTransportFailure,
        RDKafkaErrorCode::DestroyBroker,
        RDKafkaErrorCode::FencedLeaderEpoch,
        RDKafkaErrorCode::LeaderNotAvailable,
        RDKafkaErrorCode::NotLeaderForPartition,
        RDKafkaErrorCode::OffsetNotAvailable,
        RDKafkaErrorCode::UnknownLeaderEpoch,
    ];
    error.rdkafka_error_code().is_some_and(|code| moving.contains(&code))
}

/// As [`offsets_known`]; what is not known is looked for. Of several partitions those are left out
/// whose leader does not answer at the second try either.
fn offsets(
    asker: &StoreConsumer,
    partitions: &[Partition],
    at: Offset,
) -> KafkaResult<HashMap<Partition, Option<u64>>> {
    let (begin, mut looks) = (Instant::now(), 0);
    loop {
        let (found, failed) = match offsets_known(asker, partitions, at) {
            Ok(answer) => answer,
            Err(error) => (HashMap::new(), Some(error)),
        };
        let Some(error) = failed else { return Ok(found) };
        let again = match (is_unknown(&error), is_moving(&error)) {
            (true, _) => looks < LOOKS_MAX,
            (_, true) if partitions.len() > 1 => looks == 0,
            (_, true) => begin.elapsed() < ASK_DELAY_MAX,
            _ => false,
        };
        if !again {
            // With one partition the error is its own; of many, those that answered are what the
            // caller goes on with.
            return if found.is_empty() { Err(error) } else { Ok(found) };
        }
        if looks > 0 {
            std::thread::sleep(LOOK_INTERVAL);
        }
        looks += 1;
        look_at(asker, None)?;
    }
}

/// The brokers and topics. A broker that goes while it is asked is no reason to give up: the next
/// one answers.
fn look_at(asker: &StoreConsumer, topic: Option<&str>) -> KafkaResult<Metadata> {
    let begin = Instant::now();
    loop {
        match asker.fetch_metadata(topic, ASK_DELAY_MAX) {
            Err(error) if is_moving(&error) && begin.elapsed() < ASK_DELAY_MAX => std::thread::sleep(LOOK_INTERVAL),
            answer => return answer,
        }
    }
}

/// Offsets of some partitions, and why others have none.
type Offsets = (HashMap<Partition, Option<u64>>, Option<KafkaError>);

/// Offsets by time or by end of many partitions at once; each leader is asked once.
fn offsets_known(asker: &StoreConsumer, partitions: &[Partition], at: Offset) -> KafkaResult<Offsets> {
    let mut asked = TopicPartitionList::with_capacity(partitions.len());
    for (topic, partition) in partitions {
        asked.add_partition_offset(topic, *partition, at)?;
    }
    let answer = asker.offsets_for_times(asked, ASK_DELAY_MAX)?;
    let mut found = HashMap::with_capacity(partitions.len());
    let mut failed: Option<KafkaError> = None;
    for element in answer.elements() {
        match (element.error(), element.offset()) {
            (Ok(()), Offset::Offset(offset)) => {
                let key = (element.topic().to_owned(), element.partition());
                found.insert(key, Some(u64::try_from(offset).unwrap_or(0)));
            }
            (Ok(()), Offset::End) => {
                found.insert((element.topic().to_owned(), element.partition()), None);
            }
            (Ok(()), _) => {}
            (Err(error), _) => failed = Some(error),
        }
    }
    Ok((found, failed))
}
