//! Creations and deletions that stop half way: whoever opens the cluster next finds a stream that
//! works, or a name that can be created.

use ingest::kafka::store::KafkaStore;
use ingest::kafka::store::halfway::Last;
use ingest::testing::kafka_cluster::KafkaCluster;
use model::name::StreamName;
use model::stream::shard::{Reshard, ShardId};
use model::stream::store::{StreamError, StreamOptions, StreamStore};

use crate::common::{create, entry, name, open, read_all, single};

fn shards(shards: u32) -> StreamOptions {
    StreamOptions { shards, ..StreamOptions::default() }
}

/// A stream that the store made, with nothing in it: it takes records, and its topic follows a
/// reshard, as a topic of somebody else would not.
async fn check_works(store: &KafkaStore, stream: &StreamName, shards: usize) {
    assert_eq!(store.describe(stream).await.unwrap().shards.open_count(), shards);
    assert!(store.list().await.unwrap().contains(stream));
    assert_eq!(read_all(store, stream).await, Vec::<String>::new());
    let put = store.append(stream, vec![entry("k", "after")]).await.unwrap().results;
    assert!(put.iter().all(Result::is_ok), "{put:?}");
    assert_eq!(read_all(store, stream).await, ["after"]);
    let grown = store.reshard(stream, Reshard::Uniform { shards: shards as u32 + 1 }).await.unwrap();
    assert_eq!(grown.shards.open_count(), shards + 1);
}

fn make_foreign(cluster: &KafkaCluster, topic: &str, partitions: &str) {
    let place = ["--bootstrap-server", cluster.brokers(), "--topic", topic];
    let make = ["--create", "--partitions", partitions, "--config", "message.timestamp.type=LogAppendTime"];
    cluster.tool("org.apache.kafka.tools.TopicCommand", &[&place[..], &make].concat(), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_that_stopped_before_its_topic_leaves_the_name_free() {
    let stream = name("begun");
    open(single()).await.stop_creating(&stream, &shards(2), Last::Begun).await.unwrap();
    let store = open(single()).await;
    assert!(matches!(store.describe(&stream).await, Err(StreamError::NotFound(_))));
    assert!(!store.list().await.unwrap().contains(&stream));
    store.create(&stream, shards(3)).await.unwrap();
    check_works(&store, &stream, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_whose_creation_stopped_behind_its_topic_works_after_a_restart() {
    let stream = name("half-made");
    open(single()).await.stop_creating(&stream, &shards(2), Last::Topic).await.unwrap();
    let store = open(single()).await;
    assert!(store.list().await.unwrap().contains(&stream), "nobody has to name it");
    assert!(matches!(store.create(&stream, shards(2)).await, Err(StreamError::Exists(_))));
    check_works(&store, &stream, 2).await;
    drop(store);
    let again = open(single()).await;
    assert_eq!(again.describe(&stream).await.unwrap().shards.open_count(), 3);
}

/// A process that runs already meets what another one left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_another_process_began_is_finished_by_whoever_names_it() {
    // No store but these finds what was begun.
    let cluster = KafkaCluster::start(1);
    let other = open(&cluster).await;
    for last in [Last::Begun, Last::Topic] {
        let named = name(&format!("named-{last:?}"));
        open(&cluster).await.stop_creating(&named, &shards(2), last).await.unwrap();
        let found = other.describe(&named).await;
        match last {
            Last::Begun => assert!(matches!(found, Err(StreamError::NotFound(_))), "{found:?}"),
            Last::Topic => check_works(&other, &named, 2).await,
        }
        // Asked for in the same way, it is what was begun; in another way, it is made anew.
        for asked in [2, 5] {
            let stream = name(&format!("asked-{asked}-{last:?}"));
            open(&cluster).await.stop_creating(&stream, &shards(2), last).await.unwrap();
            other.create(&stream, shards(asked)).await.unwrap();
            check_works(&other, &stream, asked as usize).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_topic_stays_foreign_also_where_a_creation_was_begun() {
    let cluster = single();
    let stream = name("taken");
    open(cluster).await.stop_creating(&stream, &shards(2), Last::Begun).await.unwrap();
    make_foreign(cluster, "taken", "2");
    let store = open(cluster).await;
    assert!(!store.list().await.unwrap().contains(&stream), "nobody has named it");
    let created = store.create(&stream, shards(2)).await;
    assert!(matches!(created, Err(StreamError::Exists(_))), "{created:?}");
    cluster.console_produce("taken", "Shadowfax:theirs\n");
    assert_eq!(read_all(&*store, &stream).await, ["theirs"]);
    let refused = store.reshard(&stream, Reshard::Uniform { shards: 4 }).await;
    assert!(matches!(refused, Err(StreamError::Reshard { .. })), "its producers would not follow: {refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_stopped_before_the_topic_went_leaves_the_stream() {
    let store = open(single()).await;
    let stream = create(&*store, "kept", 2).await;
    store.append(&stream, vec![entry("k", "before")]).await.unwrap();
    store.stop_deleting(&stream, Last::Begun).await.unwrap();
    drop(store);
    let store = open(single()).await;
    assert_eq!(read_all(&*store, &stream).await, ["before"]);
    store.append(&stream, vec![entry("k", "after")]).await.unwrap();
    store.delete(&stream).await.unwrap();
    store.create(&stream, shards(1)).await.unwrap();
    check_works(&store, &stream, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_stopped_behind_the_topic_frees_the_name_and_counts_what_it_had() {
    // No store but these finds what was begun.
    let cluster = KafkaCluster::start(1);
    let running = open(&cluster).await;
    for (n, restarted) in [true, false].into_iter().enumerate() {
        let store = open(&cluster).await;
        let stream = create(&*store, &format!("half-gone-{n}"), 1).await;
        running.describe(&stream).await.unwrap();
        store.append(&stream, vec![entry("k", "1"), entry("k", "2")]).await.unwrap();
        let first = store.describe(&stream).await.unwrap().lives.first;
        store.stop_deleting(&stream, Last::Topic).await.unwrap();
        drop(store);
        let store = if restarted { open(&cluster).await } else { running.clone() };
        let deleted = store.delete(&stream).await;
        match restarted {
            true => assert!(matches!(deleted, Err(StreamError::NotFound(_))), "it is gone: {deleted:?}"),
            false => deleted.unwrap(),
        }
        let made = store.create(&stream, shards(2)).await.unwrap();
        assert_eq!(made.lives.earlier.len(), 1);
        assert_eq!(made.lives.earlier[0].next[&ShardId(0)], first.plus(2), "what it had is known");
        check_works(&store, &stream, 2).await;
    }
    // Nobody deletes it again: who creates the stream finds out.
    let store = open(&cluster).await;
    let stream = create(&*store, "half-gone", 1).await;
    running.describe(&stream).await.unwrap();
    store.stop_deleting(&stream, Last::Topic).await.unwrap();
    running.create(&stream, shards(2)).await.unwrap();
    check_works(&running, &stream, 2).await;
}
