//! How streams come: a topic and then its entry in the registry; or the entry alone, for a topic that others made.
//!
//! ```text
//! begun, with the entry ─▶ topic ─▶ entry, no longer begun
//!                        ▲        ▲
//!     nothing happened ──┘        └── the topic is the store's: the next look finishes the stream
//! ```
//!
//! A process may end at any place. A topic that was begun and looks as the store would make it is
//! the store's own; every other topic without an entry is somebody else's.

use std::time::Duration;

use model::clock::Timestamp;
use model::name::StreamName;
use model::stream::lives::{EarlierLife, Lives, first_number_at};
use model::stream::sequence_number::SequenceNumber;
use model::stream::settings::StreamSettings;
use model::stream::shard::ShardMap;
use model::stream::store::{StreamError, StreamOptions};
use tracing::{info, warn};

use crate::kafka::cluster::fault::Fault;
use crate::kafka::cluster::topics::{Configs, NotCreated, stream_configs};
use crate::kafka::cluster::views::Turn;
use crate::kafka::streams::admin::{ATTEMPTS_MAX, Admin, too_busy};
use crate::kafka::streams::registry::{Changed, Entry, Origin, RegistryWriter, Unfinished, begun, remember};

/// Names that begin so are Kafka's and ours.
const RESERVED_PREFIX: &str = "__";

/// Whether a topic of that name can be a stream.
fn is_stream(topic: &str) -> bool {
    !topic.starts_with(RESERVED_PREFIX) && StreamName::new(topic).is_ok()
}

/// Whose topic has the name of a stream without an entry.
enum Found {
    /// There is none.
    Nothing,
    /// It is the one that this entry was begun with.
    Begun(Box<Entry>),
    /// Somebody else made it, with so many partitions.
    Foreign(usize),
}

impl Admin {
    /// The turn is to be held until the stream is in service.
    pub(crate) async fn create(
        &self,
        name: &StreamName,
        options: &StreamOptions,
    ) -> Result<(Entry, Turn), StreamError> {
        let mut writer = self.writer.lock().await;
        let entry = self.begin(&mut writer, name, options).await?;
        self.make_topic(&mut writer, name, &entry).await?;
        let turn = self.add(&mut writer, name, &entry).await?;
        info!(stream = %name, shards = options.shards, "stream created");
        Ok((entry, turn))
    }

    /// Says that a topic is about to be made, unless the name is taken: by a stream, or by a topic
    /// of somebody else.
    pub(crate) async fn begin(
        &self,
        writer: &mut RegistryWriter,
        name: &StreamName,
        options: &StreamOptions,
    ) -> Result<Entry, StreamError> {
        if options.shards == 0 {
            return Err(StreamError::LimitExceeded("a stream has at least 1 shard".to_owned()));
        }
        if !is_stream(name.as_str()) {
            let reason =
                format!("names that begin with `{RESERVED_PREFIX}` are Kafka's own: `{name}` cannot be a stream");
            return Err(StreamError::LimitExceeded(reason));
        }
        let of = |fault: Fault| fault.of(name);
        if let Some(entry) = writer.begin().await.map_err(of)?.remove(name) {
            if !self.clients.is_gone(name.as_str()).await.map_err(of)? {
                return Err(StreamError::Exists(name.clone()));
            }
            self.appender.forget(name.as_str());
            self.remove_gone(writer, name, entry).await?;
        }
        let found = self.found(writer, name).await?;
        if matches!(found, Found::Foreign(_)) {
            return Err(StreamError::Exists(name.clone()));
        }
        let settings = options.settings();
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
        match found {
            // The same again: what has begun goes on.
            Found::Begun(begun) if begun.settings == entry.settings && shards(&begun) == shards(&entry) => {
                return Ok(*begun);
            }
            // It was in service nowhere, so it holds nothing.
            Found::Begun(_) => self.clients.delete_topic(name.as_str()).await.map_err(of)?,
            Found::Nothing | Found::Foreign(_) => {}
        }
        self.say_begun(writer, name, Some(&Unfinished::Creating(Box::new(entry.clone())))).await?;
        Ok(entry)
    }

    /// Makes the topic of a stream that has begun, if it is not there yet.
    pub(crate) async fn make_topic(
        &self,
        writer: &mut RegistryWriter,
        name: &StreamName,
        entry: &Entry,
    ) -> Result<(), StreamError> {
        let configs = configs_of(entry);
        let partitions = i32::try_from(shards(entry)).unwrap_or(i32::MAX);
        let made = self.clients.create_topic(name.as_str(), partitions, &configs).await;
        let refused = match made {
            Ok(()) => return Ok(()),
            // Perhaps by an earlier attempt, whose answer was lost.
            Err(NotCreated::Exists) if self.is_topic_of(name, entry).await.map_err(|fault| fault.of(name))? => {
                return Ok(());
            }
            Err(NotCreated::Exists) => StreamError::Exists(name.clone()),
            Err(NotCreated::Refused(reason)) => StreamError::LimitExceeded(reason),
            // It may come into being yet: whoever comes next knows whose it is.
            Err(NotCreated::Fault(fault)) => return Err(fault.of(name)),
        };
        self.say_begun(writer, name, None).await?;
        Err(refused)
    }

    /// Whose topic has the name of a stream that has no entry.
    async fn found(&self, writer: &RegistryWriter, name: &StreamName) -> Result<Found, StreamError> {
        let of = |fault: Fault| fault.of(name);
        let cluster = self.clients.cluster(None).await.map_err(of)?;
        let Some(partitions) = cluster.topics.get(name.as_str()).map(Vec::len).filter(|count| *count > 0) else {
            return Ok(Found::Nothing);
        };
        match writer.unfinished(name).await.map_err(of)? {
            Some(Unfinished::Creating(entry)) if self.is_topic_of(name, &entry).await.map_err(of)? => {
                Ok(Found::Begun(entry))
            }
            _ => Ok(Found::Foreign(partitions)),
        }
    }

    /// Whether the topic is what the store would have made for this entry: somebody else may have
    /// used the name after a process ended that was about to.
    async fn is_topic_of(&self, name: &StreamName, entry: &Entry) -> Result<bool, Fault> {
        let cluster = self.clients.cluster(None).await?;
        if cluster.topics.get(name.as_str()).map(Vec::len) != Some(shards(entry)) {
            return Ok(false);
        }
        let there = self.clients.topic_configs(name.as_str()).await?;
        Ok(configs_of(entry).iter().all(|(key, value)| there.get(key) == Some(value)))
    }

    /// Puts a stream into service whose topic is there, and whose process ended before it could do
    /// that.
    pub(crate) async fn finish(
        &self,
        writer: &mut RegistryWriter,
        name: &StreamName,
    ) -> Result<Option<(Entry, Turn)>, StreamError> {
        let Found::Begun(entry) = self.found(writer, name).await? else { return Ok(None) };
        let turn = self.add(writer, name, &entry).await?;
        info!(stream = %name, "stream created, which was begun by a process that ended half way");
        Ok(Some((*entry, turn)))
    }

    /// Says what has begun with a topic that has no entry, or that nothing has.
    async fn say_begun(
        &self,
        writer: &mut RegistryWriter,
        name: &StreamName,
        now: Option<&Unfinished>,
    ) -> Result<(), StreamError> {
        for _ in 0..ATTEMPTS_MAX {
            if writer.put_begun(name, now).await.map_err(|fault| fault.of(name))? == Changed::Done {
                return Ok(());
            }
            if writer.begin().await.map_err(|fault| fault.of(name))?.contains_key(name) {
                return Err(StreamError::Exists(name.clone()));
            }
        }
        Err(too_busy(name))
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
        let partitions = match self.found(&writer, name).await? {
            Found::Nothing => return Ok(None),
            Found::Begun(_) => return self.finish(&mut writer, name).await,
            Found::Foreign(partitions) => partitions,
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

    /// Adds an entry that is not there; what has begun with the stream's topic has ended.
    async fn add(&self, writer: &mut RegistryWriter, name: &StreamName, entry: &Entry) -> Result<Turn, StreamError> {
        let of = |fault: Fault| fault.of(name);
        for _ in 0..ATTEMPTS_MAX {
            let turn = self.views.turn().await;
            // The entry remembers them now.
            let ended = vec![remember(name, None), begun(name, None)];
            if writer.put_with(name, Some(entry), ended).await.map_err(of)? == Changed::Done {
                return Ok(turn);
            }
            match writer.begin().await.map_err(of)?.get(name) {
                // Another process has finished what was begun here.
                Some(there) if there.incarnation == entry.incarnation => return Ok(turn),
                Some(_) => return Err(StreamError::Exists(name.clone())),
                None => {}
            }
            drop(turn);
            let other = match writer.unfinished(name).await.map_err(of)? {
                Some(Unfinished::Creating(other)) => other.incarnation != entry.incarnation,
                _ => false,
            };
            if other && entry.origin == Origin::Store {
                // Another process has begun the stream anew, and may have deleted this topic for
                // its own.
                return Err(StreamError::Exists(name.clone()));
            }
        }
        Err(too_busy(name))
    }
}

/// How many shards an entry has.
fn shards(entry: &Entry) -> usize {
    entry.shards.iter().count()
}

/// Settings of the topic of an entry that is new.
fn configs_of(entry: &Entry) -> Configs {
    stream_configs(&entry.settings, shards(entry))
}

/// The numbers of a stream that is created at `created_at`, after the streams `earlier` of its name.
fn lives_after(earlier: Vec<EarlierLife>, created_at: Timestamp) -> Lives {
    let above = earlier.last().map_or(SequenceNumber::FIRST, |last| last.end().next());
    Lives::beginning_at(first_number_at(created_at).max(above), earlier)
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
