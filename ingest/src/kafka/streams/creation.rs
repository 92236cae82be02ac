//! How streams come: a topic and then its entry in the registry; or the entry alone, for a topic that others made.

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
use crate::kafka::streams::registry::{Changed, Entry, Origin, RegistryWriter, remember};

/// Names that begin so are Kafka's and ours.
const RESERVED_PREFIX: &str = "__";

/// Whether a topic of that name can be a stream.
fn is_stream(topic: &str) -> bool {
    !topic.starts_with(RESERVED_PREFIX) && StreamName::new(topic).is_ok()
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
