//! What is acknowledged is read, archived and counted: once, whatever is killed in between.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::server::{Server, eventually, folder_with, rows};

const KILLS: usize = 50;
const PRODUCERS: u64 = 4;
const BATCH: u64 = 20;

const SETTINGS: &str = r#"
[streams.numbers]
shards = 3

[streams.counts]

[tables.Counts]
partition_key = "Key"
sort_key = "At"

[queries.count]
sql = "count.sql"

[deliveries.counts-to-table]
source = "counts"
table = "Counts"

[deliveries.numbers-to-archive]
source = "numbers"
archive = { interval_seconds = 1, bytes_max = 4096 }
"#;

const QUERY: &str = r#"
CREATE OR REPLACE STREAM "numbers" ("Key" VARCHAR(16), "N" BIGINT);
CREATE OR REPLACE STREAM "counts" ("Key" VARCHAR(16), "At" TIMESTAMP, "Records" BIGINT);
CREATE OR REPLACE PUMP "count" AS INSERT INTO "counts"
SELECT STREAM "Key", ROWTIME, COUNT(*) FROM "numbers"
GROUP BY STEP("numbers".ROWTIME BY INTERVAL '1' SECOND), "Key";
"#;

/// Sends batches until the server is gone. Each number is sent once and never again.
async fn produce(kinesis: aws_sdk_kinesis::Client, numbers: Arc<AtomicU64>, acknowledged: Arc<Mutex<BTreeSet<u64>>>) {
    loop {
        let first = numbers.fetch_add(BATCH, Ordering::Relaxed);
        let records = (first..first + BATCH).map(|n| {
            let key = format!("key-{}", n % 7);
            let data = format!("{{\"Key\":\"{key}\",\"N\":{n}}}");
            let entry = PutRecordsRequestEntry::builder().partition_key(key).data(Blob::new(data));
            entry.build().expect("key and data are given")
        });
        let sent = kinesis.put_records().stream_name("numbers").set_records(Some(records.collect())).send().await;
        let Ok(answer) = sent else { return };
        let taken = answer.records().iter().zip(first..).filter(|(result, _)| result.error_code().is_none());
        acknowledged.lock().await.extend(taken.map(|(_, n)| n));
    }
}

/// Data of every record of a stream, from the horizon to the tip.
async fn read_all(kinesis: &aws_sdk_kinesis::Client, stream: &str) -> Vec<Value> {
    let shards = kinesis.list_shards().stream_name(stream).send().await.expect("ListShards");
    let mut found = Vec::new();
    for shard in shards.shards() {
        let begin = kinesis.get_shard_iterator().stream_name(stream).shard_id(shard.shard_id());
        let begin = begin.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.expect("GetShardIterator");
        let mut iterator = begin.shard_iterator.expect("an iterator");
        loop {
            let page = kinesis.get_records().shard_iterator(iterator).send().await.expect("GetRecords");
            let data =
                page.records().iter().map(|record| serde_json::from_slice(record.data().as_ref()).expect("JSON"));
            found.extend(data);
            if page.millis_behind_latest() == Some(0) {
                break;
            }
            iterator = page.next_shard_iterator.expect("the shard is open");
        }
    }
    found
}

fn numbers_in(rows: &[Value]) -> Vec<u64> {
    let mut numbers: Vec<u64> = rows.iter().map(|row| row["N"].as_u64().expect("a number")).collect();
    numbers.sort_unstable();
    numbers
}

fn counted(rows: &[Value]) -> u64 {
    rows.iter().map(|row| row["Records"].as_u64().expect("a count")).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_by_kills() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (_keep, data) = folder_with(&[("gallop.toml", SETTINGS), ("count.sql", QUERY)]);
    let numbers = Arc::new(AtomicU64::new(0));
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    for _ in 0..KILLS {
        let server = Server::start(&data);
        let until = acknowledged.lock().await.len() + random.random_range(1..400);
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|_| tokio::spawn(produce(server.kinesis(), Arc::clone(&numbers), Arc::clone(&acknowledged))))
            .collect();
        eventually("records are acknowledged", async || (acknowledged.lock().await.len() >= until).then_some(())).await;
        server.kill();
        for producer in producers {
            producer.await.expect("a producer ends with its server");
        }
    }

    let server = Server::start(&data);
    let kinesis = server.kinesis();
    let readable = numbers_in(&read_all(&kinesis, "numbers").await);
    assert!(readable.windows(2).all(|pair| pair[0] < pair[1]), "a number was kept twice");
    let kept: BTreeSet<u64> = readable.iter().copied().collect();
    let lost: Vec<u64> = acknowledged.lock().await.difference(&kept).copied().collect();
    assert!(lost.is_empty(), "acknowledged and not readable: {lost:?}");
    assert!(kept.len() >= KILLS, "every round left records");

    let archive = data.join("archive").display().to_string();
    let archived = eventually("the archive holds every record", async || {
        data.join("archive/numbers").exists().then_some(())?;
        let rows = rows(&["sql", "--archive", &archive, "--output", "json", "-c", "SELECT \"N\" FROM numbers"]);
        (rows.len() >= readable.len()).then(|| numbers_in(&rows))
    });
    assert_eq!(archived.await, readable, "archive and stream differ");

    let total = readable.len() as u64;
    let windows = eventually("every record is in a closed window", async || {
        let rows = read_all(&kinesis, "counts").await;
        (counted(&rows) >= total).then_some(rows)
    });
    let windows = windows.await;
    assert_eq!(counted(&windows), total, "a record was counted twice");
    let keys: BTreeSet<String> = windows.iter().map(|row| format!("{} {}", row["Key"], row["At"])).collect();
    assert_eq!(keys.len(), windows.len(), "a window came out twice");

    let in_table = eventually("the table holds every window", async || {
        let mut counted_in_table = 0;
        for key in 0..7 {
            counted_in_table += counted(&crate::rest::items(&server.url, "Counts", &format!("key-{key}")).await);
        }
        (counted_in_table >= total).then_some(counted_in_table)
    });
    assert_eq!(in_table.await, total, "table and stream differ");

    let by_sql = server.sql("SELECT COUNT(*) AS total, COUNT(DISTINCT \"N\") AS d FROM numbers");
    assert_eq!((by_sql[0]["total"].as_u64(), by_sql[0]["d"].as_u64()), (Some(total), Some(total)));
}
