//! Streams on Kafka: the whole job through the Kinesis API, and what Kafka's own tools see of it.

use std::collections::BTreeSet;
use std::path::Path;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ScalingType};
use ingest::testing::kafka_cluster::KafkaCluster;
use serde_json::Value;

use crate::server::{Server, eventually, folder_with, rows};

const JOB: &str = r#"
[streams.numbers]
shards = 2

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

const BATCH: u64 = 100;

/// Puts the numbers from `first` on; all of them are acknowledged.
async fn put(kinesis: &Client, first: u64) {
    let records = (first..first + BATCH).map(|n| {
        let key = format!("key-{}", n % 7);
        let data = Blob::new(format!("{{\"Key\":\"{key}\",\"N\":{n}}}"));
        PutRecordsRequestEntry::builder().partition_key(key).data(data).build().unwrap()
    });
    let answer =
        kinesis.put_records().stream_name("numbers").set_records(Some(records.collect())).send().await.unwrap();
    assert_eq!(answer.failed_record_count(), Some(0), "{answer:?}");
}

/// The rows that Kafka's console consumer prints, as `key:json`.
fn consumed(cluster: &KafkaCluster) -> Vec<Value> {
    let lines = cluster.console_consume("counts");
    lines.iter().map(|line| serde_json::from_str(line.split_once(':').unwrap().1).unwrap()).collect()
}

fn counted(rows: &[Value]) -> u64 {
    rows.iter().map(|row| row["Records"].as_u64().unwrap()).sum()
}

fn archived(data: &Path) -> Option<Vec<Value>> {
    data.join("archive/numbers").exists().then_some(())?;
    let archive = data.join("archive").display().to_string();
    Some(rows(&["sql", "--archive", &archive, "--output", "json", "-c", "SELECT \"N\" FROM numbers"]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_job_runs_on_kafka() {
    let cluster = KafkaCluster::start(1);
    let brokers = cluster.brokers();
    let kafka = format!(
        "[kafka]\nbrokers = \"{brokers}\"\nclient = {{ \"linger.ms\" = 2, \"compression.type\" = \"zstd\" }}\n"
    );
    let (_keep, data) = folder_with(&[("gallop.toml", &format!("{kafka}{JOB}")), ("count.sql", QUERY)]);
    let mut total = 0;
    for round in 0..3 {
        let server = Server::start(&data);
        let kinesis = server.kinesis();
        for _ in 0..5 {
            put(&kinesis, total).await;
            total += BATCH;
        }
        let (target, scaling) = (3 + round, ScalingType::UniformScaling);
        let more = kinesis.update_shard_count().stream_name("numbers").target_shard_count(target).scaling_type(scaling);
        more.send().await.unwrap();
        put(&kinesis, total).await;
        total += BATCH;
        let merge = kinesis.merge_shards().stream_name("numbers").shard_to_merge("shardId-000000000000");
        let refused = merge.adjacent_shard_to_merge("shardId-000000000001").send().await.unwrap_err();
        let refused = refused.into_service_error();
        assert!(refused.meta().message().unwrap().contains("cannot be merged"), "{refused:?}");
        server.kill();
    }

    let server = Server::start(&data);
    let rows = eventually("every record is in a closed window", async || {
        Some(consumed(&cluster)).filter(|rows| counted(rows) >= total)
    });
    let rows = rows.await;
    assert_eq!(counted(&rows), total, "Kafka's consumer reads every row once");
    let windows: BTreeSet<String> = rows.iter().map(|row| format!("{} {}", row["Key"], row["At"])).collect();
    assert_eq!(windows.len(), rows.len(), "a window came out twice");

    let by_sql = server.sql("SELECT COUNT(*) AS total, COUNT(DISTINCT \"N\") AS d FROM numbers");
    assert_eq!((by_sql[0]["total"].as_u64(), by_sql[0]["d"].as_u64()), (Some(total), Some(total)));
    let archived = eventually("the archive holds every record", async || {
        archived(&data).filter(|rows| rows.len() as u64 >= total)
    });
    let mut numbers: Vec<u64> = archived.await.iter().map(|row| row["N"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..total), "each record is archived once");
}
