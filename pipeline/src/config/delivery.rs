//! `[deliveries.NAME]`: a delivery stream to run.

use std::collections::BTreeMap;

use model::name::{ConsumerName, StreamName, TableName};
use serde::Deserialize;

use crate::config::error::{Faults, meant};
use crate::config::query::Start;
use crate::config::table::TableConfig;

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
pub(crate) fn check(
    deliveries: &BTreeMap<ConsumerName, DeliveryConfig>,
    tables: &BTreeMap<TableName, TableConfig>,
    faults: &mut Faults,
) {
    let mut archived: BTreeMap<&StreamName, &ConsumerName> = BTreeMap::new();
    for (name, delivery) in deliveries {
        let (source, key) = (&delivery.source, name.as_str());
        if let Some(archive) = &delivery.archive {
            if ARCHIVE_FOLDERS.contains(&source.as_str()) {
                faults.add(
                    &["deliveries", key, "source"],
                    format!(
                        "delivery `{name}`: the archive keeps a folder `{source}` for itself, so a stream of that name \
                         cannot be archived"
                    ),
                    "give the stream another name",
                );
            } else if let Some(other) = archived.insert(source, name) {
                faults.add(
                    &["deliveries", key, "source"],
                    format!(
                        "deliveries `{other}` and `{name}` would archive stream `{source}` under the same names: keep one"
                    ),
                    format!("remove `[deliveries.{name}]`, or name another stream"),
                );
            }
            archive.check(name, faults);
        }
        if delivery.table.is_some() == delivery.archive.is_some() {
            faults.add(
                &["deliveries", key],
                format!("delivery `{name}`: give exactly one of `table` and `archive`"),
                if delivery.table.is_some() { "remove one of the two" } else { "add `archive = {}`, or `table = ..`" },
            );
        }
        if let Some(table) = delivery.table.as_ref().filter(|table| !tables.contains_key(*table)) {
            let message = format!("delivery `{name}`: there is no `[tables.{table}]`");
            let advice = meant(
                table.as_str(),
                tables.keys().map(TableName::as_str),
                &format!("add `[tables.{table}]` with a `partition_key`"),
            );
            faults.add(&["deliveries", key, "table"], message, advice);
        }
    }
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
    fn check(&self, name: &ConsumerName, faults: &mut Faults) {
        let (what, path) = (format!("delivery `{name}`"), |key| ["deliveries", name.as_str(), "archive", key]);
        faults.range(&path("bytes_max"), &what, Some(self.bytes_max), &BYTES_RANGE);
        faults.range(&path("interval_seconds"), &what, Some(self.interval_seconds), &SECONDS_RANGE);
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
