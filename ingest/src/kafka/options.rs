//! How a [`super::store::KafkaStore`] finds its cluster and what bounds it; and the librdkafka settings that follow.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

/// What a store is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaOptions {
    /// Where the cluster is found: `host:port,host:port`.
    pub brokers: String,
    /// Copies of every record; without it 3, or as many as there are brokers.
    pub replication: Option<i32>,
    /// Anything else that librdkafka can be told: `security.protocol`, `sasl.mechanism`, `linger.ms`, ..
    pub client: BTreeMap<String, String>,
    /// Entries that wait to be acknowledged, over all streams; over it they are throttled.
    pub waiting_bytes_max: usize,
    /// The newest records that are kept in memory for readers at the tip, over all shards.
    pub tail_bytes_max: usize,
    /// An entry or commit that no broker has answered for by then has failed.
    pub answer_delay_max: Duration,
    /// A transaction that its process has not ended by then is aborted by the brokers, so that readers go on.
    pub transaction_delay_max: Duration,
    /// The oldest look at the shard maps by which a record or commit is acknowledged; a third more is how long a closed
    /// shard waits for stragglers. The same for all processes on a cluster.
    pub view_age_max: Duration,
}

impl KafkaOptions {
    /// The defaults, on the cluster at `brokers`.
    pub fn new(brokers: impl Into<String>) -> Self {
        KafkaOptions {
            brokers: brokers.into(),
            replication: None,
            client: BTreeMap::new(),
            waiting_bytes_max: 32 << 20,
            tail_bytes_max: 64 << 20,
            answer_delay_max: Duration::from_secs(30),
            transaction_delay_max: Duration::from_secs(30),
            view_age_max: Duration::from_secs(3),
        }
    }
}

/// Settings that carry the store's promises. Who sets them would break one without knowing.
const OURS: [&str; 14] = [
    "acks",
    "allow.auto.create.topics",
    "auto.offset.reset",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "isolation.level",
    "message.timeout.ms",
    "request.required.acks",
    "transaction.timeout.ms",
    "transactional.id",
];

/// A librdkafka setting that only the store may choose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` cannot be set for Kafka: the promises of streams depend on it")]
pub struct ReservedSetting {
    pub name: String,
}

/// The largest message that producers hand to brokers; a topic's own bound is below it.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// Messages that wait in one producer, whatever their size.
const WAITING_MESSAGES_MAX: usize = 500_000;
/// How long a tick may take.
const TICK_DELAY_MAX: Duration = Duration::from_secs(2);
/// What a reader that seeks holds unread.
const RANGE_QUEUE_KBYTES: usize = 4 << 10;
/// What the reader at the tips holds unread.
const TIP_QUEUE_KBYTES: usize = 16 << 10;
/// How long a broker lets the reader at the tips wait for news, and a shard that is followed from now on with it.
const TIP_WAIT: Duration = Duration::from_millis(50);
/// How long a broker lets a reader that seeks wait for news: it looks at what is there.
const RANGE_WAIT: Duration = Duration::from_millis(10);

impl KafkaOptions {
    /// Error: a setting that is not the user's to choose.
    pub fn check(&self) -> Result<(), ReservedSetting> {
        match self.client.keys().find(|name| OURS.contains(&name.as_str())) {
            Some(name) => Err(ReservedSetting { name: name.clone() }),
            None => Ok(()),
        }
    }

    /// What all clients share. What the user sets comes last, so that it holds.
    fn client(&self, ours: &[(&str, String)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "gallop")
            .set("allow.auto.create.topics", "false")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("topic.metadata.refresh.fast.interval.ms", "100")
            .set("log.connection.close", "false")
            .set_log_level(RDKafkaLogLevel::Error);
        for (name, value) in ours {
            config.set(*name, value);
        }
        for (name, value) in &self.client {
            config.set(name, value);
        }
        config
    }

    fn producer(&self, ours: &[(&str, String)]) -> ClientConfig {
        let millis = self.answer_delay_max.as_millis();
        let mut all = vec![
            ("acks", "all".to_owned()),
            ("enable.idempotence", "true".to_owned()),
            ("delivery.timeout.ms", millis.to_string()),
            ("message.max.bytes", MESSAGE_BYTES_MAX.to_string()),
            ("queue.buffering.max.messages", WAITING_MESSAGES_MAX.to_string()),
            ("linger.ms", "1".to_owned()),
        ];
        all.extend(ours.iter().cloned());
        self.client(&all)
    }

    /// For appends: never writes an entry twice, keeps their order, refuses more than the bound.
    pub(crate) fn appender(&self) -> ClientConfig {
        self.producer(&[("queue.buffering.max.kbytes", (self.waiting_bytes_max >> 10).max(1).to_string())])
    }

    /// For ticks, of which the next one makes up for a lost one.
    pub(crate) fn ticker(&self) -> ClientConfig {
        self.client(&[
            ("acks", "1".to_owned()),
            ("linger.ms", "0".to_owned()),
            ("delivery.timeout.ms", TICK_DELAY_MAX.as_millis().to_string()),
        ])
    }

    /// For commits under `id`.
    pub(crate) fn transactional(&self, id: &str) -> ClientConfig {
        // A message that outlives its transaction would be of no use; the library refuses settings that say so.
        let answer = self.answer_delay_max.min(self.transaction_delay_max).as_millis();
        self.producer(&[
            ("transactional.id", id.to_owned()),
            ("transaction.timeout.ms", self.transaction_delay_max.as_millis().to_string()),
            ("delivery.timeout.ms", answer.to_string()),
        ])
    }

    fn consumer(&self, ours: &[(&str, String)]) -> ClientConfig {
        let mut all = vec![
            // Never joined: the client wants one for partitions that are assigned by hand too.
            ("group.id", "gallop".to_owned()),
            ("enable.auto.commit", "false".to_owned()),
            ("enable.auto.offset.store", "false".to_owned()),
            ("auto.offset.reset", "error".to_owned()),
            ("isolation.level", "read_committed".to_owned()),
        ];
        all.extend(ours.iter().cloned());
        self.client(&all)
    }

    /// For readers at the tips.
    pub(crate) fn tip_reader(&self) -> ClientConfig {
        self.consumer(&[
            ("queued.max.messages.kbytes", TIP_QUEUE_KBYTES.to_string()),
            ("fetch.wait.max.ms", TIP_WAIT.as_millis().to_string()),
        ])
    }

    /// For readers that seek; they are told where a partition ends.
    pub(crate) fn range_reader(&self) -> ClientConfig {
        self.consumer(&[
            ("enable.partition.eof", "true".to_owned()),
            ("queued.max.messages.kbytes", RANGE_QUEUE_KBYTES.to_string()),
            ("fetch.wait.max.ms", RANGE_WAIT.as_millis().to_string()),
        ])
    }

    /// For questions about offsets: up to the last committed record, or of all records.
    pub(crate) fn asker(&self, isolation: &str) -> ClientConfig {
        self.consumer(&[("isolation.level", isolation.to_owned())])
    }

    /// For topics and their settings.
    pub(crate) fn admin(&self) -> ClientConfig {
        self.client(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_sets_holds_unless_a_promise_rests_on_it() {
        let mut options = KafkaOptions::new("a:1");
        options.client.insert("linger.ms".to_owned(), "7".to_owned());
        assert_eq!(options.check(), Ok(()));
        assert_eq!(options.appender().get("linger.ms"), Some("7"));
        assert_eq!(options.tip_reader().get("isolation.level"), Some("read_committed"));
        for name in OURS {
            let mut options = options.clone();
            options.client.insert(name.to_owned(), "x".to_owned());
            assert_eq!(options.check(), Err(ReservedSetting { name: name.to_owned() }));
        }
    }
}
