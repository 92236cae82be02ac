//! A source is deleted and created anew under a query, a table, an archive and SQL, wherever they stand.

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use serde_json::{Value, json};

use crate::conservation::{QUERY, Site};
use crate::rest::{answer, get, items};
use crate::server::{Server, eventually, folder_with, gallop};

pub(crate) const SETTINGS: &str = r#"
[streams.numbers]
shards = 2

[streams.counts]

[tables.Latest]
partition_key = "Key"

[queries.count]
sql = "count.sql"

[deliveries.latest]
source = "numbers"
table = "Latest"

[deliveries.kept]
source = "numbers"
archive = { interval_seconds = 1, bytes_max = 4096 }
"#;

const KEYS: u64 = 5;

/// Puts the records `from` to `to`, of keys in turn, in calls of at most 500.
pub(crate) async fn put(server: &Server, from: u64, to: u64) {
    let kinesis = server.kinesis();
    let entry = |n: u64| {
        let (key, data) = (format!("k{}", n % KEYS), json!({"Key": format!("k{}", n % KEYS), "N": n}).to_string());
        PutRecordsRequestEntry::builder().partition_key(key).data(Blob::new(data)).build().expect("an entry")
    };
    let entries: Vec<_> = (from..to).map(entry).collect();
    for some in entries.chunks(500) {
        let put = kinesis.put_records().stream_name("numbers").set_records(Some(some.to_vec())).send().await;
        assert_eq!(put.expect("taken").failed_record_count(), Some(0));
    }
}

/// How many records SQL finds: those of the archive, and those behind it.
pub(crate) fn count(server: &Server) -> u64 {
    server.sql("SELECT COUNT(*) AS \"n\" FROM \"numbers\"")[0]["n"].as_u64().expect("a count")
}

/// Waits until a flow has delivered or counted all records that were put.
async fn has_all(server: &Server, path: &str, puts: u64) -> Value {
    eventually("a flow has all records", async || {
        let report = get(&format!("{}/v1/{path}", server.url)).await;
        (report["state"] == "running" && figure(&report, "records") + figure(&report, "deleted") >= puts)
            .then_some(report)
    })
    .await
}

fn figure(report: &Value, name: &str) -> u64 {
    report[name].as_u64().unwrap_or_else(|| panic!("no `{name}` in {report}"))
}

pub(crate) async fn latest(server: &Server) -> Vec<u64> {
    let mut latest = Vec::new();
    for key in 0..KEYS {
        let items = items(&server.url, "Latest", &format!("k{key}")).await;
        latest.extend(items.iter().map(|item| item["N"].as_u64().expect("a number")));
    }
    latest
}

/// The last record of each key, of all that were put.
pub(crate) fn last_of_each(puts: u64) -> Vec<u64> {
    (0..KEYS).map(|key| (0..puts).rev().find(|n| n % KEYS == key).expect("each has one")).collect()
}

/// Deletes a source and creates it again, so many times. Readers are told that it is gone, or find the new one:
/// every record is delivered or counted as deleted, no item is stale, and SQL agrees.
pub(crate) async fn lives(site: &Site, rounds: u64) {
    let settings = format!("{}\n{SETTINGS}", site.settings);
    let (_keep, data) = folder_with(&[("gallop.toml", &settings), ("count.sql", QUERY)]);
    let mut command = gallop();
    command.envs(site.variables.clone()).args(["serve", "--port", "0", "--data"]).arg(&data);
    let server = Server::spawn(&mut command);
    let mut puts = 0;
    for round in 0..rounds {
        if round > 0 {
            create_anew(&server, round).await;
        }
        put(&server, puts, puts + 300 + round % 7).await;
        puts += 300 + round % 7;
        // At first, so that all of them have begun.
        if round == 0 || round % 3 == 1 {
            for path in ["queries/count", "deliveries/kept", "deliveries/latest"] {
                has_all(&server, path, puts).await;
            }
            assert!(count(&server) <= puts);
        }
    }
    check(&server, puts).await;
    assert!(!data.join("archive/conflicts").exists());
}

async fn create_anew(server: &Server, round: u64) {
    let kinesis = server.kinesis();
    kinesis.delete_stream().stream_name("numbers").send().await.expect("deleted");
    if round.is_multiple_of(2) {
        eventually("who reads it finds that it is gone", async || {
            let query = get(&format!("{}/v1/queries/count", server.url)).await;
            (query["state"] != "running").then_some(())
        })
        .await;
    }
    let shards = 1 + i32::try_from(round % 3).expect("few");
    eventually("the name is free", async || {
        kinesis.create_stream().stream_name("numbers").shard_count(shards).send().await.ok()
    })
    .await;
}

async fn check(server: &Server, puts: u64) {
    let mut deleted = 0;
    for path in ["queries/count", "deliveries/latest", "deliveries/kept"] {
        let report = has_all(server, path, puts).await;
        deleted = figure(&report, "deleted");
        assert_eq!(figure(&report, "records") + deleted, puts, "{report}");
    }
    assert_eq!(count(server), puts - deleted, "SQL has what the archive has");
    assert_eq!(latest(server).await, last_of_each(puts), "no item is stale");
    let read = figure(&has_all(server, "queries/count", puts).await, "records");
    eventually("all windows are closed", async || {
        let rows = server.sql("SELECT SUM(\"Records\") AS \"n\" FROM \"counts\"");
        (rows[0]["n"].as_u64() == Some(read)).then_some(())
    })
    .await;
    let metrics = answer(&format!("{}/metrics", server.url)).await.1;
    let metrics = String::from_utf8_lossy(&metrics);
    for name in ["gallop_query_deleted_records_total{query=\"count\"}", "gallop_delivery_deleted_records_total"] {
        assert!(metrics.contains(name), "{name}");
    }
}
