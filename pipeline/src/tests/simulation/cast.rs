//! Who takes part: streams, flows over them and a table. The same in every world.

use std::collections::BTreeMap;
use std::time::Duration;

use model::archive::format::Compression;
use model::flow::destination::{ArchiveOptions, Destination};
use model::flow::spec::{DeliverySpec, FlowSpec, FlowStart, QuerySpec};
use model::name::{ConsumerName, StreamName, TableName};
use model::stream::store::StreamOptions;
use model::table::store::{KeyAttribute, KeyType, TableSchema};

/// Keys of records, which are also the keys of windows and of items.
pub(super) const KEYS: u64 = 5;
/// How long `short` keeps its records.
pub(super) const SHORT_RETENTION: Duration = Duration::from_secs(300);

/// The streams that producers put to. The first two keep records for longer than a world lasts.
pub(super) const SOURCES: [&str; 3] = ["rides", "bikes", "short"];
/// Which query counts a source, and in which stream.
pub(super) const COUNTED: [(&str, &str, &str); 2] =
    [("rides", "per-second", "rides-counted"), ("bikes", "per-minute", "bikes-counted")];
/// Which delivery archives a source.
pub(super) const ARCHIVED: [(&str, &str); 2] = [("rides", "to-archive"), ("short", "short-to-archive")];
/// Whether the query of `source` can compute a record of this value: the others divide by zero.
pub(super) fn is_computable(source: &str, value: u64) -> bool {
    source != COUNTED[1].0 || value != 0
}

/// Whether a source's records are archived.
pub(super) fn is_archived(source: &str) -> bool {
    ARCHIVED.iter().any(|(archived, _)| *archived == source)
}

/// Which source is delivered to the table, and by what.
pub(super) const TABLED: (&str, &str) = ("bikes", "to-table");

/// All flows, and which are queries.
pub(super) const FLOWS: [(&str, bool); 5] = [
    ("per-second", true),
    ("per-minute", true),
    ("to-archive", false),
    ("short-to-archive", false),
    ("to-table", false),
];
/// Flows that may take in everything once more: an archive would have all records twice.
pub(super) const RENEWABLE: [&str; 3] = ["per-second", "per-minute", "to-table"];

pub(super) fn stream(name: &str) -> StreamName {
    StreamName::new(name).expect("a valid name")
}

pub(super) fn consumer(name: &str) -> ConsumerName {
    ConsumerName::new(name).expect("a valid name")
}

pub(super) fn table() -> TableName {
    TableName::new("Latest").expect("a valid name")
}

pub(super) fn table_schema() -> TableSchema {
    let partition_key = KeyAttribute { name: "k".to_owned(), key_type: KeyType::String };
    TableSchema { name: table(), partition_key, sort_key: None }
}

pub(super) fn stream_options(name: &str) -> StreamOptions {
    let usual = StreamOptions { shards: 2, ..StreamOptions::default() };
    if name == "short" { StreamOptions { retention: SHORT_RETENTION, ..usual } } else { usual }
}

/// All flows.
pub(super) fn flows() -> Vec<(ConsumerName, FlowSpec)> {
    let queries = COUNTED.iter().map(|(source, name, output)| {
        let (unit, only) = if *name == "per-second" { ("SECOND", "") } else { ("MINUTE", r#"WHERE 1000 / "v" > 0"#) };
        let sql = format!(
            r#"CREATE OR REPLACE STREAM "in" ("id" BIGINT, "k" VARCHAR(8), "v" BIGINT);
CREATE OR REPLACE STREAM "out" ("k" VARCHAR(8), "n" BIGINT, "total" BIGINT);
CREATE OR REPLACE PUMP "p" AS INSERT INTO "out"
SELECT STREAM "k", COUNT(*) AS "n", SUM("v") AS "total" FROM "in" {only} GROUP BY FLOOR("in".ROWTIME TO {unit}), "k";"#
        );
        let streams = BTreeMap::from([("in".to_owned(), stream(source)), ("out".to_owned(), stream(output))]);
        (consumer(name), FlowSpec::Query(QuerySpec { sql, streams, start: FlowStart::TrimHorizon }))
    });
    let archives = ARCHIVED.iter().map(|(source, name)| {
        let options = ArchiveOptions {
            compression: Compression::None,
            bytes_max: 1024,
            interval: Duration::from_secs(2),
            ..ArchiveOptions::default()
        };
        delivery(name, source, Destination::Archive(options))
    });
    let tabled = delivery(TABLED.1, TABLED.0, Destination::Table(table()));
    queries.chain(archives).chain([tabled]).collect()
}

fn delivery(name: &str, source: &str, destination: Destination) -> (ConsumerName, FlowSpec) {
    let spec = DeliverySpec { source: stream(source), destination, start: FlowStart::TrimHorizon };
    (consumer(name), FlowSpec::Delivery(spec))
}
