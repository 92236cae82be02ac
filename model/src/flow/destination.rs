//! Where a delivery's records go: one variant for each kind of destination, with its options.
//!
//! The serialized form is the one that you write in a settings file: `table = "Rides"`, or
//! `archive = { compression = "gzip", bytes_max = 1048576 }`. What you leave out takes its default.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::archive::format::Compression;
use crate::name::TableName;

/// Where a delivery's records go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Destination {
    /// Items of this table. Each record is a JSON object that holds the table's keys.
    Table(TableName),
    /// Objects of the archive.
    Archive(ArchiveOptions),
}

/// How records become objects of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ArchiveOptions {
    /// How the lines of an object are compressed.
    pub compression: Compression,
    /// How records of a stream of sensor datagrams are written.
    pub sensor_format: SensorFormat,
    /// An object is cut when it holds this many bytes before compression.
    pub bytes_max: usize,
    /// An object is cut this long after its first record was read.
    #[serde(rename = "interval_seconds", with = "seconds")]
    pub interval: Duration,
}

/// How records of a stream of sensor datagrams are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SensorFormat {
    /// As columns of a Parquet file.
    #[default]
    Parquet,
    /// As JSON lines, compressed as [`ArchiveOptions::compression`] says.
    Json,
}

impl Destination {
    /// The word for this kind of destination. REST, settings and the dashboard use it.
    pub fn kind(&self) -> &'static str {
        self.label().0
    }

    /// The word for its kind, and what the records go to.
    fn label(&self) -> (&'static str, &str) {
        match self {
            Destination::Table(table) => ("table", table.as_str()),
            Destination::Archive(_) => ("archive", "archive"),
        }
    }
}

/// What the records go to: the table's name, or `archive`.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label().1)
    }
}

impl ArchiveOptions {
    /// The fewest and the most bytes of an object before compression.
    pub const BYTES_MAX: RangeInclusive<usize> = 1024..=128 << 20;
    /// The shortest and the longest interval in seconds.
    pub const INTERVAL_SECONDS: RangeInclusive<u64> = 1..=3600;
}

/// Objects of 5 MiB before compression, or of what came in a minute.
impl Default for ArchiveOptions {
    fn default() -> Self {
        ArchiveOptions {
            compression: Compression::default(),
            sensor_format: SensorFormat::default(),
            bytes_max: 5 << 20,
            interval: Duration::from_secs(60),
        }
    }
}

/// A duration as whole seconds.
mod seconds {
    use super::{Deserialize, Deserializer, Duration, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(duration.as_secs())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, destination: Destination) {
        assert_eq!(serde_json::from_str::<Destination>(text).expect(text), destination);
        let written = serde_json::to_string(&destination).expect("a destination is plain data");
        assert_eq!(serde_json::from_str::<Destination>(&written).expect(&written), destination);
        let kind = format!("{{\"{}\":", destination.kind());
        assert!(written.starts_with(&kind), "{written} does not start with {kind}");
    }

    #[test]
    fn destinations_read_as_in_a_settings_file() {
        check(r#"{"table":"Rides"}"#, Destination::Table(TableName::new("Rides").expect("a name")));
        check(r#"{"archive":{}}"#, Destination::Archive(ArchiveOptions::default()));
        let options = ArchiveOptions {
            compression: Compression::None,
            sensor_format: SensorFormat::Json,
            bytes_max: 4096,
            interval: Duration::from_secs(5),
        };
        let text = r#"{"archive":{"compression":"none","sensor_format":"json","bytes_max":4096,"interval_seconds":5}}"#;
        check(text, Destination::Archive(options));
        assert!(serde_json::from_str::<Destination>(r#"{"archive":{"bytes":1}}"#).is_err());
        assert!(serde_json::from_str::<Destination>(r#"{"queue":"q"}"#).is_err());
    }
}
