//! `[deliveries.NAME]`: a delivery stream to run.

use std::collections::BTreeMap;

use model::archive::name::RESERVED_FOLDERS;
use model::flow::destination::{ArchiveOptions, Destination};
use model::flow::spec::FlowStart;
use model::name::{ConsumerName, StreamName, TableName};
use serde::Deserialize;

use crate::config::data::table::TableConfig;
use crate::config::text::error::{Faults, meant};

/// A delivery stream to run: a source, and a key for each kind of destination, one of which is
/// given.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliveryConfig {
    /// The stream to deliver.
    pub(crate) source: StreamName,
    /// Where to begin the first time.
    #[serde(default)]
    pub(crate) start: FlowStart,
    /// Writes records as items of this table.
    table: Option<TableName>,
    /// Writes records as objects of the archive.
    archive: Option<ArchiveOptions>,
}

/// A delivery that names no destination, or more than one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("give exactly one of `table` and `archive`")]
pub(crate) struct NotOneDestination {
    /// How many it names.
    given: usize,
}

impl DeliveryConfig {
    /// Where the records go. Error: [`NotOneDestination`].
    pub(crate) fn destination(&self) -> Result<Destination, NotOneDestination> {
        let kinds = [self.table.clone().map(Destination::Table), self.archive.clone().map(Destination::Archive)];
        let mut given = kinds.into_iter().flatten();
        match (given.next(), given.count()) {
            (Some(destination), 0) => Ok(destination),
            (one, others) => Err(NotOneDestination { given: usize::from(one.is_some()) + others }),
        }
    }
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
            if RESERVED_FOLDERS.contains(&source.as_str()) {
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
            check_archive(archive, name, faults);
        }
        if let Err(error) = delivery.destination() {
            faults.add(
                &["deliveries", key],
                format!("delivery `{name}`: {error}"),
                if error.given > 0 { "remove one of the two" } else { "add `archive = {}`, or `table = ..`" },
            );
        }
        if let Some(table) = delivery.table.as_ref().filter(|table| !tables.contains_key(*table)) {
            let message = format!("delivery `{name}`: the settings have no `[tables.{table}]`");
            let advice = meant(
                table.as_str(),
                tables.keys().map(TableName::as_str),
                &format!("add `[tables.{table}]` with a `partition_key`"),
            );
            faults.add(&["deliveries", key, "table"], message, advice);
        }
        let table = delivery.table.as_ref().and_then(|table| Some((table, tables.get(table)?.binary_key()?)));
        if let Some((table, attribute)) = table {
            faults.add(
                &["deliveries", key, "table"],
                format!(
                    "delivery `{name}`: key `{attribute}` of table `{table}` is binary, but records are JSON, which has \
                     no binary values"
                ),
                "make the key a string or a number, or name another table",
            );
        }
    }
}

fn check_archive(archive: &ArchiveOptions, name: &ConsumerName, faults: &mut Faults) {
    let (what, path) = (format!("delivery `{name}`"), |key| ["deliveries", name.as_str(), "archive", key]);
    let (bytes_max, seconds) = (archive.bytes_max, archive.interval.as_secs());
    faults.range(&path("bytes_max"), &what, Some(bytes_max), &ArchiveOptions::BYTES_MAX);
    faults.range(&path("interval_seconds"), &what, Some(seconds), &ArchiveOptions::INTERVAL_SECONDS);
}
