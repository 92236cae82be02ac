//! Settings of the Kinesis API.

use serde::Deserialize;

/// How the Kinesis API behaves.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct KinesisConfig {
    /// Whether a shard has no more throughput than one of Kinesis: 1000 records and 1 MiB in, 5
    /// reads and 2 MiB out a second.
    pub(crate) shard_quotas: bool,
}
