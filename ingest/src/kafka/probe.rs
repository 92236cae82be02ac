//! A look at a cluster that changes nothing on it.

use std::io;
use std::time::Duration;

use rdkafka::config::FromClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, DefaultConsumerContext};

use crate::kafka::cluster::fault::io_error;
use crate::kafka::options::KafkaOptions;
use model::blocking::blocking;

/// What a cluster says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterReport {
    /// Brokers, as `host:port`.
    pub brokers: Vec<String>,
    /// Topics that these credentials may see.
    pub topics: usize,
    /// Partitions that nobody leads now.
    pub leaderless: usize,
    /// The version of the client library.
    pub library: String,
}

/// Asks the cluster. Error: nobody answers within `delay_max`, or who asks is refused.
pub async fn probe(options: KafkaOptions, delay_max: Duration) -> io::Result<ClusterReport> {
    blocking(move || {
        let asker: BaseConsumer<DefaultConsumerContext> =
            BaseConsumer::from_config(&options.asker("read_committed")).map_err(io_error)?;
        let metadata = asker.fetch_metadata(None, delay_max).map_err(io_error)?;
        let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
        Ok(ClusterReport {
            brokers: metadata.brokers().iter().map(|broker| format!("{}:{}", broker.host(), broker.port())).collect(),
            topics: metadata.topics().len(),
            leaderless: partitions.filter(|partition| partition.leader() < 0).count(),
            library: rdkafka::util::get_rdkafka_version().1,
        })
    })
    .await
}
