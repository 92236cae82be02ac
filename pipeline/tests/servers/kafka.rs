//! Streams on Kafka: the whole job through the Kinesis API, and what Kafka's own tools see of it.

use std::collections::BTreeSet;

use aws_sdk_kinesis::types::ScalingType;
use ingest::testing::kafka_cluster::KafkaCluster;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;

use crate::conservation::{Job, Site, counted};
use crate::server::eventually;

/// The rows of windows that Kafka's console consumer prints.
fn consumed(cluster: &KafkaCluster) -> Vec<Value> {
    let lines = cluster.console_consume("counts");
    lines.iter().map(|line| serde_json::from_str(line.split_once(':').unwrap().1).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_job_runs_on_kafka() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let cluster = KafkaCluster::start(1);
    let brokers = cluster.brokers();
    let client = "{ \"linger.ms\" = 2, \"compression.type\" = \"zstd\" }";
    let settings = format!("[kafka]\nbrokers = \"{brokers}\"\nclient = {client}\n");
    let mut job = Job::new(Site { settings, kafka: true, ..Site::default() });
    for _ in 0..3 {
        job.send_and_kill(&mut random).await;
    }

    let server = job.start();
    let kinesis = server.kinesis();
    let merge = kinesis.merge_shards().stream_name("numbers").shard_to_merge("shardId-000000000000");
    let refused = merge.adjacent_shard_to_merge("shardId-000000000001").send().await.unwrap_err();
    let refused = refused.into_service_error();
    assert!(refused.meta().message().unwrap().contains("cannot be merged"), "{refused:?}");
    // How many shards there are depends on when the server was killed; up to twice as many are allowed.
    let summary = kinesis.describe_stream_summary().stream_name("numbers").send().await.unwrap();
    let open = summary.stream_description_summary().unwrap().open_shard_count();
    let more = kinesis.update_shard_count().stream_name("numbers").scaling_type(ScalingType::UniformScaling);
    more.target_shard_count(2 * open - 1).send().await.unwrap();
    drop(server);

    let total = job.check().await.len() as u64;
    let rows = eventually("Kafka's consumer reads every row", async || {
        Some(consumed(&cluster)).filter(|rows| counted(rows) >= total)
    });
    let rows = rows.await;
    assert_eq!(counted(&rows), total, "Kafka's consumer reads every row once");
    let windows: BTreeSet<String> = rows.iter().map(|row| format!("{} {}", row["Key"], row["At"])).collect();
    assert_eq!(windows.len(), rows.len(), "a window came out twice");
}
