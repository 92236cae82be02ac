//! What the tests share.

use std::sync::{Arc, OnceLock};

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

/// What the store says, with `GALLOP_LOG=debug` and `--nocapture`.
pub(crate) fn logs() {
    let filter = tracing_subscriber::EnvFilter::from_env("GALLOP_LOG");
    drop(tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init());
}

pub(crate) async fn open(cluster: &KafkaCluster) -> Arc<KafkaStore> {
    logs();
    Arc::new(KafkaStore::open(KafkaOptions::new(cluster.brokers())).await.unwrap())
}
