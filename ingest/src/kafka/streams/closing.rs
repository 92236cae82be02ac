//! The last word on where a closed shard ends.
//!
//! A split takes effect at once for the process that makes it. Others may put records into the parent for as long as
//! `view_age_max` lets them; so its numbers go on, up to [`STRAGGLERS_MAX`] of them, its readers follow it like an open shard,
//! and its children begin above. A third of that later its end is read from the brokers and written to the registry, by
//! whichever process is first; then readers go on to the children.
//!
//! Who reads parents before children must not take time for complete meanwhile: a read of a closed shard promises nothing beyond
//! the time at which it was closed (`reader`), and one of an open shard nothing beyond the last look at the shard maps
//! (`broker_time`).

use std::sync::Arc;

use model::stream::shard::ShardId;
use model::stream::store::StreamError;
use tracing::warn;

use crate::kafka::cluster::clients::Partition;
use crate::kafka::streams::admin::{Admin, Change};
use crate::kafka::streams::registry::Entry;
use crate::kafka::streams::stream::Stream;

/// The most numbers that a shard can go on for after it was closed.
pub(crate) const STRAGGLERS_MAX: u64 = 1 << 32;

/// Ends the shards for which it is time. What fails is tried again at the next call.
pub(crate) async fn close_all(admin: &Admin, streams: Vec<Arc<Stream>>) {
    for stream in streams {
        // No process acknowledges records by a map that is older than the closing any more.
        let shards = stream.closing_for(admin.clients.options.view_age_max.mul_f64(4.0 / 3.0));
        if !shards.is_empty()
            && let Err(error) = admin.change(&stream, Closing { admin, stream: &stream, shards: &shards }).await
        {
            warn!(stream = %stream.name, error = &error as &dyn std::error::Error, "closed shards have no end yet");
        }
    }
}

/// Ends of closed shards as they are, and not as they could be.
struct Closing<'a> {
    admin: &'a Admin,
    stream: &'a Stream,
    shards: &'a [ShardId],
}

#[async_trait::async_trait]
impl Change for Closing<'_> {
    async fn decide(&self, entry: &Entry) -> Result<Entry, StreamError> {
        let (mut changed, stream) = (entry.clone(), self.stream);
        let closing = |id: &&ShardId| entry.closed.get(id).is_some_and(|closed| !closed.ended);
        let there = self.shards.iter().filter(closing).filter_map(|id| entry.shards.get(*id));
        let there: Vec<(Partition, _)> = there.map(|shard| (stream.partition(shard.id), shard)).collect();
        if there.is_empty() {
            return Ok(changed);
        }
        let partitions: Vec<Partition> = there.iter().map(|(partition, _)| partition.clone()).collect();
        let ends = self.admin.settled_ends(&partitions).await.map_err(|fault| fault.of(&stream.name))?;
        for (partition, shard) in there {
            if let (Some(end), Some(closed)) = (ends.get(&partition), changed.closed.get_mut(&shard.id)) {
                closed.ended = true;
                changed.shards = changed.shards.with_end(shard.id, shard.first.plus(*end));
            }
        }
        Ok(changed)
    }
}
