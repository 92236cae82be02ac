//! `[deliveries.NAME]`: a delivery stream to run.

use std::collections::BTreeMap;

use model::name::{ConsumerName, StreamName, TableName};
use serde::Deserialize;

use crate::config::query::Start;

/// Folders of the archive that hold no stream.
const ARCHIVE_FOLDERS: [&str; 2] = ["conflicts", "errors"];
/// The least and the most bytes of an object's lines.
const BYTES_RANGE: std::ops::RangeInclusive<usize> = 1024..=128 << 20;
/// The shortest and the longest time to an object's cut.
const SECONDS_RANGE: std::ops::RangeInclusive<u64> = 1..=3600;

/// A delivery stream to run: a source, and exactly one of the destinations.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliveryConfig {
    /// The stream to deliver.
    pub(crate) source: StreamName,
    /// Where to begin the first time.
    #[serde(default)]
    pub(crate) start: Start,
    /// Writes records as items of this table.
    pub(crate) table: Option<TableName>,
    /// Writes records as objects of the archive.
    pub(crate) archive: Option<ArchiveConfig>,
}

/// What the shape alone does not say, about all deliveries together.
pub(crate) fn check(deliveries: &BTreeMap<ConsumerName, DeliveryConfig>) -> Result<(), String> {
    let mut archived = BTreeMap::new();
    for (name, delivery) in deliveries {
        let source = &delivery.source;
        if let Some(archive) = &delivery.archive {
            if ARCHIVE_FOLDERS.contains(&source.as_str()) {
                return Err(format!(
                    "delivery `{name}`: the archive keeps a folder `{source}` for itself, so a stream of that name cannot be archived"
                ));
            }
            if let Some(other) = archived.insert(source, name) {
                return Err(format!(
                    "deliveries `{other}` and `{name}` would archive stream `{source}` under the same names: keep one"
                ));
            }
            archive.check(name)?;
        }
        if delivery.table.is_some() == delivery.archive.is_some() {
            return Err(format!("delivery `{name}`: give exactly one of `table` and `archive`"));
        }
    }
    Ok(())
}

/// How records become objects.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ArchiveConfig {
    /// How objects are compressed.
    #[serde(default)]
    pub(crate) compression: Compression,
    /// How objects of sensor records are written.
    #[serde(default)]
    pub(crate) sensor_format: SensorFormat,
    /// An object is cut when it has this many bytes of lines.
    #[serde(default = "archive_bytes_max")]
    pub(crate) bytes_max: usize,
    /// An object is cut this long after its first record came.
    #[serde(default = "archive_interval_seconds")]
    pub(crate) interval_seconds: u64,
}

impl ArchiveConfig {
    fn check(&self, name: &ConsumerName) -> Result<(), String> {
        let ArchiveConfig { bytes_max, interval_seconds, .. } = self;
        if !BYTES_RANGE.contains(bytes_max) {
            let most = BYTES_RANGE.end();
            return Err(format!("delivery `{name}`: bytes_max must be 1024 to {most}, not {bytes_max}"));
        }
        if !SECONDS_RANGE.contains(interval_seconds) {
            return Err(format!("delivery `{name}`: interval_seconds must be 1 to 3600, not {interval_seconds}"));
        }
        Ok(())
    }
}

fn archive_bytes_max() -> usize {
    5 << 20
}

fn archive_interval_seconds() -> u64 {
    60
}

/// How objects of sensor records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SensorFormat {
    /// Columns.
    #[default]
    Parquet,
    /// JSON lines, compressed as `compression` says.
    Json,
}

/// How archive objects are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Compression {
    /// Zstandard.
    #[default]
    Zstd,
    /// Gzip.
    Gzip,
    /// Plain JSON lines.
    None,
}
