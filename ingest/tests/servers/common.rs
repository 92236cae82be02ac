//! What the tests share.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use model::name::StreamName;
use model::stream::hash_key::PartitionKey;
use model::stream::record::{PutEntry, Record};
use model::stream::shard::ShardId;
use model::stream::store::{ReadLimit, StartingPosition, StreamOptions, StreamStore};

use ingest::kafka::options::KafkaOptions;
use ingest::kafka::store::KafkaStore;
use ingest::testing::kafka_cluster::KafkaCluster;

/// One cluster of a single node for all tests that do not harm it.
pub(crate) fn single() -> &'static KafkaCluster {
    static CLUSTER: OnceLock<KafkaCluster> = OnceLock::new();
    CLUSTER.get_or_init(|| KafkaCluster::start(1))
}

/// One cluster of three nodes, the same way.
pub(crate) fn three() -> &'static KafkaCluster {
    static CLUSTER: OnceLock<KafkaCluster> = OnceLock::new();
    CLUSTER.get_or_init(|| KafkaCluster::start(3))
}

/// Of the stores that tests open.
const VIEW_AGE_MAX: Duration = Duration::from_millis(600);

/// What the store says, with `GALLOP_LOG=debug` and `--nocapture`.
pub(crate) fn logs() {
    let filter = tracing_subscriber::EnvFilter::from_env("GALLOP_LOG");
    drop(tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init());
}

pub(crate) async fn open(cluster: &KafkaCluster) -> Arc<KafkaStore> {
    logs();
    // Closed shards have not to wait long for stragglers: there are none but in the test that is about them.
    let options = KafkaOptions { view_age_max: VIEW_AGE_MAX, ..KafkaOptions::new(cluster.brokers()) };
    Arc::new(KafkaStore::open(options).await.unwrap())
}

/// Reads whatever is there, without waiting.
pub(crate) const ALL: ReadLimit = ReadLimit { records_max: 1_000_000, bytes_max: usize::MAX, wait: false };

pub(crate) fn name(text: &str) -> StreamName {
    StreamName::new(text).unwrap()
}

pub(crate) fn entry(key: &str, data: impl Into<bytes::Bytes>) -> PutEntry {
    PutEntry::new(PartitionKey::new(key.to_owned()).unwrap(), data)
}

pub(crate) async fn create(store: &dyn StreamStore, text: &str, shards: u32) -> StreamName {
    let stream = name(text);
    store.create(&stream, StreamOptions { shards, ..StreamOptions::default() }).await.unwrap();
    stream
}

/// All records of a shard.
pub(crate) async fn read_shard(store: &dyn StreamStore, stream: &StreamName, shard: ShardId) -> Vec<Record> {
    let mut from = store.locate(stream, shard, StartingPosition::TrimHorizon).await.unwrap();
    let mut records = Vec::new();
    loop {
        let batch = store.read(stream, shard, from, ALL).await.unwrap();
        from = batch.next;
        let done = batch.next == batch.tip;
        records.extend(batch.records);
        if done {
            return records;
        }
    }
}

/// The data of all records of all shards, as text.
pub(crate) async fn read_all(store: &dyn StreamStore, stream: &StreamName) -> Vec<String> {
    let mut found = Vec::new();
    for shard in store.describe(stream).await.unwrap().shards.iter() {
        let records = read_shard(store, stream, shard.id).await;
        found.extend(records.iter().map(|record| String::from_utf8_lossy(&record.data).into_owned()));
    }
    found
}
