//! What a store knows of one stream while it is open.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use model::name::StreamName;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::{Shard, ShardId};
use model::stream::store::{StreamDescription, StreamError};
use tokio::sync::Notify;

use crate::kafka::cluster::clients::Partition;
use crate::kafka::streams::registry::{Closed, Entry, Origin};

/// A stream in service.
pub(crate) struct Stream {
    pub(crate) name: StreamName,
    pub(crate) incarnation: u64,
    pub(crate) origin: Origin,
    description: RwLock<Arc<StreamDescription>>,
    /// Held shared while records are on their way, alone while the shard map changes.
    pub(crate) gate: tokio::sync::RwLock<()>,
    /// Above the last number that this process has been answered, per shard: its readers see no less.
    acknowledged: Mutex<HashMap<ShardId, SequenceNumber>>,
    /// Shards that were closed, and since when that is known here.
    closed: Mutex<BTreeMap<ShardId, (Closed, Instant)>>,
    deleted: AtomicBool,
    /// Wakes readers when the map has changed or the stream is gone.
    pub(crate) changed: Notify,
}

fn description(name: &StreamName, entry: &Entry) -> Arc<StreamDescription> {
    Arc::new(StreamDescription {
        name: name.clone(),
        created_at: entry.created_at,
        settings: entry.settings.clone(),
        shards: entry.shards.clone(),
        lives: entry.lives.clone(),
    })
}

impl Stream {
    pub(crate) fn new(name: &StreamName, entry: &Entry) -> Self {
        let stream = Stream {
            name: name.clone(),
            incarnation: entry.incarnation,
            origin: entry.origin,
            description: RwLock::new(description(name, entry)),
            gate: tokio::sync::RwLock::default(),
            acknowledged: Mutex::default(),
            closed: Mutex::default(),
            deleted: AtomicBool::new(false),
            changed: Notify::new(),
        };
        stream.see_closed(entry);
        stream
    }

    pub(crate) fn description(&self) -> Arc<StreamDescription> {
        Arc::clone(&self.description.read().expect("no holder of the lock panics"))
    }

    /// Takes over what is kept now.
    pub(crate) fn update(&self, entry: &Entry) {
        self.see_closed(entry);
        let new = description(&self.name, entry);
        let mut description = self.description.write().expect("no holder of the lock panics");
        if **description != *new {
            *description = new;
            drop(description);
            self.changed.notify_waiters();
        }
    }

    fn see_closed(&self, entry: &Entry) {
        let now = Instant::now();
        let mut closed = self.closed.lock().expect("no holder of the lock panics");
        let since = |shard: &ShardId| closed.get(shard).map_or(now, |(_, since)| *since);
        *closed = entry.closed.iter().map(|(shard, how)| (*shard, (*how, since(shard)))).collect();
    }

    /// The shards that were seen closed at least so long ago and have no end yet.
    pub(crate) fn closing_for(&self, delay: Duration) -> Vec<ShardId> {
        let closed = self.closed.lock().expect("no holder of the lock panics");
        let due = closed.iter().filter(|(_, (how, since))| !how.ended && since.elapsed() >= delay);
        due.map(|(shard, _)| *shard).collect()
    }

    /// How a shard was closed.
    pub(crate) fn closed(&self, shard: ShardId) -> Option<Closed> {
        self.closed.lock().expect("no holder of the lock panics").get(&shard).map(|(how, _)| *how)
    }

    /// The stream is gone.
    pub(crate) fn delete(&self) {
        self.deleted.store(true, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    /// Error where the stream is gone.
    pub(crate) fn check(&self) -> Result<(), StreamError> {
        match self.deleted.load(Ordering::Relaxed) {
            true => Err(StreamError::NotFound(self.name.clone())),
            false => Ok(()),
        }
    }

    /// The shard as readers see it: one that may still get records of other processes has no end yet.
    pub(crate) fn shard(&self, id: ShardId) -> Result<Shard, StreamError> {
        self.check()?;
        let missing = || StreamError::ShardNotFound { stream: self.name.clone(), shard: id };
        let closing = self.is_closing(id);
        let shard = self.description().shards.get(id).cloned().ok_or_else(missing)?;
        Ok(if closing { Shard { end: None, ..shard } } else { shard })
    }

    fn is_closing(&self, shard: ShardId) -> bool {
        self.closed(shard).is_some_and(|closed| !closed.ended)
    }

    /// Whether a record with this number is in the shard for good, by a map that is younger than the record.
    pub(crate) fn is_kept(&self, id: ShardId, number: SequenceNumber) -> bool {
        let closing = self.is_closing(id);
        match self.description().shards.get(id).map(|shard| shard.end) {
            Some(None) => true,
            Some(Some(end)) => !closing && number < end,
            None => false,
        }
    }

    /// The partition of a shard.
    pub(crate) fn partition(&self, shard: ShardId) -> Partition {
        (self.name.as_str().to_owned(), partition_number(shard))
    }

    /// The record of `number` in `shard` is durable.
    pub(crate) fn acknowledge(&self, shard: ShardId, number: SequenceNumber) {
        let mut acknowledged = self.acknowledged.lock().expect("no holder of the lock panics");
        let above = acknowledged.entry(shard).or_default();
        *above = (*above).max(number.next());
    }

    /// Above all that this process has been answered for `shard`.
    pub(crate) fn acknowledged(&self, shard: ShardId) -> SequenceNumber {
        let acknowledged = self.acknowledged.lock().expect("no holder of the lock panics");
        acknowledged.get(&shard).copied().unwrap_or_default()
    }
}

/// Shard N is partition N.
pub(crate) fn partition_number(shard: ShardId) -> i32 {
    i32::try_from(shard.0).expect("shards are fewer than partitions can be")
}
