//! A stream's settings, which can change while it exists.
//!
//! They are a plain value that a store replaces as a whole
//! ([`crate::stream::store::StreamStore::alter`]). Each field says what follows from it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::datagram::sensor_stream::SensorStream;
use crate::name::ConsumerName;

/// How shards are counted: by the user, or by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StreamMode {
    /// The user names the number of shards and changes it.
    #[default]
    Provisioned,
    /// The stream starts with some shards and needs no care.
    OnDemand,
}

/// Labels that users give; no meaning to us.
pub type Tags = BTreeMap<String, String>;

/// A figure that is kept per shard for those who ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShardMetric {
    /// Bytes put.
    IncomingBytes,
    /// Records put.
    IncomingRecords,
    /// Bytes read.
    OutgoingBytes,
    /// Records read.
    OutgoingRecords,
    /// Puts refused for being too many.
    WriteProvisionedThroughputExceeded,
    /// Reads refused for being too many.
    ReadProvisionedThroughputExceeded,
    /// How far behind the tip readers are.
    IteratorAgeMilliseconds,
}

/// A consumer that records are pushed to: registered, so that it can be named, tagged and allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredConsumer {
    /// When it was registered; tells it from an earlier one of the same name.
    pub created_at: Timestamp,
    /// Its labels.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// Who may do what with it: a document of IAM's JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

/// Settings of a stream that may change after its creation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSettings {
    /// Who counts shards.
    pub mode: StreamMode,
    /// Records older than this may be dropped. When it becomes shorter, older records are not
    /// readable from then on; when it becomes longer, what was dropped does not come back.
    pub retention: Duration,
    /// When the stream is larger than this on disk, its oldest records may be dropped.
    pub retention_bytes_max: Option<u64>,
    /// The most data and key one record may have. Records that were taken before stay.
    pub record_bytes_max: usize,
    /// The stream's labels.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// Who may do what with the stream: a document of IAM's JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Consumers that records are pushed to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub consumers: BTreeMap<ConsumerName, RegisteredConsumer>,
    /// When the youngest of the consumers that are gone was registered: a later one of its name is
    /// told from it by the second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumers_gone_at: Option<Timestamp>,
    /// What is kept per shard.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub shard_metrics: BTreeSet<ShardMetric>,
    /// MiB a second that the stream is kept ready for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_throughput_mibps: Option<u32>,
    /// The key that records are encrypted with at rest, from when it was set on; records before it
    /// stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption_key: Option<String>,
    /// Where the records are sensor datagrams, what they hold. It is set while the stream is empty,
    /// and stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensor: Option<SensorStream>,
    /// When the mode was changed, the last few times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mode_changed_at: Vec<Timestamp>,
    /// When the number of shards was set, the last few times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shard_count_set_at: Vec<Timestamp>,
}

impl Default for StreamSettings {
    /// Provisioned, 24 hours, no limit by size, records up to 1 MiB: the defaults of Kinesis.
    fn default() -> Self {
        StreamSettings {
            mode: StreamMode::Provisioned,
            retention: Duration::from_secs(24 * 3600),
            retention_bytes_max: None,
            record_bytes_max: 1 << 20,
            tags: Tags::new(),
            policy: None,
            consumers: BTreeMap::new(),
            consumers_gone_at: None,
            shard_metrics: BTreeSet::new(),
            warm_throughput_mibps: None,
            encryption_key: None,
            sensor: None,
            mode_changed_at: Vec::new(),
            shard_count_set_at: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_they_were_written_before_there_was_more_to_set() {
        let old = r#"{"shards": 2, "mode": "on-demand", "retention": {"secs": 3600, "nanos": 0},
            "retention_bytes_max": null, "record_bytes_max": 1048576}"#;
        let settings: StreamSettings = serde_json::from_str(old).expect("it reads");
        let expected = StreamSettings {
            mode: StreamMode::OnDemand,
            retention: Duration::from_secs(3600),
            ..StreamSettings::default()
        };
        assert_eq!(settings, expected);
    }
}
