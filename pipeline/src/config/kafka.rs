//! `[kafka]`: streams on a Kafka cluster instead of this machine's disk.

use std::collections::BTreeMap;
use std::time::Duration;

use ingest::kafka::options::KafkaOptions;
use serde::Deserialize;

/// The least and the most MiB of each bound.
const MIB_RANGE: std::ops::RangeInclusive<usize> = 1..=16 << 10;
/// The shortest and the longest time for an answer.
const SECONDS_RANGE: std::ops::RangeInclusive<u64> = 1..=300;
/// Kafka's own bound on copies.
const REPLICATION_RANGE: std::ops::RangeInclusive<i32> = 1..=32_767;

/// Where the cluster is, and what bounds the store.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KafkaConfig {
    /// `host:port,host:port`.
    pub(crate) brokers: String,
    /// Copies of every record; without it 3, or as many as there are brokers.
    pub(crate) replication: Option<i32>,
    /// MiB that wait to be acknowledged; over it producers are throttled.
    pub(crate) waiting_mib_max: Option<usize>,
    /// MiB of the newest records that are kept in memory for readers at the tip.
    pub(crate) tail_mib_max: Option<usize>,
    /// How long a record waits for its brokers before it has failed.
    pub(crate) answer_seconds_max: Option<u64>,
    /// How long brokers let a commit's transaction be open before they end it and readers go on.
    pub(crate) transaction_seconds_max: Option<u64>,
    /// Anything else that librdkafka can be told: `"security.protocol" = "SASL_SSL"`.
    #[serde(default)]
    pub(crate) client: BTreeMap<String, ClientSetting>,
}

/// A setting of librdkafka, as TOML writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum ClientSetting {
    Text(String),
    Number(i64),
    Switch(bool),
}

impl ClientSetting {
    fn text(&self) -> String {
        match self {
            ClientSetting::Text(text) => text.clone(),
            ClientSetting::Number(number) => number.to_string(),
            ClientSetting::Switch(switch) => switch.to_string(),
        }
    }
}

impl KafkaConfig {
    /// The settings in the words of the store.
    pub(crate) fn options(&self) -> KafkaOptions {
        let mut options = KafkaOptions::new(&self.brokers);
        options.replication = self.replication;
        options.client = self.client.iter().map(|(name, setting)| (name.clone(), setting.text())).collect();
        if let Some(mib) = self.waiting_mib_max {
            options.waiting_bytes_max = mib << 20;
        }
        if let Some(mib) = self.tail_mib_max {
            options.tail_bytes_max = mib << 20;
        }
        if let Some(seconds) = self.answer_seconds_max {
            options.answer_delay_max = Duration::from_secs(seconds);
        }
        if let Some(seconds) = self.transaction_seconds_max {
            options.transaction_delay_max = Duration::from_secs(seconds);
        }
        options
    }

    /// What the shape alone does not say.
    pub(crate) fn check(&self) -> Result<(), String> {
        let is_address = |address: &str| {
            let (host, port) = address.rsplit_once(':').unwrap_or_default();
            !host.is_empty() && port.parse::<u16>().is_ok()
        };
        if let Some(address) = self.brokers.split(',').find(|address| !is_address(address.trim())) {
            return Err(format!("kafka: brokers must be like `host:9092,other:9092`, not `{address}`"));
        }
        for (name, mib) in [("waiting_mib_max", self.waiting_mib_max), ("tail_mib_max", self.tail_mib_max)] {
            if let Some(mib) = mib.filter(|mib| !MIB_RANGE.contains(mib)) {
                return Err(format!("kafka: {name} must be 1 to {}, not {mib}", MIB_RANGE.end()));
            }
        }
        let seconds = [
            ("answer_seconds_max", self.answer_seconds_max),
            ("transaction_seconds_max", self.transaction_seconds_max),
        ];
        for (name, seconds) in seconds {
            if let Some(seconds) = seconds.filter(|seconds| !SECONDS_RANGE.contains(seconds)) {
                return Err(format!("kafka: {name} must be 1 to {}, not {seconds}", SECONDS_RANGE.end()));
            }
        }
        if let Some(copies) = self.replication.filter(|copies| !REPLICATION_RANGE.contains(copies)) {
            return Err(format!("kafka: replication must be 1 to {}, not {copies}", REPLICATION_RANGE.end()));
        }
        self.options().check().map_err(|reserved| format!("kafka: {reserved}"))
    }
}
