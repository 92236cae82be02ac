//! Streams come, go and change: topics and the registry's entries, kept in step.
//!
//! A topic is there before its entry and gone before it, so a crash in between leaves either a topic without an entry,
//! which is read like one of another producer, or an entry without a topic, which the next look removes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::clock::Timestamp;
use model::name::StreamName;
use model::stream::lives::{EarlierLife, Lives, first_number_at};
use model::stream::sequence_number::SequenceNumber;
use model::stream::settings::StreamSettings;
use model::stream::shard::{Shard, ShardId, ShardMap};
use model::stream::store::{StreamDescription, StreamError, StreamOptions};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::kafka::cluster::clients::{Clients, End, Partition};
use crate::kafka::cluster::fault::Fault;
use crate::kafka::cluster::topics::{Configs, NotCreated, stream_configs};
use crate::kafka::cluster::views::{Turn, Views};
use crate::kafka::read::broker_time::BrokerTime;
use crate::kafka::read::fetcher::Fetcher;
use crate::kafka::streams::registry::{Changed, Entries, Entry, Origin, RegistryWriter, remember};
use crate::kafka::streams::stream::Stream;
use crate::kafka::write::appender::Appender;
use crate::kafka::write::checkpoints::Checkpoints;

/// How often a change is worked out anew because another process was first.
pub(crate) const ATTEMPTS_MAX: u32 = 10;
/// Names that begin so are Kafka's and ours.
const RESERVED_PREFIX: &str = "__";
/// How often an open transaction is looked at while it is waited for.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Beyond the time that brokers give a transaction: until they have ended it, and every shard has a leader that answers.
const SETTLING_DELAY_MAX: Duration = Duration::from_secs(30);

/// Whether a topic of that name can be a stream.
fn is_stream(topic: &str) -> bool {
    !topic.starts_with(RESERVED_PREFIX) && StreamName::new(topic).is_ok()
}

/// How an entry changes; may ask the cluster, and change the topic.
#[async_trait::async_trait]
pub(crate) trait Change: Sync {
    async fn decide(&self, entry: &Entry) -> Result<Entry, StreamError>;
}

/// What changing streams takes.
pub(crate) struct Admin {
    pub(crate) clients: Arc<Clients>,
    pub(crate) fetcher: Arc<Fetcher>,
    pub(crate) time: Arc<BrokerTime>,
    pub(crate) appender: Arc<Appender>,
    pub(crate) checkpoints: Arc<Checkpoints>,
    pub(crate) views: Arc<Views>,
    /// One change at a time.
    pub(crate) writer: Mutex<RegistryWriter>,
}

impl Admin {
    /// The turn is to be held until the stream is in service.
    pub(crate) async fn create(
        &self,
        name: &StreamName,
        options: &StreamOptions,
    ) -> Result<(Entry, Turn), StreamError> {
        if options.shards == 0 {
            return Err(StreamError::LimitExceeded("a stream has at least 1 shard".to_owned()));
        }
        if !is_stream(name.as_str()) {
            let reason =
                format!("names that begin with `{RESERVED_PREFIX}` are Kafka's own: `{name}` cannot be a stream");
            return Err(StreamError::LimitExceeded(reason));
        }
        let mut writer = self.writer.lock().await;
        let of = |fault: Fault| fault.of(name);
        if writer.begin().await.map_err(of)?.contains_key(name) {
            return Err(StreamError::Exists(name.clone()));
        }
        let settings = options.settings();
        let partitions = i32::try_from(options.shards).unwrap_or(i32::MAX);
        let configs = stream_configs(&settings, options.shards as usize);
        match self.clients.create_topic(name.as_str(), partitions, &configs).await {
            Ok(()) => {}
            Err(NotCreated::Exists) => return Err(StreamError::Exists(name.clone())),
            Err(NotCreated::Refused(reason)) => return Err(StreamError::LimitExceeded(reason)),
            Err(NotCreated::Fault(fault)) => return Err(fault.of(name)),
        }
        let created_at = self.time.about_now();
        let lives = lives_after(writer.earlier(name).await.map_err(of)?, created_at);
        let entry = Entry {
            incarnation: rand::random(),
            origin: Origin::Store,
            created_at,
            settings,
            shards: ShardMap::uniform_from(options.shards, created_at, lives.first),
            lives,
            closed: Default::default(),
        };
        let turn = self.add(&mut writer, name, &entry).await?;
        info!(stream = %name, shards = options.shards, "stream created");
        Ok((entry, turn))
    }

    /// Takes a topic that somebody else has made for a stream.
    pub(crate) async fn adopt(&self, name: &StreamName) -> Result<Option<(Entry, Turn)>, StreamError> {
        if !is_stream(name.as_str()) {
            return Ok(None);
        }
        let of = |fault: Fault| fault.of(name);
        let mut writer = self.writer.lock().await;
        let turn = self.views.turn().await;
        if let Some(entry) = writer.begin().await.map_err(of)?.remove(name) {
            return Ok(Some((entry, turn)));
        }
        drop(turn);
        let cluster = self.clients.cluster(None).await.map_err(of)?;
        let Some(partitions) = cluster.topics.get(name.as_str()).map(Vec::len).filter(|count| *count > 0) else {
            return Ok(None);
        };
        let configs = self.clients.effective_configs(name.as_str()).await.map_err(of)?;
        if configs.get("message.timestamp.type").is_none_or(|kind| kind != "LogAppendTime") {
            warn!(stream = %name, "producers stamp the records of this topic: windows over its arrival time are as good \
                as their clocks; set message.timestamp.type=LogAppendTime");
        }
        let created_at = self.time.about_now();
        let lives = lives_after(writer.earlier(name).await.map_err(of)?, created_at);
        let entry = Entry {
            incarnation: rand::random(),
            origin: Origin::Elsewhere,
            created_at,
            settings: settings_of(&configs, partitions),
            shards: ShardMap::uniform_from(u32::try_from(partitions).unwrap_or(u32::MAX), created_at, lives.first),
            lives,
            closed: Default::default(),
        };
        let turn = self.add(&mut writer, name, &entry).await?;
        info!(stream = %name, partitions, "topic of another producer used as a stream");
        Ok(Some((entry, turn)))
    }

    /// Adds an entry that is not there.
    async fn add(&self, writer: &mut RegistryWriter, name: &StreamName, entry: &Entry) -> Result<Turn, StreamError> {
        for _ in 0..ATTEMPTS_MAX {
            let turn = self.views.turn().await;
            // The entry remembers them now.
            let forgotten = vec![remember(name, None)];
            let put = writer.put_with(name, Some(entry), forgotten).await;
            if put.map_err(|fault| fault.of(name))? == Changed::Done {
                return Ok(turn);
            }
            drop(turn);
            if writer.begin().await.map_err(|fault| fault.of(name))?.contains_key(name) {
                return Err(StreamError::Exists(name.clone()));
            }
        }
        Err(too_busy(name))
    }

    /// The turn is to be held until the stream is out of service.
    pub(crate) async fn delete(&self, stream: &Stream) -> Result<Turn, StreamError> {
        let (name, of) = (&stream.name, |fault: Fault| fault.of(&stream.name));
        let mut writer = self.writer.lock().await;
        let Some(entry) = writer.begin().await.map_err(of)?.remove(name) else {
            return Err(StreamError::NotFound(name.clone()));
        };
        let _gate = stream.gate.write().await;
        self.fetcher.leave(|(topic, _), _| topic == name.as_str()).await;
        let shards: Vec<Partition> = entry.shards.iter().map(|shard| stream.partition(shard.id)).collect();
        let ends = self.clients.ends(&shards, End::Stable).await.map_err(of)?;
        self.clients.delete_topic(name.as_str()).await.map_err(of)?;
        stream.delete();
        // A reader that was sent to look again may have come back before its stream was gone.
        self.fetcher.leave(|(topic, _), _| topic == name.as_str()).await;
        self.appender.forget(name.as_str());
        let ended = ended(&entry, |shard| ends.get(&stream.partition(shard)).copied());
        let turn = self.remove(&mut writer, name, entry, ended).await?;
        info!(stream = %name, "stream deleted");
        Ok(turn)
    }

    /// Removes the entry and the checkpoints of a stream whose topic is gone, and remembers how it `ended`.
    async fn remove(
        &self,
        writer: &mut RegistryWriter,
        name: &StreamName,
        entry: Entry,
        ended: EarlierLife,
    ) -> Result<Turn, StreamError> {
        let of = |fault: Fault| fault.of(name);
        let mut removal = self.checkpoints.removal(name, entry.incarnation).await.map_err(of)?;
        removal.push(remember(name, Some(&entry.lives.ended(ended))));
        for _ in 0..ATTEMPTS_MAX {
            let turn = self.views.turn().await;
            if writer.put_with(name, None, removal.clone()).await.map_err(of)? == Changed::Done {
                return Ok(turn);
            }
            if !writer.begin().await.map_err(of)?.contains_key(name) {
                return Ok(turn);
            }
        }
        Err(too_busy(name))
    }

    /// Removes entries whose topic is gone: deleted by Kafka's own tools, or by a process that ended half way.
    pub(crate) async fn sweep(&self) -> Result<(), StreamError> {
        let mut writer = self.writer.lock().await;
        let nameless = StreamName::new("all-streams").expect("a valid name");
        let entries = writer.begin().await.map_err(|fault| fault.of(&nameless))?;
        let cluster = self.clients.cluster(None).await.map_err(|fault| fault.of(&nameless))?;
        for (name, entry) in entries.into_iter().filter(|(name, _)| !cluster.topics.contains_key(name.as_str())) {
            warn!(stream = %name, "the topic of this stream was deleted, and so was the stream");
            // How many records it had, nobody knows any more.
            let ended = ended(&entry, |_| None);
            self.remove(&mut writer, &name, entry, ended).await?;
        }
        Ok(())
    }

    /// Works out a change of an entry until it is not outrun by another process.
    pub(crate) async fn change(
        &self,
        stream: &Stream,
        decide: impl Change,
    ) -> Result<Arc<StreamDescription>, StreamError> {
        let (name, of) = (&stream.name, |fault: Fault| fault.of(&stream.name));
        let mut writer = self.writer.lock().await;
        for _ in 0..ATTEMPTS_MAX {
            let mut entries: Entries = writer.begin().await.map_err(of)?;
            let entry = entries.remove(name).filter(|entry| entry.incarnation == stream.incarnation);
            let entry = entry.ok_or_else(|| StreamError::NotFound(name.clone()))?;
            let changed = decide.decide(&entry).await?;
            let _turn = self.views.turn().await;
            if changed == entry || writer.put(name, Some(&changed)).await.map_err(of)? == Changed::Done {
                stream.update(&changed);
                return Ok(stream.description());
            }
        }
        Err(too_busy(name))
    }

    /// The offset above all records of each partition, once no transaction is open there.
    pub(crate) async fn settled_ends(&self, partitions: &[Partition]) -> Result<HashMap<Partition, u64>, Fault> {
        let begin = Instant::now();
        let mut high: HashMap<Partition, u64> = HashMap::new();
        while begin.elapsed() < self.clients.options.transaction_delay_max + SETTLING_DELAY_MAX {
            // Above all there was at the first answer for each.
            let mut seen = self.clients.ends(partitions, End::High).await?;
            seen.extend(high);
            high = seen;
            let stable = self.clients.ends(partitions, End::Stable).await?;
            let settled = |partition| high.get(partition).is_some_and(|high| stable.get(partition) >= Some(high));
            if partitions.iter().all(settled) {
                return Ok(stable);
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        Err(Fault::late("waiting for the last records of shards that are closed"))
    }
}

/// The numbers of a stream that is created at `created_at`, after the streams `earlier` of its name.
fn lives_after(earlier: Vec<EarlierLife>, created_at: Timestamp) -> Lives {
    let above = earlier.last().map_or(SequenceNumber::FIRST, |last| last.end().next());
    Lives::beginning_at(first_number_at(created_at).max(above), earlier)
}

/// What is remembered of a stream, of whose shards `end` gives the offset above all records, where it is known.
fn ended(entry: &Entry, end: impl Fn(ShardId) -> Option<u64>) -> EarlierLife {
    let next = |shard: &Shard| (shard.id, shard.first.plus(end(shard.id).unwrap_or(0)));
    EarlierLife {
        first: entry.lives.first,
        shards: entry.shards.clone(),
        next: entry.shards.iter().map(next).collect(),
        positions: Default::default(),
    }
}

pub(crate) fn too_busy(name: &StreamName) -> StreamError {
    Fault::late("changing the stream while other processes change streams too").of(name)
}

/// What a topic of somebody else keeps, as settings of a stream.
fn settings_of(configs: &Configs, partitions: usize) -> StreamSettings {
    let number = |name: &str| configs.get(name).and_then(|value| value.parse::<i64>().ok());
    let unlimited = Duration::from_secs(100 * 365 * 24 * 3600);
    StreamSettings {
        retention: number("retention.ms")
            .and_then(|millis| u64::try_from(millis).ok())
            .map_or(unlimited, Duration::from_millis),
        retention_bytes_max: number("retention.bytes")
            .and_then(|bytes| u64::try_from(bytes).ok())
            .map(|bytes| bytes.saturating_mul(partitions as u64)),
        record_bytes_max: number("max.message.bytes").and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(1 << 20),
        ..StreamSettings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_with_two_underscores_are_no_streams() {
        assert!(is_stream("rides") && is_stream("_rides"));
        assert!(!is_stream("__consumer_offsets") && !is_stream(crate::kafka::read::broker_time::CLOCK_TOPIC));
    }
}
