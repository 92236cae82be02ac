//! Streams come, go and change: topics and the registry's entries, kept in step.
//!
//! A topic is there before its entry and gone before it, so a crash in between leaves either a topic without an entry,
//! which is read like one of another producer, or an entry without a topic, which the next look removes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::clock::Timestamp;
use model::name::StreamName;
use model::sequence_number::SequenceNumber;
use model::shard::{Reshard, ReshardError, ShardId, ShardMap};
use model::stream_settings::StreamSettings;
use model::stream_store::{StreamDescription, StreamError, StreamOptions};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::kafka::appender::Appender;
use crate::kafka::broker_time::BrokerTime;
use crate::kafka::checkpoints::Checkpoints;
use crate::kafka::clients::{Clients, End, Partition};
use crate::kafka::fault::Fault;
use crate::kafka::fetcher::Fetcher;
use crate::kafka::registry::{Changed, Entries, Entry, Origin, RegistryWriter};
use crate::kafka::stream::{Stream, partition_number};
use crate::kafka::topics::{Configs, NotCreated, retained, stream_configs};

/// How often a change is worked out anew because another process was first.
const ATTEMPTS_MAX: u32 = 10;
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

/// What changing streams takes.
pub(crate) struct Admin {
    pub(crate) clients: Arc<Clients>,
    pub(crate) fetcher: Arc<Fetcher>,
    pub(crate) time: Arc<BrokerTime>,
    pub(crate) appender: Arc<Appender>,
    pub(crate) checkpoints: Arc<Checkpoints>,
    /// One change at a time.
    pub(crate) writer: Mutex<RegistryWriter>,
}

impl Admin {
    pub(crate) async fn create(&self, name: &StreamName, options: &StreamOptions) -> Result<Entry, StreamError> {
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
        let entry = Entry {
            incarnation: rand::random(),
            origin: Origin::Store,
            created_at,
            settings,
            shards: ShardMap::uniform(options.shards, created_at),
        };
        self.add(&mut writer, name, &entry).await?;
        info!(stream = %name, shards = options.shards, "stream created");
        Ok(entry)
    }

    /// Takes a topic that somebody else has made for a stream.
    pub(crate) async fn adopt(&self, name: &StreamName) -> Result<Option<Entry>, StreamError> {
        if !is_stream(name.as_str()) {
            return Ok(None);
        }
        let of = |fault: Fault| fault.of(name);
        let mut writer = self.writer.lock().await;
        if let Some(entry) = writer.begin().await.map_err(of)?.remove(name) {
            return Ok(Some(entry));
        }
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
        let entry = Entry {
            incarnation: rand::random(),
            origin: Origin::Elsewhere,
            created_at,
            settings: settings_of(&configs, partitions),
            shards: ShardMap::uniform(u32::try_from(partitions).unwrap_or(u32::MAX), created_at),
        };
        self.add(&mut writer, name, &entry).await?;
        info!(stream = %name, partitions, "topic of another producer taken for a stream");
        Ok(Some(entry))
    }

    /// Adds an entry that is not there.
    async fn add(&self, writer: &mut RegistryWriter, name: &StreamName, entry: &Entry) -> Result<(), StreamError> {
        for _ in 0..ATTEMPTS_MAX {
            if writer.put(name, Some(entry)).await.map_err(|fault| fault.of(name))? == Changed::Done {
                return Ok(());
            }
            if writer.begin().await.map_err(|fault| fault.of(name))?.contains_key(name) {
                return Err(StreamError::Exists(name.clone()));
            }
        }
        Err(too_busy(name))
    }

    pub(crate) async fn delete(&self, stream: &Stream) -> Result<(), StreamError> {
        let (name, of) = (&stream.name, |fault: Fault| fault.of(&stream.name));
        let mut writer = self.writer.lock().await;
        if !writer.begin().await.map_err(of)?.contains_key(name) {
            return Err(StreamError::NotFound(name.clone()));
        }
        let _gate = stream.gate.write().await;
        self.fetcher.leave(|(topic, _), _| topic == name.as_str()).await;
        self.clients.delete_topic(name.as_str()).await.map_err(of)?;
        stream.delete();
        self.appender.forget(name.as_str());
        self.remove(&mut writer, name, stream.incarnation).await?;
        info!(stream = %name, "stream deleted");
        Ok(())
    }

    /// Removes the entry and the checkpoints of a stream whose topic is gone.
    async fn remove(
        &self,
        writer: &mut RegistryWriter,
        name: &StreamName,
        incarnation: u64,
    ) -> Result<(), StreamError> {
        let of = |fault: Fault| fault.of(name);
        let removal = self.checkpoints.removal(name, incarnation).await.map_err(of)?;
        for _ in 0..ATTEMPTS_MAX {
            if writer.put_with(name, None, removal.clone()).await.map_err(of)? == Changed::Done {
                return Ok(());
            }
            if !writer.begin().await.map_err(of)?.contains_key(name) {
                return Ok(());
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
        for (name, entry) in entries.iter().filter(|(name, _)| !cluster.topics.contains_key(name.as_str())) {
            warn!(stream = %name, "the topic of this stream is gone, and so is the stream");
            self.remove(&mut writer, name, entry.incarnation).await?;
        }
        Ok(())
    }

    /// Works out a change of an entry until it is not outrun by another process.
    async fn change(&self, stream: &Stream, decide: impl AsyncChange) -> Result<Arc<StreamDescription>, StreamError> {
        let (name, of) = (&stream.name, |fault: Fault| fault.of(&stream.name));
        let mut writer = self.writer.lock().await;
        for _ in 0..ATTEMPTS_MAX {
            let mut entries: Entries = writer.begin().await.map_err(of)?;
            let entry = entries.remove(name).filter(|entry| entry.incarnation == stream.incarnation);
            let entry = entry.ok_or_else(|| StreamError::NotFound(name.clone()))?;
            let changed = decide.decide(&entry).await?;
            if changed == entry || writer.put(name, Some(&changed)).await.map_err(of)? == Changed::Done {
                stream.update(&changed);
                return Ok(stream.description());
            }
        }
        Err(too_busy(name))
    }

    pub(crate) async fn reshard(
        &self,
        stream: &Stream,
        change: Reshard,
    ) -> Result<Arc<StreamDescription>, StreamError> {
        // Nothing is on its way to a shard while it is closed: also not what a caller has stopped waiting for.
        let _gate = stream.gate.write().await;
        self.appender.flush().await.map_err(|fault| fault.of(&stream.name))?;
        let description = self.change(stream, Resharding { admin: self, stream, change }).await?;
        let closed = |partition: i32| {
            let shard = u32::try_from(partition).ok().and_then(|id| description.shards.get(ShardId(id)));
            shard.is_none_or(|shard| !shard.is_open())
        };
        self.fetcher.leave(|(topic, partition), _| topic == stream.name.as_str() && closed(*partition)).await;
        stream.changed.notify_waiters();
        Ok(description)
    }

    pub(crate) async fn alter(
        &self,
        stream: &Stream,
        from: &StreamSettings,
        to: StreamSettings,
    ) -> Result<Arc<StreamDescription>, StreamError> {
        let shorter = to.retention < from.retention;
        let description = self.change(stream, Altering { admin: self, stream, from, to }).await?;
        if shorter {
            self.drop_expired(stream).await?;
        }
        Ok(description)
    }

    /// Drops expired records, and shards that were closed before all that is kept.
    pub(crate) async fn trim(&self, stream: &Stream) -> Result<(), StreamError> {
        // The retention of a topic that is not ours is Kafka's to keep.
        if stream.origin == Origin::Store {
            self.drop_expired(stream).await?;
        }
        let description = stream.description();
        let horizon = self.time.about_now() - description.settings.retention;
        if description.shards.without_closed_before(horizon) != description.shards {
            self.change(stream, Forgetting { horizon }).await?;
        }
        Ok(())
    }

    async fn drop_expired(&self, stream: &Stream) -> Result<(), StreamError> {
        self.drop_older(stream).await.map_err(|fault| fault.of(&stream.name))
    }

    async fn drop_older(&self, stream: &Stream) -> Result<(), Fault> {
        let description = stream.description();
        let horizon = self.time.about_now() - description.settings.retention;
        let partitions: Vec<Partition> = description.shards.iter().map(|shard| stream.partition(shard.id)).collect();
        let oldest = self.clients.ends(&partitions, End::Oldest).await?;
        let stable = self.clients.ends(&partitions, End::Stable).await?;
        let filled = |partition: &&Partition| oldest.get(*partition) < stable.get(*partition);
        let partitions: Vec<Partition> = partitions.iter().filter(filled).cloned().collect();
        if partitions.is_empty() {
            return Ok(());
        }
        // Asked after the ends: when no record is that young, all that was there by then is older.
        let young = self.clients.offsets_at(&partitions, horizon).await?;
        let below: Vec<(i32, u64)> = partitions
            .iter()
            .filter_map(|partition| {
                let (oldest, stable) = (*oldest.get(partition)?, *stable.get(partition)?);
                let first = young.get(partition)?.unwrap_or(stable);
                (oldest < first).then_some((partition.1, first))
            })
            .collect();
        if below.is_empty() {
            return Ok(());
        }
        self.clients.delete_below(&stream.name, &below).await?;
        for (partition, offset) in below {
            if let Some(tail) = self.fetcher.followed(stream.name.as_str(), partition) {
                tail.drop_below(tail.base.plus(offset));
            }
        }
        Ok(())
    }

    /// The offset above all records of each open shard, once no transaction is open there.
    async fn settled_ends(&self, stream: &Stream, shards: &ShardMap) -> Result<HashMap<Partition, u64>, Fault> {
        let open: Vec<Partition> = shards.open().map(|shard| stream.partition(shard.id)).collect();
        let begin = Instant::now();
        let mut high: HashMap<Partition, u64> = HashMap::new();
        while begin.elapsed() < self.clients.options.transaction_delay_max + SETTLING_DELAY_MAX {
            // Above all there was at the first answer for each.
            let mut seen = self.clients.ends(&open, End::High).await?;
            seen.extend(high);
            high = seen;
            let stable = self.clients.ends(&open, End::Stable).await?;
            let settled = |partition| high.get(partition).is_some_and(|high| stable.get(partition) >= Some(high));
            if open.iter().all(settled) {
                return Ok(stable);
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        Err(Fault::late("waiting for the last records of shards that are to be closed"))
    }
}

fn too_busy(name: &StreamName) -> StreamError {
    Fault::late("changing the stream while other processes change streams too").of(name)
}

/// How an entry changes; may ask the cluster, and change the topic.
#[async_trait::async_trait]
trait AsyncChange: Sync {
    async fn decide(&self, entry: &Entry) -> Result<Entry, StreamError>;
}

struct Resharding<'a> {
    admin: &'a Admin,
    stream: &'a Stream,
    change: Reshard,
}

#[async_trait::async_trait]
impl AsyncChange for Resharding<'_> {
    async fn decide(&self, entry: &Entry) -> Result<Entry, StreamError> {
        let (stream, name) = (self.stream, &self.stream.name);
        let refused = |source| StreamError::Reshard { stream: name.clone(), source };
        check_kind(entry, self.change).map_err(refused)?;
        let of = |fault: Fault| fault.of(name);
        let ends = self.admin.settled_ends(stream, &entry.shards).await.map_err(of)?;
        let next = |id: ShardId| {
            let first = entry.shards.get(id).map_or(SequenceNumber::FIRST, |shard| shard.first);
            first.plus(ends.get(&stream.partition(id)).copied().unwrap_or(0))
        };
        let shards = entry.shards.resharded(self.change, self.admin.time.about_now(), next).map_err(refused)?;
        let last = shards.iter().map(|shard| shard.id).max().expect("a map is never empty");
        self.admin.clients.grow_topic(name.as_str(), partition_number(last) as usize + 1).await.map_err(of)?;
        Ok(Entry { shards, ..entry.clone() })
    }
}

/// Which changes a topic can follow.
fn check_kind(entry: &Entry, change: Reshard) -> Result<(), ReshardError> {
    let open = entry.shards.open_count();
    let reason = match change {
        _ if entry.origin == Origin::Elsewhere => {
            "its topic was not made here: its producers choose partitions, and would not follow"
        }
        Reshard::Merge { .. } => "shards on Kafka cannot be merged: a topic's partitions only become more",
        Reshard::Uniform { shards } if (shards as usize) < open => {
            "shards on Kafka cannot become fewer: a topic's partitions only become more"
        }
        Reshard::Split { .. } | Reshard::Uniform { .. } => return Ok(()),
    };
    Err(ReshardError::Unsupported(reason))
}

struct Altering<'a> {
    admin: &'a Admin,
    stream: &'a Stream,
    from: &'a StreamSettings,
    to: StreamSettings,
}

#[async_trait::async_trait]
impl AsyncChange for Altering<'_> {
    async fn decide(&self, entry: &Entry) -> Result<Entry, StreamError> {
        let name = &self.stream.name;
        if entry.settings != *self.from {
            return Err(StreamError::SettingsConflict(name.clone()));
        }
        let partitions = entry.shards.iter().count();
        let (before, after) = (retained(self.from, partitions), retained(&self.to, partitions));
        let changes: Configs = after.into_iter().filter(|(key, value)| before.get(key) != Some(value)).collect();
        if !changes.is_empty() {
            self.admin.clients.alter_topic(name.as_str(), changes).await.map_err(|fault| fault.of(name))?;
        }
        Ok(Entry { settings: self.to.clone(), ..entry.clone() })
    }
}

struct Forgetting {
    horizon: Timestamp,
}

#[async_trait::async_trait]
impl AsyncChange for Forgetting {
    async fn decide(&self, entry: &Entry) -> Result<Entry, StreamError> {
        Ok(Entry { shards: entry.shards.without_closed_before(self.horizon), ..entry.clone() })
    }
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

    fn entry(origin: Origin) -> Entry {
        Entry {
            incarnation: 1,
            origin,
            created_at: Timestamp::MIN,
            settings: StreamSettings::default(),
            shards: ShardMap::uniform(2, Timestamp::from_millis(0)),
        }
    }

    #[test]
    fn what_partitions_cannot_follow_is_refused_by_name() {
        let refused = |origin, change| check_kind(&entry(origin), change).expect_err("refused").to_string();
        let merge = Reshard::Merge { shard: ShardId(0), adjacent: ShardId(1) };
        assert!(refused(Origin::Store, merge).contains("cannot be merged"));
        assert!(refused(Origin::Store, Reshard::Uniform { shards: 1 }).contains("cannot become fewer"));
        assert!(refused(Origin::Elsewhere, Reshard::Uniform { shards: 4 }).contains("not made here"));
        assert_eq!(check_kind(&entry(Origin::Store), Reshard::Uniform { shards: 3 }), Ok(()));
    }

    #[test]
    fn topics_with_two_underscores_are_no_streams() {
        assert!(is_stream("rides") && is_stream("_rides"));
        assert!(!is_stream("__consumer_offsets") && !is_stream(super::super::broker_time::CLOCK_TOPIC));
    }
}
