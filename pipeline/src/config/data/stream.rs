//! `[streams.NAME]`: a stream to create when it is missing.

use std::time::Duration;

use model::name::StreamName;
use model::stream::settings::StreamMode;
use model::stream::store::StreamOptions;
use serde::Deserialize;

use crate::config::text::error::Faults;

/// Shards of a stream.
const SHARDS: std::ops::RangeInclusive<u32> = 1..=10_000;
/// Hours that records are kept: a year.
const RETENTION_HOURS: std::ops::RangeInclusive<u64> = 1..=8760;

/// A stream to create when it is missing.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamConfig {
    #[serde(default = "one")]
    shards: u32,
    #[serde(default = "a_day")]
    retention_hours: u64,
    retention_bytes_max: Option<u64>,
}

fn one() -> u32 {
    1
}

fn a_day() -> u64 {
    24
}

impl StreamConfig {
    /// The settings in the words of the store.
    pub(crate) fn options(&self) -> StreamOptions {
        StreamOptions {
            shards: self.shards,
            mode: StreamMode::Provisioned,
            retention: Duration::from_secs(self.retention_hours * 3600),
            retention_bytes_max: self.retention_bytes_max,
            ..StreamOptions::default()
        }
    }

    /// What the shape alone does not say.
    pub(crate) fn check(&self, name: &StreamName, faults: &mut Faults) {
        let (what, path) = (format!("stream `{name}`"), |key| ["streams", name.as_str(), key]);
        faults.range(&path("shards"), &what, Some(self.shards), &SHARDS);
        faults.range(&path("retention_hours"), &what, Some(self.retention_hours), &RETENTION_HOURS);
    }
}
