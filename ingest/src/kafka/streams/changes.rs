//! How a stream's entry in the registry changes: shards, settings, and what is forgotten.

use std::sync::Arc;

use model::clock::Timestamp;
use model::stream::sequence_number::SequenceNumber;
use model::stream::settings::StreamSettings;
use model::stream::shard::{Reshard, ReshardError, ShardId};
use model::stream::store::{StreamDescription, StreamError};

use crate::kafka::cluster::clients::Partition;
use crate::kafka::cluster::fault::Fault;
use crate::kafka::cluster::topics::{Configs, retained};
use crate::kafka::streams::admin::{Admin, Change};
use crate::kafka::streams::closing::STRAGGLERS_MAX;
use crate::kafka::streams::registry::{Closed, Entry, Origin};
use crate::kafka::streams::stream::{Stream, partition_number};

impl Admin {
    pub(crate) async fn reshard(
        &self,
        stream: &Stream,
        change: Reshard,
    ) -> Result<Arc<StreamDescription>, StreamError> {
        // Nothing is on its way to a shard while it is closed: also not what a caller has stopped waiting for.
        let _gate = stream.gate.write().await;
        self.appender.flush().await.map_err(|fault| fault.of(&stream.name))?;
        let description = self.change(stream, Resharding { admin: self, stream, change }).await?;
        stream.changed.notify_waiters();
        Ok(description)
    }

    pub(crate) async fn alter(
        &self,
        stream: &Stream,
        from: &StreamSettings,
        to: StreamSettings,
    ) -> Result<Arc<StreamDescription>, StreamError> {
        let shorter = to.retention < from.retention;
        let description = self.change(stream, Altering { admin: self, stream, from, to }).await?;
        if shorter {
            self.drop_expired(stream).await?;
        }
        Ok(description)
    }
}

/// Other shards; those that close do so once nothing is on its way to them.
struct Resharding<'a> {
    admin: &'a Admin,
    stream: &'a Stream,
    change: Reshard,
}

#[async_trait::async_trait]
impl Change for Resharding<'_> {
    async fn decide(&self, entry: &Entry) -> Result<Entry, StreamError> {
        let (stream, name) = (self.stream, &self.stream.name);
        let refused = |source| StreamError::Reshard { stream: name.clone(), source };
        check_kind(entry, self.change).map_err(refused)?;
        let of = |fault: Fault| fault.of(name);
        // Before anybody can put into a child.
        let at = self.admin.time.tick().await.map_err(of)?.unwrap_or(Timestamp::MIN);
        let open: Vec<Partition> = entry.shards.open().map(|shard| stream.partition(shard.id)).collect();
        let ends = self.admin.settled_ends(&open).await.map_err(of)?;
        let next = |id: ShardId| {
            let first = entry.shards.get(id).map_or(SequenceNumber::FIRST, |shard| shard.first);
            first.plus(ends.get(&stream.partition(id)).copied().unwrap_or(0)).plus(STRAGGLERS_MAX)
        };
        let shards = entry.shards.resharded(self.change, self.admin.time.about_now(), next).map_err(refused)?;
        let last = shards.iter().map(|shard| shard.id).max().expect("a map is never empty");
        self.admin.clients.grow_topic(name.as_str(), partition_number(last) as usize + 1).await.map_err(of)?;
        let were_open = entry.shards.open().map(|shard| shard.id);
        let are_closed = were_open.filter(|id| shards.get(*id).is_some_and(|shard| !shard.is_open()));
        let are_closed = are_closed.map(|id| (id, Closed { at, ended: false }));
        let closed = entry.closed.clone().into_iter().chain(are_closed).collect();
        Ok(Entry { shards, closed, ..entry.clone() })
    }
}

/// Which changes a topic can follow.
fn check_kind(entry: &Entry, change: Reshard) -> Result<(), ReshardError> {
    let open = entry.shards.open_count();
    let reason = match change {
        _ if entry.origin == Origin::Elsewhere => {
            "another program created its topic: its producers choose partitions and would not follow a change"
        }
        Reshard::Merge { .. } => "shards on Kafka cannot be merged: a topic's partitions only become more",
        Reshard::Uniform { shards } if (shards as usize) < open => {
            "shards on Kafka cannot become fewer: a topic's partitions only become more"
        }
        Reshard::Split { .. } | Reshard::Uniform { .. } => return Ok(()),
    };
    Err(ReshardError::Unsupported(reason))
}

/// Other settings, unless they have changed since they were read.
struct Altering<'a> {
    admin: &'a Admin,
    stream: &'a Stream,
    from: &'a StreamSettings,
    to: StreamSettings,
}

#[async_trait::async_trait]
impl Change for Altering<'_> {
    async fn decide(&self, entry: &Entry) -> Result<Entry, StreamError> {
        let name = &self.stream.name;
        if entry.settings != *self.from {
            return Err(StreamError::SettingsConflict(name.clone()));
        }
        let partitions = entry.shards.iter().count();
        let (before, after) = (retained(self.from, partitions), retained(&self.to, partitions));
        let changes: Configs = after.into_iter().filter(|(key, value)| before.get(key) != Some(value)).collect();
        if !changes.is_empty() {
            self.admin.clients.alter_topic(name.as_str(), changes).await.map_err(|fault| fault.of(name))?;
        }
        Ok(Entry { settings: self.to.clone(), ..entry.clone() })
    }
}

/// Without the shards that were closed before all that is kept.
pub(crate) struct Forgetting {
    pub(crate) horizon: Timestamp,
}

#[async_trait::async_trait]
impl Change for Forgetting {
    async fn decide(&self, entry: &Entry) -> Result<Entry, StreamError> {
        let shards = entry.shards.without_closed_before(self.horizon);
        let kept = |(id, _): &(&ShardId, &Closed)| shards.get(**id).is_some();
        let closed = entry.closed.iter().filter(kept).map(|(id, closed)| (*id, *closed)).collect();
        Ok(Entry { shards, closed, ..entry.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::stream::lives::Lives;
    use model::stream::shard::ShardMap;

    fn entry(origin: Origin) -> Entry {
        Entry {
            incarnation: 1,
            origin,
            created_at: Timestamp::MIN,
            settings: StreamSettings::default(),
            shards: ShardMap::uniform(2, Timestamp::from_millis(0)),
            lives: Lives::default(),
            closed: Default::default(),
        }
    }

    #[test]
    fn what_partitions_cannot_follow_is_refused_by_name() {
        let refused = |origin, change| check_kind(&entry(origin), change).expect_err("refused").to_string();
        let merge = Reshard::Merge { shard: ShardId(0), adjacent: ShardId(1) };
        assert!(refused(Origin::Store, merge).contains("cannot be merged"));
        assert!(refused(Origin::Store, Reshard::Uniform { shards: 1 }).contains("cannot become fewer"));
        assert!(refused(Origin::Elsewhere, Reshard::Uniform { shards: 4 }).contains("another program created"));
        assert_eq!(check_kind(&entry(Origin::Store), Reshard::Uniform { shards: 3 }), Ok(()));
    }
}
