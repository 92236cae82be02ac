//! What is past retention goes: records below a horizon in broker time, and shards that were closed before all that is kept.

use model::stream::store::StreamError;

use crate::kafka::cluster::clients::{End, Partition};
use crate::kafka::cluster::fault::Fault;
use crate::kafka::streams::admin::Admin;
use crate::kafka::streams::changes::Forgetting;
use crate::kafka::streams::registry::Origin;
use crate::kafka::streams::stream::Stream;

impl Admin {
    /// Drops expired records, and shards that were closed before all that is kept.
    pub(crate) async fn trim(&self, stream: &Stream) -> Result<(), StreamError> {
        // The retention of a topic that is not ours is Kafka's to keep.
        if stream.origin == Origin::Store {
            self.drop_expired(stream).await?;
        }
        let description = stream.description();
        let horizon = self.time.about_now() - description.settings.retention;
        if description.shards.without_closed_before(horizon) != description.shards {
            self.change(stream, Forgetting { horizon }).await?;
        }
        Ok(())
    }

    pub(crate) async fn drop_expired(&self, stream: &Stream) -> Result<(), StreamError> {
        self.drop_older(stream).await.map_err(|fault| fault.of(&stream.name))
    }

    async fn drop_older(&self, stream: &Stream) -> Result<(), Fault> {
        let description = stream.description();
        let horizon = self.time.about_now() - description.settings.retention;
        let partitions: Vec<Partition> = description.shards.iter().map(|shard| stream.partition(shard.id)).collect();
        let oldest = self.clients.ends(&partitions, End::Oldest).await?;
        let stable = self.clients.ends(&partitions, End::Stable).await?;
        let filled = |partition: &&Partition| oldest.get(*partition) < stable.get(*partition);
        let partitions: Vec<Partition> = partitions.iter().filter(filled).cloned().collect();
        if partitions.is_empty() {
            return Ok(());
        }
        // Asked after the ends: when no record is that young, all that was there by then is older.
        let young = self.clients.offsets_at(&partitions, horizon).await?;
        let below: Vec<(i32, u64)> = partitions
            .iter()
            .filter_map(|partition| {
                let (oldest, stable) = (*oldest.get(partition)?, *stable.get(partition)?);
                let first = young.get(partition)?.unwrap_or(stable);
                (oldest < first).then_some((partition.1, first))
            })
            .collect();
        if below.is_empty() {
            return Ok(());
        }
        self.clients.delete_below(&stream.name, &below).await?;
        for (partition, offset) in below {
            if let Some(tail) = self.fetcher.followed(stream.name.as_str(), partition) {
                tail.drop_below(tail.base.plus(offset));
            }
        }
        Ok(())
    }
}
