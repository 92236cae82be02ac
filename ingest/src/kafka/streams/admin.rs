//! What changing streams takes, and how an entry of the registry changes while other processes change entries too.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::name::StreamName;
use model::stream::store::{StreamDescription, StreamError};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::kafka::cluster::clients::{Clients, End, Partition};
use crate::kafka::cluster::fault::Fault;
use crate::kafka::cluster::views::Views;
use crate::kafka::read::broker_time::BrokerTime;
use crate::kafka::read::fetcher::Fetcher;
use crate::kafka::streams::registry::{Changed, Entries, Entry, RegistryWriter};
use crate::kafka::streams::stream::Stream;
use crate::kafka::write::appender::Appender;
use crate::kafka::write::checkpoints::Checkpoints;

/// How often a change is worked out anew because another process was first.
pub(crate) const ATTEMPTS_MAX: u32 = 10;
/// How often an open transaction is looked at while it is waited for.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Beyond the time that brokers give a transaction: until they have ended it, and every shard has a leader that answers.
const SETTLING_DELAY_MAX: Duration = Duration::from_secs(30);

/// How an entry changes; may ask the cluster, and change the topic.
#[async_trait::async_trait]
pub(crate) trait Change: Sync {
    async fn decide(&self, entry: &Entry) -> Result<Entry, StreamError>;
}

/// What changing streams takes.
pub(crate) struct Admin {
    pub(crate) clients: Arc<Clients>,
    pub(crate) fetcher: Arc<Fetcher>,
    pub(crate) time: Arc<BrokerTime>,
    pub(crate) appender: Arc<Appender>,
    pub(crate) checkpoints: Arc<Checkpoints>,
    pub(crate) views: Arc<Views>,
    /// One change at a time.
    pub(crate) writer: Mutex<RegistryWriter>,
}

impl Admin {
    /// Works out a change of an entry until it is not outrun by another process.
    pub(crate) async fn change(
        &self,
        stream: &Stream,
        decide: impl Change,
    ) -> Result<Arc<StreamDescription>, StreamError> {
        let (name, of) = (&stream.name, |fault: Fault| fault.of(&stream.name));
        let mut writer = self.writer.lock().await;
        for _ in 0..ATTEMPTS_MAX {
            let mut entries: Entries = writer.begin().await.map_err(of)?;
            let entry = entries.remove(name).filter(|entry| entry.incarnation == stream.incarnation);
            let entry = entry.ok_or_else(|| StreamError::NotFound(name.clone()))?;
            let changed = decide.decide(&entry).await?;
            let _turn = self.views.turn().await;
            if changed == entry || writer.put(name, Some(&changed)).await.map_err(of)? == Changed::Done {
                stream.update(&changed);
                return Ok(stream.description());
            }
        }
        Err(too_busy(name))
    }

    /// The offset above all records of each partition, once no transaction is open there.
    pub(crate) async fn settled_ends(&self, partitions: &[Partition]) -> Result<HashMap<Partition, u64>, Fault> {
        let begin = Instant::now();
        let mut high: HashMap<Partition, u64> = HashMap::new();
        while begin.elapsed() < self.clients.options.transaction_delay_max + SETTLING_DELAY_MAX {
            // Above all there was at the first answer for each.
            let mut seen = self.clients.ends(partitions, End::High).await?;
            seen.extend(high);
            high = seen;
            let stable = self.clients.ends(partitions, End::Stable).await?;
            let settled = |partition| high.get(partition).is_some_and(|high| stable.get(partition) >= Some(high));
            if partitions.iter().all(settled) {
                return Ok(stable);
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        Err(Fault::late("waiting for the last records of shards that are closed"))
    }
}

pub(crate) fn too_busy(name: &StreamName) -> StreamError {
    Fault::late("changing the stream while other processes change streams too").of(name)
}
