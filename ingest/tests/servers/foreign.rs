//! Topics that other Kafka clients write or read.

use model::name::ConsumerName;
use model::stream::checkpoint::Checkpoint;
use model::stream::shard::{Reshard, ShardId};
use model::stream::store::{StreamError, StreamStore};

use crate::common::{create, entry, name, open, read_all, read_shard, single};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_of_another_producer_is_a_stream() {
    let cluster = single();
    let store = open(cluster).await;
    let place = ["--bootstrap-server", cluster.brokers(), "--topic", "theirs"];
    let make = ["--create", "--partitions", "2", "--config", "message.timestamp.type=LogAppendTime"];
    cluster.tool("org.apache.kafka.tools.TopicCommand", &[&place[..], &make].concat(), "");
    cluster.console_produce("theirs", "Shadowfax:{\"speed\":1}\nBlanca:{\"speed\":2}\nShadowfax:{\"speed\":3}\n");

    let stream = name("theirs");
    assert!(!store.list().await.unwrap().contains(&stream), "nobody has named it");
    assert!(matches!(store.trim(&stream).await, Err(StreamError::NotFound(_))), "retention is no reason to adopt it");
    assert_eq!(store.describe(&stream).await.unwrap().shards.open_count(), 2);
    assert!(store.list().await.unwrap().contains(&stream));
    let mut speeds = Vec::new();
    for shard in [ShardId(0), ShardId(1)] {
        let records = read_shard(&*store, &stream, shard).await;
        speeds.extend(records.iter().map(|record| {
            (record.partition_key.as_str().to_owned(), String::from_utf8_lossy(&record.data).into_owned())
        }));
    }
    let of = |key: &str| speeds.iter().filter(|(k, _)| k == key).map(|(_, data)| data.clone()).collect::<Vec<_>>();
    assert_eq!(of("Shadowfax"), ["{\"speed\":1}", "{\"speed\":3}"], "one key, one shard, in order");
    assert_eq!(of("Blanca"), ["{\"speed\":2}"]);
    let refused = store.reshard(&stream, Reshard::Uniform { shards: 4 }).await;
    assert!(matches!(refused, Err(StreamError::Reshard { .. })), "its producers would not follow: {refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafkas_own_consumer_reads_what_is_committed_once() {
    let cluster = single();
    let store = open(cluster).await;
    let stream = create(&*store, "summaries", 2).await;
    let query = ConsumerName::new("query").unwrap();
    let rows = |version: u64| (0..10).map(move |i| entry(&format!("key-{i}"), format!("row {version} {i}"))).collect();
    for version in 1..=3 {
        let checkpoint = Checkpoint { version, ..Checkpoint::default() };
        store.commit(&stream, &query, checkpoint.clone(), rows(version)).await.unwrap();
        let again = store.commit(&stream, &query, checkpoint, rows(version)).await;
        assert!(matches!(again, Err(StreamError::CheckpointConflict { .. })), "{again:?}");
    }
    let mut expected: Vec<String> =
        (1..=3).flat_map(|version| (0..10).map(move |i| format!("key-{i}:row {version} {i}"))).collect();
    let mut consumed = cluster.console_consume("summaries");
    expected.sort_unstable();
    consumed.sort_unstable();
    assert_eq!(consumed, expected);
    assert_eq!(read_all(&*store, &stream).await.len(), 30);
}
