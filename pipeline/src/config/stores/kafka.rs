//! `[kafka]`: streams on a Kafka cluster instead of this machine's disk.

use std::collections::BTreeMap;
use std::time::Duration;

use ingest::kafka::options::KafkaOptions;
use serde::Deserialize;

use crate::config::text::error::Faults;

/// The least and the most MiB of each bound.
const MIB_RANGE: std::ops::RangeInclusive<usize> = 1..=16 << 10;
/// The shortest and the longest time for an answer.
const SECONDS_RANGE: std::ops::RangeInclusive<u64> = 1..=300;
/// Kafka's own bound on copies.
const REPLICATION_RANGE: std::ops::RangeInclusive<i32> = 1..=32_767;

/// Variables that give a name and a password to the cluster, so that the settings hold no secret.
const USERNAME: (&str, &str) = ("GALLOP_KAFKA_USERNAME", "sasl.username");
const PASSWORD: (&str, &str) = ("GALLOP_KAFKA_PASSWORD", "sasl.password");
/// Where the cluster is, and what bounds the store.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KafkaConfig {
    /// `host:port,host:port`.
    pub(crate) brokers: String,
    /// Copies of every record; without it 3, or as many as there are brokers.
    pub(crate) replication: Option<i32>,
    /// MiB that may wait to be acknowledged; beyond it producers are throttled.
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

/// A setting of librdkafka, as TOML writes it. Some are secrets: none is ever printed.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum ClientSetting {
    Text(String),
    Number(i64),
    Switch(bool),
}

impl std::fmt::Debug for ClientSetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
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

    /// Takes over name and password from the variables, if they hold them.
    pub(crate) fn with_credentials(mut self, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        match [USERNAME, PASSWORD].map(|(name, _)| variable(name).filter(|value| !value.is_empty())) {
            [None, None] => {}
            [Some(username), Some(password)] => {
                self.client.insert(USERNAME.1.to_owned(), ClientSetting::Text(username));
                self.client.insert(PASSWORD.1.to_owned(), ClientSetting::Text(password));
            }
            _ => anyhow::bail!("{} and {} must be given together", USERNAME.0, PASSWORD.0),
        }
        Ok(self)
    }

    /// What the shape alone does not say.
    pub(crate) fn check(&self, faults: &mut Faults) {
        let is_address = |address: &str| {
            let (host, port) = address.rsplit_once(':').unwrap_or_default();
            !host.is_empty() && port.parse::<u16>().is_ok()
        };
        if let Some(address) = self.brokers.split(',').find(|address| !is_address(address.trim())) {
            let message = format!("kafka: brokers must be like `host:9092,other:9092`, not `{address}`");
            faults.add(&["kafka", "brokers"], message, "write a name and a port for each, with commas between");
        }
        for (key, mib) in [("waiting_mib_max", self.waiting_mib_max), ("tail_mib_max", self.tail_mib_max)] {
            faults.range(&["kafka", key], "kafka", mib, &MIB_RANGE);
        }
        let seconds = [
            ("answer_seconds_max", self.answer_seconds_max),
            ("transaction_seconds_max", self.transaction_seconds_max),
        ];
        for (key, seconds) in seconds {
            faults.range(&["kafka", key], "kafka", seconds, &SECONDS_RANGE);
        }
        faults.range(&["kafka", "replication"], "kafka", self.replication, &REPLICATION_RANGE);
        if let Err(reserved) = self.options().check() {
            faults.add(&["kafka", "client", &reserved.name], format!("kafka: {reserved}"), "remove it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_password_come_from_variables_and_are_never_printed() {
        let config: KafkaConfig = toml::from_str("brokers = \"a:1\"").expect("settings");
        let variables = |name: &str| Some(format!("value of {name}"));
        let with = config.clone().with_credentials(variables).expect("both are given");
        let client = with.options().client;
        assert_eq!(client["sasl.username"], "value of GALLOP_KAFKA_USERNAME");
        assert_eq!(client["sasl.password"], "value of GALLOP_KAFKA_PASSWORD");
        assert!(!format!("{with:?}").contains("value of"));
        assert!(config.clone().with_credentials(|_| None).expect("none is given").options().client.is_empty());
        let half = |name: &str| (name == USERNAME.0).then(|| "somebody".to_owned());
        let refused = config.with_credentials(half).expect_err("half of it").to_string();
        assert_eq!(refused, "GALLOP_KAFKA_USERNAME and GALLOP_KAFKA_PASSWORD must be given together");
    }
}
