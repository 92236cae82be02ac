//! A source on Kafka is deleted and created anew, under a table in DynamoDB and an archive on S3.
//!
//! `LIVES=1000` makes a night of it (`make lives`).

use ingest::testing::kafka_cluster::KafkaCluster;

use crate::anew::lives;
use crate::conservation::Site;
use crate::elsewhere::Elsewhere;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_on_kafka_is_deleted_and_created_anew_under_flows() {
    let rounds = std::env::var("LIVES").map_or(6, |text| text.parse().expect("a number"));
    let (cluster, elsewhere) = (KafkaCluster::start(1), Elsewhere::new().await);
    let there = elsewhere.site("lives");
    let settings = format!("[kafka]\nbrokers = \"{}\"\n\n{}", cluster.brokers(), there.settings);
    lives(&Site { settings, kafka: true, ..there }, rounds).await;
}
