//! Topics: created, grown, altered, emptied from below and deleted, each until the cluster shows it.

use std::collections::BTreeMap;
use std::time::Duration;

use model::name::StreamName;
use model::stream::settings::StreamSettings;
use rdkafka::TopicPartitionList;
use rdkafka::admin::{
    AdminOptions, AlterConfig, ConfigSource, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::Offset;
use tokio::time::Instant;

use crate::kafka::cluster::clients::{ASK_DELAY_MAX, Clients};
use crate::kafka::cluster::fault::Fault;

/// How long a change of a topic may take until the cluster shows it.
const SHOWN_DELAY_MAX: Duration = Duration::from_secs(30);
/// A topic that is not shown for so long is gone: brokers learn of a new one within moments of each
/// other.
const GONE_DELAY: Duration = Duration::from_secs(1);
/// How often the cluster is looked at meanwhile.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// A broker batches up to this much, and a topic must take a batch.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// What a message and its batch add to data and key.
const OVERHEAD_BYTES: usize = 64 << 10;
/// Copies of a record, where there are brokers enough.
const REPLICATION: i32 = 3;
/// Segments are this large unless retention by size asks for smaller ones.
const SEGMENT_BYTES: u64 = 128 << 20;
const SEGMENT_BYTES_MIN: u64 = 1 << 20;

/// A topic's settings, by their Kafka names.
pub(crate) type Configs = BTreeMap<String, String>;

/// Why a topic was not created.
#[derive(Debug)]
pub(crate) enum NotCreated {
    /// The name is taken.
    Exists,
    /// The cluster's answer to what was asked for: a bad name, say.
    Refused(String),
    /// Trouble.
    Fault(Fault),
}

fn admin_options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ASK_DELAY_MAX)).operation_timeout(Some(ASK_DELAY_MAX))
}

/// What a stream's settings are as its topic's.
pub(crate) fn stream_configs(settings: &StreamSettings, partitions: usize) -> Configs {
    let mut configs: Configs = retained(settings, partitions);
    configs.insert("cleanup.policy".to_owned(), "delete".to_owned());
    configs.insert("message.timestamp.type".to_owned(), "LogAppendTime".to_owned());
    configs
}

/// The part of [`stream_configs`] that changes with the settings. Kafka bounds the size of partitions, not of topics.
pub(crate) fn retained(settings: &StreamSettings, partitions: usize) -> Configs {
    let partition_bytes = settings.retention_bytes_max.map(|bytes| bytes / partitions.max(1) as u64);
    let segment_bytes =
        partition_bytes.map_or(SEGMENT_BYTES, |bytes| (bytes / 4).clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES));
    let message_bytes = settings.record_bytes_max.max(BATCH_BYTES_MAX) + OVERHEAD_BYTES;
    let millis = settings.retention.as_millis().clamp(1, i64::MAX as u128);
    let pairs = [
        ("retention.ms", millis.to_string()),
        ("retention.bytes", partition_bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(-1)).to_string()),
        ("segment.bytes", segment_bytes.to_string()),
        ("max.message.bytes", message_bytes.to_string()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Settings of a topic that keeps the last value of each key for ever.
pub(crate) fn compacted_configs(message_bytes_max: usize) -> Configs {
    let pairs = [
        ("cleanup.policy", "compact".to_owned()),
        ("max.message.bytes", message_bytes_max.to_string()),
        ("segment.bytes", (32u64 << 20).to_string()),
        ("min.cleanable.dirty.ratio", "0.3".to_owned()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

impl Clients {
    /// Copies of each record on a cluster of so many brokers.
    fn replication(&self, brokers: usize) -> i32 {
        self.options.replication.unwrap_or_else(|| REPLICATION.min(i32::try_from(brokers).unwrap_or(1)).max(1))
    }

    /// Creates a topic and waits until its partitions are led.
    pub(crate) async fn create_topic(&self, name: &str, partitions: i32, configs: &Configs) -> Result<(), NotCreated> {
        let cluster = self.cluster(None).await.map_err(NotCreated::Fault)?;
        let replication = self.replication(cluster.brokers.len());
        let in_sync = (replication - 1).max(1).to_string();
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replication));
        if replication > 1 {
            topic = topic.set("min.insync.replicas", &in_sync);
        }
        for (name, value) in configs {
            topic = topic.set(name, value);
        }
        self.create(name, topic).await?;
        self.shown(name, |leaders| leaders.is_some_and(|leaders| leaders.len() >= partitions as usize && led(leaders)))
            .await
            .map_err(NotCreated::Fault)
    }

    /// Creates a topic with one partition on each of `brokers`, and nowhere else.
    pub(crate) async fn create_pinned(&self, name: &str, brokers: &[i32], configs: &Configs) -> Result<(), NotCreated> {
        let places: Vec<[i32; 1]> = brokers.iter().map(|broker| [*broker]).collect();
        let places: Vec<&[i32]> = places.iter().map(|place| place.as_slice()).collect();
        let count = i32::try_from(brokers.len()).expect("brokers are few");
        let mut topic = NewTopic::new(name, count, TopicReplication::Variable(&places));
        for (name, value) in configs {
            topic = topic.set(name, value);
        }
        self.create(name, topic).await
    }

    async fn create(&self, name: &str, topic: NewTopic<'_>) -> Result<(), NotCreated> {
        let doing = || format!("creating topic {name}");
        let answers = self.admin.create_topics([&topic], &admin_options()).await;
        let answers = answers.map_err(|error| NotCreated::Fault(Fault::doing(doing())(error)))?;
        for answer in answers {
            match answer {
                Ok(_) => {}
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => return Err(NotCreated::Exists),
                Err((
                    _,
                    code @ (RDKafkaErrorCode::InvalidTopic
                    | RDKafkaErrorCode::InvalidPartitions
                    | RDKafkaErrorCode::InvalidReplicationFactor
                    | RDKafkaErrorCode::InvalidConfig
                    | RDKafkaErrorCode::PolicyViolation),
                )) => return Err(NotCreated::Refused(format!("Kafka rejected topic `{name}`: {code}"))),
                Err((_, code)) => return Err(NotCreated::Fault(Fault::doing(doing())(KafkaError::AdminOp(code)))),
            }
        }
        Ok(())
    }

    /// Grows a topic to `partitions`, if it has fewer, and waits until they are led.
    pub(crate) async fn grow_topic(&self, name: &str, partitions: usize) -> Result<(), Fault> {
        let doing = || format!("adding partitions to topic {name}");
        let cluster = self.cluster(Some(name)).await?;
        if cluster.topics.get(name).is_none_or(|leaders| leaders.len() < partitions) {
            let grown = NewPartitions::new(name, partitions);
            let answers = self.admin.create_partitions([&grown], &admin_options()).await;
            for answer in answers.map_err(Fault::doing(doing()))? {
                answer.map_err(|(_, code)| Fault::doing(doing())(KafkaError::AdminOp(code)))?;
            }
        }
        self.shown(name, |leaders| leaders.is_some_and(|leaders| leaders.len() >= partitions && led(leaders))).await
    }

    /// Adds a partition on `broker`, and nowhere else, to a topic that has `partitions`.
    pub(crate) async fn add_pinned(&self, name: &str, partitions: usize, broker: i32) -> Result<(), Fault> {
        let place = [broker];
        let places: [&[i32]; 1] = [&place];
        let grown = NewPartitions::new(name, partitions + 1).assign(&places);
        let answers = self.admin.create_partitions([&grown], &admin_options()).await;
        for answer in answers.map_err(Fault::doing("adding a partition for a broker's clock"))? {
            let failed = |code| Fault::doing("adding a partition for a broker's clock")(KafkaError::AdminOp(code));
            answer.map_err(|(_, code)| failed(code))?;
        }
        Ok(())
    }

    /// Deletes a topic and waits until it is gone.
    pub(crate) async fn delete_topic(&self, name: &str) -> Result<(), Fault> {
        let doing = || format!("deleting topic {name}");
        let answers = self.admin.delete_topics(&[name], &admin_options()).await.map_err(Fault::doing(doing()))?;
        for answer in answers {
            match answer {
                Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
                Err((_, code)) => return Err(Fault::doing(doing())(KafkaError::AdminOp(code))),
            }
        }
        self.shown(name, |leaders| leaders.is_none()).await
    }

    /// Waits until the cluster shows a topic's leaders, or its absence, as wanted.
    async fn shown(&self, name: &str, wanted: impl Fn(Option<&Vec<i32>>) -> bool) -> Result<(), Fault> {
        let begin = Instant::now();
        while begin.elapsed() < SHOWN_DELAY_MAX {
            // Among all topics: a name alone would be remembered by the client as missing.
            if wanted(self.cluster(None).await?.topics.get(name)) {
                return Ok(());
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        Err(Fault::late(format!("waiting for topic {name}")))
    }

    /// Whether there is no such topic, also not on a broker that was late to learn of it.
    pub(crate) async fn is_gone(&self, name: &str) -> Result<bool, Fault> {
        let begin = Instant::now();
        while !self.cluster(None).await?.topics.contains_key(name) {
            if begin.elapsed() >= GONE_DELAY {
                return Ok(true);
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        Ok(false)
    }

    /// What was set for a topic itself, and not for its brokers.
    pub(crate) async fn topic_configs(&self, name: &str) -> Result<Configs, Fault> {
        self.configs(name, |source| *source == ConfigSource::DynamicTopic).await
    }

    /// All that holds for a topic.
    pub(crate) async fn effective_configs(&self, name: &str) -> Result<Configs, Fault> {
        self.configs(name, |_| true).await
    }

    async fn configs(&self, name: &str, wanted: impl Fn(&ConfigSource) -> bool) -> Result<Configs, Fault> {
        let doing = || format!("reading the settings of topic {name}");
        let asked = [ResourceSpecifier::Topic(name)];
        let answers = self.admin.describe_configs(&asked, &admin_options()).await.map_err(Fault::doing(doing()))?;
        let mut configs = Configs::new();
        for answer in answers {
            let resource = answer.map_err(|code| Fault::doing(doing())(KafkaError::AdminOp(code)))?;
            for entry in resource.entries.into_iter().filter(|entry| wanted(&entry.source)) {
                configs.extend(entry.value.map(|value| (entry.name, value)));
            }
        }
        Ok(configs)
    }

    /// Changes some of a topic's settings; the others stay.
    pub(crate) async fn alter_topic(&self, name: &str, changes: Configs) -> Result<(), Fault> {
        let doing = || format!("changing the settings of topic {name}");
        // The request replaces all settings of the topic: what stays is named again.
        let mut configs = self.topic_configs(name).await?;
        configs.extend(changes);
        let altered = configs
            .iter()
            .fold(AlterConfig::new(ResourceSpecifier::Topic(name)), |all, (name, value)| all.set(name, value));
        let answers = self.admin.alter_configs([&altered], &admin_options()).await.map_err(Fault::doing(doing()))?;
        for answer in answers {
            answer.map_err(|(_, code)| Fault::doing(doing())(KafkaError::AdminOp(code)))?;
        }
        Ok(())
    }

    /// Drops the records of each partition below an offset.
    pub(crate) async fn delete_below(&self, stream: &StreamName, offsets: &[(i32, u64)]) -> Result<(), Fault> {
        let doing = || format!("dropping records of topic {stream} that are past retention");
        let mut below = TopicPartitionList::with_capacity(offsets.len());
        for (partition, offset) in offsets {
            let offset = Offset::Offset(i64::try_from(*offset).expect("offsets fit"));
            below.add_partition_offset(stream.as_str(), *partition, offset).map_err(Fault::doing(doing()))?;
        }
        let answer = self.admin.delete_records(&below, &admin_options()).await.map_err(Fault::doing(doing()))?;
        for element in answer.elements() {
            element.error().map_err(Fault::doing(doing()))?;
        }
        Ok(())
    }
}

fn led(leaders: &[i32]) -> bool {
    leaders.iter().all(|leader| *leader >= 0)
}
