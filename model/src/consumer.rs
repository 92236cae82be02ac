//! Reading a whole stream in lineage order: parents before their children, every open shard at once.
//!
//! ```text
//! positions ──▶ begun shards ──▶ one read in flight per shard ──▶ ShardBatch ──▶ the consumer
//!                    ▲                                                │
//!                    └── children, once all their parents are done ◀──┘ end of shard
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

use crate::checkpoint::{Position, Positions};
use crate::clock::Timestamp;
use crate::name::StreamName;
use crate::record::Record;
use crate::sequence_number::SequenceNumber;
use crate::shard::{ShardId, ShardMap};
use crate::stream_store::{ReadBatch, ReadLimit, StartingPosition, StreamError, StreamStore};

/// Records of one shard, and how far they take the consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardBatch {
    /// The shard.
    pub shard: ShardId,
    /// In order; empty when the batch only carries news of the shard's end or of time.
    pub records: Vec<Record>,
    /// The consumer's position once it is done with these records.
    pub position: Position,
    /// Whether nothing more could be read at that moment.
    pub at_tip: bool,
    /// No later record of the shard arrives before this time; [`Timestamp::MAX`] once the shard is finished.
    pub complete_until: Timestamp,
    /// Numbers that retention took before the consumer came: never silent, always counted.
    pub skipped: u64,
}

/// The most bytes one read asks for; a reader holds this much per shard it is reading.
pub const READ_BYTES_MAX: usize = 1 << 20;
/// The most records one read asks for.
pub const READ_RECORDS_MAX: usize = 8192;

type ReadInFlight = BoxFuture<'static, (ShardId, u64, Result<ReadBatch, StreamError>)>;

/// Reads all shards of a stream from given positions.
pub struct StreamReader {
    store: Arc<dyn StreamStore>,
    stream: StreamName,
    positions: Positions,
    reads: FuturesUnordered<ReadInFlight>,
    skipped: BTreeMap<ShardId, u64>,
}

impl StreamReader {
    /// Reads from `positions`; shards that are not in it and have no unfinished parent begin at `start`
    /// (children of a finished parent begin at their first record, whatever `start` says).
    pub async fn open(
        store: Arc<dyn StreamStore>,
        stream: StreamName,
        positions: Positions,
        start: StartingPosition,
    ) -> Result<StreamReader, StreamError> {
        let mut reader =
            StreamReader { store, stream, positions, reads: FuturesUnordered::new(), skipped: BTreeMap::new() };
        let map = reader.store.describe(&reader.stream).await?.shards.clone();
        if reader.positions.is_empty() {
            for shard in starting_shards(&map, start) {
                let next = reader.store.locate(&reader.stream, shard, start).await?;
                reader.positions.insert(shard, Position::at(next));
            }
        } else {
            reader.begin_children(&map);
        }
        let unfinished: Vec<_> =
            reader.positions.iter().filter(|(_, p)| !p.finished).map(|(id, p)| (*id, p.next)).collect();
        for (shard, next) in unfinished {
            reader.start_read(shard, next, true);
        }
        Ok(reader)
    }

    /// Where each begun shard is: everything handed out is done. This is what a checkpoint keeps.
    pub fn positions(&self) -> &Positions {
        &self.positions
    }

    /// The shards that are being read.
    pub fn active(&self) -> impl Iterator<Item = ShardId> {
        self.positions.iter().filter(|(_, position)| !position.finished).map(|(shard, _)| *shard)
    }

    /// The next batch of any shard; waits for one. Cancel-safe: a batch is handed out once or not at all.
    pub async fn next(&mut self) -> Result<ShardBatch, StreamError> {
        loop {
            let (shard, from, result) = self.reads.next().await.expect("an open hash space always has a shard to read");
            let batch = match result {
                Err(StreamError::Trimmed { oldest, .. }) => {
                    *self.skipped.entry(shard).or_default() += oldest.0.saturating_sub(from);
                    self.start_read(shard, oldest, true);
                    continue;
                }
                Err(error) => {
                    // The read is put back, so that a caller who waits and calls again goes on where it was.
                    self.start_read(shard, SequenceNumber(from), true);
                    return Err(error);
                }
                Ok(batch) => batch,
            };
            return self.hand_out(shard, batch).await;
        }
    }

    /// Asks every active shard that is at its tip how far time is complete there, without waiting for records.
    /// What can be read meanwhile comes with it.
    pub async fn poll_tips(&mut self) -> Result<Vec<ShardBatch>, StreamError> {
        let mut batches = Vec::new();
        let asked: Vec<(ShardId, SequenceNumber)> =
            self.positions.iter().filter(|(_, p)| !p.finished).map(|(id, p)| (*id, p.next)).collect();
        for (shard, next) in asked {
            let limit = ReadLimit { records_max: READ_RECORDS_MAX, bytes_max: READ_BYTES_MAX, wait: false };
            match self.store.read(&self.stream, shard, next, limit).await {
                // Records are left to the read in flight, which returns them in its turn; time counts only at the tip.
                Ok(batch) if batch.records.is_empty() && !batch.end_of_shard => batches.push(ShardBatch {
                    shard,
                    records: Vec::new(),
                    position: Position::at(next),
                    at_tip: true,
                    complete_until: batch.complete_until,
                    skipped: 0,
                }),
                Ok(_) | Err(StreamError::Trimmed { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(batches)
    }

    async fn hand_out(&mut self, shard: ShardId, batch: ReadBatch) -> Result<ShardBatch, StreamError> {
        let position = Position { next: batch.next, finished: batch.end_of_shard };
        if batch.end_of_shard {
            let map = match self.store.describe(&self.stream).await {
                Ok(description) => description.shards.clone(),
                Err(error) => {
                    let from = self.positions.get(&shard).map_or(batch.next, |p| p.next);
                    self.start_read(shard, from, true);
                    return Err(error);
                }
            };
            self.positions.insert(shard, position);
            for (child, first) in self.begin_children(&map) {
                self.start_read(child, first, true);
            }
        } else {
            self.positions.insert(shard, position);
            self.start_read(shard, batch.next, true);
        }
        Ok(ShardBatch {
            shard,
            at_tip: batch.next == batch.tip,
            complete_until: if batch.end_of_shard { Timestamp::MAX } else { batch.complete_until },
            records: batch.records,
            position,
            skipped: self.skipped.remove(&shard).unwrap_or(0),
        })
    }

    /// Gives a position to every shard whose parents are all finished or gone, and which has none yet.
    fn begin_children(&mut self, map: &ShardMap) -> Vec<(ShardId, SequenceNumber)> {
        let finished: BTreeSet<ShardId> =
            self.positions.iter().filter(|(_, p)| p.finished).map(|(id, _)| *id).collect();
        let mut begun = Vec::new();
        for shard in map.iter().filter(|shard| !self.positions.contains_key(&shard.id)) {
            // A parent that this reader never began was before its starting position.
            let ready = shard.parents().all(|parent| finished.contains(&parent) || !self.is_ahead(map, parent));
            if ready && shard.parents().any(|parent| finished.contains(&parent)) {
                begun.push((shard.id, shard.first));
            }
        }
        for (shard, first) in &begun {
            self.positions.insert(*shard, Position::at(*first));
        }
        begun
    }

    /// Whether `shard` is still to be read: it, or a shard it came from, is begun and not finished.
    fn is_ahead(&self, map: &ShardMap, shard: ShardId) -> bool {
        match self.positions.get(&shard) {
            Some(position) => !position.finished,
            None => map.get(shard).is_some_and(|shard| {
                shard.parents().any(|parent| self.is_ahead(map, parent) || self.positions.contains_key(&parent))
            }),
        }
    }

    fn start_read(&mut self, shard: ShardId, from: SequenceNumber, wait: bool) {
        let (store, stream) = (Arc::clone(&self.store), self.stream.clone());
        let limit = ReadLimit { records_max: READ_RECORDS_MAX, bytes_max: READ_BYTES_MAX, wait };
        self.reads.push(Box::pin(async move { (shard, from.0, store.read(&stream, shard, from, limit).await) }));
    }
}

/// The shards that a reader without positions begins with: the open ones for [`StartingPosition::Latest`],
/// else the oldest ones, whose children follow.
fn starting_shards(map: &ShardMap, start: StartingPosition) -> Vec<ShardId> {
    match start {
        StartingPosition::Latest => map.open().map(|shard| shard.id).collect(),
        _ => map.roots().map(|shard| shard.id).collect(),
    }
}
