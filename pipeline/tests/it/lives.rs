//! The lives of a stream's name and of a data folder: a source is deleted and created anew under a
//! query, a table, an archive and SQL, and a folder becomes an older copy of itself while table and
//! archive are ahead of it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use serde_json::{Value, json};

use crate::conservation::QUERY;
use crate::rest::{get, items};
use crate::server::{Server, eventually, folder_with};

const SETTINGS: &str = r#"
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
const ROUNDS: u64 = 8;

/// Puts the records `from` to `to`, of keys in turn, in calls of at most 500.
async fn put(server: &Server, from: u64, to: u64) {
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
fn count(server: &Server) -> u64 {
    server.sql("SELECT COUNT(*) AS \"n\" FROM \"numbers\"")[0]["n"].as_u64().expect("a count")
}

/// Waits until a flow has all there is.
async fn caught_up(server: &Server, path: &str) -> Value {
    eventually("a flow has all there is", async || {
        let report = get(&format!("{}/v1/{path}", server.url)).await;
        (report["state"] == "running" && report["behind"] == 0).then_some(report)
    })
    .await
}

fn figure(report: &Value, name: &str) -> u64 {
    report[name].as_u64().unwrap_or_else(|| panic!("no `{name}` in {report}"))
}

async fn latest(server: &Server) -> Vec<u64> {
    let mut latest = Vec::new();
    for key in 0..KEYS {
        let items = items(&server.url, "Latest", &format!("k{key}")).await;
        latest.extend(items.iter().map(|item| item["N"].as_u64().expect("a number")));
    }
    latest
}

/// The last record of each key, of all that were put.
fn last_of_each(puts: u64) -> Vec<u64> {
    (0..KEYS).map(|key| (0..puts).rev().find(|n| n % KEYS == key).expect("each has one")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_is_deleted_and_created_anew_under_flows() {
    let (_keep, data) = folder_with(&[("gallop.toml", SETTINGS), ("count.sql", QUERY)]);
    let server = Server::start(&data);
    let (kinesis, mut puts) = (server.kinesis(), 0);
    for round in 0..ROUNDS {
        if round > 0 {
            kinesis.delete_stream().stream_name("numbers").send().await.expect("deleted");
            if round % 2 == 0 {
                // Whoever reads it finds that it is gone.
                tokio::time::sleep(Duration::from_millis(400)).await;
            }
            let shards = 1 + i32::try_from(round % 3).expect("few");
            eventually("the name is free", async || {
                kinesis.create_stream().stream_name("numbers").shard_count(shards).send().await.ok()
            })
            .await;
        }
        put(&server, puts, puts + 300 + round).await;
        puts += 300 + round;
        assert!(count(&server) <= puts);
        if round % 3 == 1 {
            for path in ["queries/count", "deliveries/kept", "deliveries/latest"] {
                caught_up(&server, path).await;
            }
        }
    }
    let query = caught_up(&server, "queries/count").await;
    let kept = caught_up(&server, "deliveries/kept").await;
    let table = caught_up(&server, "deliveries/latest").await;
    assert_eq!(figure(&query, "records") + figure(&query, "deleted"), puts, "{query}");
    assert_eq!(figure(&kept, "records") + figure(&kept, "deleted"), puts, "{kept}");
    assert_eq!(figure(&table, "records") + figure(&table, "deleted"), puts, "{table}");
    assert_eq!(count(&server), puts - figure(&kept, "deleted"), "SQL has what the archive has");
    assert_eq!(latest(&server).await, last_of_each(puts), "no item is stale");
    let read = figure(&query, "records");
    eventually("all windows are closed", async || {
        let rows = server.sql("SELECT SUM(\"Records\") AS \"n\" FROM \"counts\"");
        (rows[0]["n"].as_u64() == Some(read)).then_some(())
    })
    .await;
    let metrics = crate::rest::answer(&format!("{}/metrics", server.url)).await.1;
    let metrics = String::from_utf8_lossy(&metrics);
    for name in ["gallop_query_deleted_records_total{query=\"count\"}", "gallop_delivery_deleted_records_total"] {
        assert!(metrics.contains(name), "{name}");
    }
    assert!(!data.join("archive/conflicts").exists());
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-r").arg(from).arg(to).status().expect("cp is there").success());
}

/// A copy is made of a server that was killed before all was archived; it comes back twice, and the
/// second time all that it holds was archived meanwhile, in other objects than it would make.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_becomes_an_older_copy_under_a_table_and_an_archive_that_are_ahead() {
    let (_keep, data) = folder_with(&[("gallop.toml", SETTINGS), ("count.sql", QUERY)]);
    let (streams, older) = (data.join("streams"), data.join("older"));
    let server = Server::start(&data);
    put(&server, 0, 500).await;
    caught_up(&server, "deliveries/kept").await;
    // No object holds these when the server is killed.
    put(&server, 500, 700).await;
    server.kill();
    copy(&streams, &older);

    let mut puts = 700;
    for round in 0..3 {
        if round > 0 {
            std::fs::remove_dir_all(&streams).expect("removed");
            copy(&older, &streams);
        }
        let server = Server::start(&data);
        assert_eq!(count(&server), puts, "what only the archive has is still there");
        for _ in 0..3 {
            put(&server, puts, puts + 100).await;
            puts += 100;
            assert_eq!(count(&server), puts, "old and new ones are found, once each");
        }
        for path in ["queries/count", "deliveries/kept", "deliveries/latest"] {
            caught_up(&server, path).await;
        }
        assert_eq!(count(&server), puts);
        assert_eq!(latest(&server).await, last_of_each(puts), "new items win over those that were ahead");
        let distinct = server.sql("SELECT COUNT(DISTINCT \"N\") AS \"n\" FROM \"numbers\"")[0]["n"].as_u64();
        assert_eq!(distinct, Some(puts));
        server.terminate();
        server.ended().await;
    }
    assert!(!data.join("archive/conflicts").exists());
}
