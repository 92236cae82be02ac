//! Settings: plain values, read once from a TOML file, `GALLOP_*` variables and flags, in that order of rank from
//! low to high. What is not known is refused with its line and the nearest name that is.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::name::{ConsumerName, StreamName, TableName};
use model::stream_settings::StreamMode;
use model::stream_store::StreamOptions;
use model::table::{KeyAttribute, KeyType, TableSchema};
use serde::Deserialize;

/// Name of the settings file that is read from the data folder when none is given.
pub(crate) const FILE_NAME: &str = "gallop.toml";

/// The port that everything is served on.
pub(crate) const PORT: u16 = 4567;

/// Folders of the archive that hold no stream.
const ARCHIVE_FOLDERS: [&str; 2] = ["conflicts", "errors"];

/// Environment variables that are understood; another `GALLOP_*` is an error.
pub(crate) const VARIABLES: [&str; 5] = ["GALLOP_CONFIG", "GALLOP_DATA", "GALLOP_HOST", "GALLOP_LOG", "GALLOP_PORT"];

/// What a settings file holds. Every key is optional.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Folder for everything that is kept; relative to the working folder.
    pub(crate) data: Option<PathBuf>,
    /// Address to listen on.
    pub(crate) host: Option<std::net::IpAddr>,
    /// Port to listen on; 0 takes a free one.
    pub(crate) port: Option<u16>,
    /// Streams to create when they are missing.
    pub(crate) streams: BTreeMap<StreamName, StreamConfig>,
    /// Tables to create when they are missing.
    pub(crate) tables: BTreeMap<TableName, TableConfig>,
    /// Continuous queries to run.
    pub(crate) queries: BTreeMap<ConsumerName, QueryConfig>,
    /// Delivery streams to run.
    pub(crate) deliveries: BTreeMap<ConsumerName, DeliveryConfig>,
}

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
    pub(crate) fn options(&self) -> StreamOptions {
        StreamOptions {
            shards: self.shards,
            mode: StreamMode::Provisioned,
            retention: Duration::from_secs(self.retention_hours * 3600),
            retention_bytes_max: self.retention_bytes_max,
            ..StreamOptions::default()
        }
    }
}

/// A table to create when it is missing.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableConfig {
    partition_key: String,
    #[serde(default)]
    partition_key_type: KeyType,
    sort_key: Option<String>,
    #[serde(default)]
    sort_key_type: KeyType,
}

impl TableConfig {
    pub(crate) fn schema(&self, name: &TableName) -> TableSchema {
        let attribute = |name: &String, key_type| KeyAttribute { name: name.clone(), key_type };
        TableSchema {
            name: name.clone(),
            partition_key: attribute(&self.partition_key, self.partition_key_type),
            sort_key: self.sort_key.as_ref().map(|name| attribute(name, self.sort_key_type)),
        }
    }
}

/// A continuous query to run.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QueryConfig {
    /// The `.sql` file, relative to the settings file.
    pub(crate) sql: PathBuf,
    /// Streams by the name that the query uses for them; without an entry the names are the same.
    #[serde(default)]
    pub(crate) streams: BTreeMap<String, StreamName>,
    /// Where to begin in the source the first time.
    #[serde(default)]
    pub(crate) start: Start,
}

/// Where a query or delivery begins the first time it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Start {
    /// At the oldest record kept.
    #[default]
    TrimHorizon,
    /// After what is there.
    Latest,
}

impl From<Start> for model::stream_store::StartingPosition {
    fn from(start: Start) -> Self {
        match start {
            Start::TrimHorizon => model::stream_store::StartingPosition::TrimHorizon,
            Start::Latest => model::stream_store::StartingPosition::Latest,
        }
    }
}

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

/// How records become objects.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ArchiveConfig {
    /// How objects are compressed.
    #[serde(default)]
    pub(crate) compression: Compression,
    /// An object is cut when it has this many bytes of lines.
    #[serde(default = "archive_bytes_max")]
    pub(crate) bytes_max: usize,
    /// An object is cut this long after its first record came.
    #[serde(default = "archive_interval_seconds")]
    pub(crate) interval_seconds: u64,
}

fn archive_bytes_max() -> usize {
    5 << 20
}

fn archive_interval_seconds() -> u64 {
    60
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

/// Settings that cannot be used: where, what, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ConfigError {
    file: PathBuf,
    line_column: Option<(usize, usize)>,
    message: String,
    suggestion: Option<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.line_column {
            write!(f, ", line {line}, column {column}")?;
        }
        write!(f, ": {}", self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean `{suggestion}`?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads a settings file.
    pub(crate) fn read(file: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(file).map_err(|error| ConfigError {
            file: file.to_owned(),
            line_column: None,
            message: format!("cannot be read: {error}"),
            suggestion: None,
        })?;
        Config::parse(file, &text)
    }

    /// Understands settings; `file` is for messages.
    pub(crate) fn parse(file: &Path, text: &str) -> Result<Config, ConfigError> {
        let config: Config = toml::from_str(text).map_err(|error| {
            let message = error.message().to_owned();
            let line_column = error.span().map(|span| line_column(text, span.start));
            let suggestion = suggestion(&message);
            ConfigError { file: file.to_owned(), line_column, message, suggestion }
        })?;
        config.check().map_err(|message| ConfigError {
            file: file.to_owned(),
            line_column: None,
            message,
            suggestion: None,
        })?;
        Ok(config)
    }

    /// What the shape alone does not say.
    fn check(&self) -> Result<(), String> {
        for (name, stream) in &self.streams {
            if !(1..=10_000).contains(&stream.shards) {
                return Err(format!("stream `{name}`: shards must be 1 to 10000, not {}", stream.shards));
            }
            if !(1..=8760).contains(&stream.retention_hours) {
                let hours = stream.retention_hours;
                return Err(format!("stream `{name}`: retention_hours must be 1 to 8760, not {hours}"));
            }
        }
        let mut archived = BTreeMap::new();
        for (name, delivery) in &self.deliveries {
            let source = &delivery.source;
            if delivery.archive.is_some() {
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
            }
            if delivery.table.is_some() == delivery.archive.is_some() {
                return Err(format!("delivery `{name}`: give exactly one of `table` and `archive`"));
            }
            if let Some(ArchiveConfig { bytes_max, interval_seconds, .. }) = &delivery.archive {
                let most = 128 << 20;
                if !(1024..=most).contains(bytes_max) {
                    return Err(format!("delivery `{name}`: bytes_max must be 1024 to {most}, not {bytes_max}"));
                }
                if !(1..=3600).contains(interval_seconds) {
                    return Err(format!(
                        "delivery `{name}`: interval_seconds must be 1 to 3600, not {interval_seconds}"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Line and column, both from 1, of a byte offset.
fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..offset.min(text.len())];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The nearest of the names that a serde message offers, if it is near.
fn suggestion(message: &str) -> Option<String> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = quoted.next().filter(|_| message.starts_with("unknown "))?;
    nearest(unknown, quoted).map(str::to_owned)
}

/// The candidate nearest to `word`, if any is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Refuses `GALLOP_*` variables that nothing reads: a misspelt setting must not be ignored.
pub(crate) fn check_variables(mut names: impl Iterator<Item = String>) -> Result<(), String> {
    let unknown = |name: &String| name.starts_with("GALLOP_") && !VARIABLES.contains(&name.as_str());
    let Some(name) = names.find(unknown) else { return Ok(()) };
    let hint = match nearest(&name, VARIABLES.into_iter()) {
        Some(known) => format!("did you mean {known}?"),
        None => format!("known are {}", VARIABLES.join(", ")),
    };
    Err(format!("environment variable {name} is not known; {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Config::parse(Path::new("g.toml"), text).expect_err("refused").to_string()
    }

    #[test]
    fn a_whole_file_is_understood() {
        let text = include_str!("demo/gallop.toml");
        let config = Config::parse(Path::new("gallop.toml"), text).expect("the demo's own settings");
        assert_eq!((config.queries.len(), config.deliveries.len(), config.tables.len()), (2, 2, 1));
    }

    #[test]
    fn unknown_keys_are_refused_with_line_and_suggestion() {
        let message = refused("port = 1\nprot = 2\n");
        assert!(message.starts_with("g.toml, line 2, column 1: unknown field `prot`"), "{message}");
        assert!(message.ends_with("did you mean `port`?"), "{message}");
        let message = refused("[streams.a]\nshard = 2\n");
        assert!(message.contains("line 2") && message.ends_with("did you mean `shards`?"), "{message}");
        let message = refused("[deliveries.a]\nsource = \"s\"\narchive = { compresion = \"gzip\" }\n");
        assert!(message.contains("compresion") && message.ends_with("did you mean `compression`?"), "{message}");
    }

    #[test]
    fn values_out_of_range_are_refused_by_name() {
        assert!(refused("[streams.a]\nshards = 0").contains("stream `a`: shards must be 1 to 10000"));
        assert!(refused("[streams.\"a b\"]\nshards = 1").contains("name `a b` is not valid"));
        let delivery = "[deliveries.a]\nsource = \"s\"\narchive = { interval_seconds = 0 }";
        assert!(refused(delivery).contains("interval_seconds must be 1 to 3600"));
        let twice = "[deliveries.a]\nsource = \"s\"\narchive = {}\n[deliveries.b]\nsource = \"s\"\narchive = {}";
        assert!(refused(twice).contains("deliveries `a` and `b` would archive stream `s`"));
        assert!(refused("[deliveries.a]\nsource = \"errors\"\narchive = {}").contains("keeps a folder `errors`"));
        assert!(refused("[deliveries.a]\nsource = \"s\"").contains("exactly one of `table` and `archive`"));
    }

    #[test]
    fn misspelt_variables_are_refused() {
        let check = |name: &str| check_variables([name.to_owned()].into_iter());
        assert_eq!(check("GALLOP_PORT"), Ok(()));
        assert_eq!(check("PATH"), Ok(()));
        let expected = "environment variable GALLOP_PROT is not known; did you mean GALLOP_PORT?";
        assert_eq!(check("GALLOP_PROT"), Err(expected.to_owned()));
    }
}
