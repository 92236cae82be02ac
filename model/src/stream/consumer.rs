//! Reading a whole stream in lineage order: parents before their children, every open shard at
//! once.
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

use crate::clock::Timestamp;
use crate::name::StreamName;
use crate::stream::checkpoint::{Position, Positions};
use crate::stream::hash_key::HashKeyRange;
use crate::stream::record::Record;
use crate::stream::sequence_number::SequenceNumber;
use crate::stream::shard::{ShardId, ShardMap};
use crate::stream::store::{ReadBatch, ReadLimit, StartingPosition, StreamDescription, StreamError, StreamStore};

/// Records of one shard, and how far they take the consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardBatch {
    /// The stream, described after these records were read: what they hold
    /// ([`StreamDescription::sensor`]), and its shards. A batch without records has the description
    /// of the one before.
    pub stream: Arc<StreamDescription>,
    /// The shard.
    pub shard: ShardId,
    /// The hash keys it owns: what [`crate::stream::aggregate::user_records`] asks for.
    pub owned: HashKeyRange,
    /// In order; empty when the batch only carries news of the shard's end or of time.
    pub records: Vec<Record>,
    /// The consumer's position once it is done with these records.
    pub position: Position,
    /// Whether nothing more could be read at that moment.
    pub at_tip: bool,
    /// No later record of the shard arrives before this time; [`Timestamp::MAX`] once the shard is
    /// finished.
    pub complete_until: Timestamp,
    /// Records that expired before the consumer read them: never silent, always counted.
    pub expired: u64,
}

/// The most bytes one read asks for; a reader holds this much per shard it is reading.
pub const READ_BYTES_MAX: usize = 1 << 20;
/// The most records one read asks for.
pub const READ_RECORDS_MAX: usize = 8192;

type ReadInFlight = BoxFuture<'static, (ShardId, SequenceNumber, Result<ReadBatch, StreamError>)>;

/// Reads all shards of a stream from given positions.
///
/// ```
/// # use std::sync::Arc;
/// # use model::clock::SystemClock;
/// # use model::name::StreamName;
/// # use model::stream::checkpoint::Positions;
/// # use model::stream::consumer::StreamReader;
/// # use model::stream::hash_key::PartitionKey;
/// # use model::stream::record::PutEntry;
/// # use model::stream::store::{StartingPosition, StreamOptions, StreamStore};
/// # use model::testing::memory_store::MemoryStore;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let store: Arc<dyn StreamStore> = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
/// # let rides = StreamName::new("rides")?;
/// # store.create(&rides, StreamOptions::default()).await?;
/// store.append(&rides, vec![PutEntry::new(PartitionKey::new("Nimbus")?, "at the park")]).await?;
///
/// let none = Positions::default();
/// let mut reader = StreamReader::open(store, rides, none, StartingPosition::TrimHorizon).await?;
/// let batch = reader.next().await?;
/// assert_eq!(batch.records[0].data, "at the park");
/// // A checkpoint keeps the positions: a reader that is opened with them goes on after this batch.
/// assert_eq!(reader.positions()[&batch.shard], batch.position);
/// # Ok(())
/// # }
/// ```
pub struct StreamReader {
    store: Arc<dyn StreamStore>,
    stream: StreamName,
    /// As it was last described.
    description: Arc<StreamDescription>,
    positions: Positions,
    /// Of every shard that was ever listed; a shard's range never changes.
    owned: BTreeMap<ShardId, HashKeyRange>,
    reads: FuturesUnordered<ReadInFlight>,
    /// A read that has ended and is not handed out yet.
    ended: Option<(ShardId, ReadBatch)>,
    /// Numbers lost to retention, to be told with the shard's next batch.
    expired: BTreeMap<ShardId, u64>,
}

impl StreamReader {
    /// Reads from `positions`; shards that are not in it and have no unfinished parent begin at
    /// `start` (children of a finished parent begin at their first record, whatever `start` says).
    pub async fn open(
        store: Arc<dyn StreamStore>,
        stream: StreamName,
        positions: Positions,
        start: StartingPosition,
    ) -> Result<StreamReader, StreamError> {
        let description = store.describe(&stream).await?;
        let mut reader = StreamReader {
            store,
            stream,
            description,
            positions,
            owned: BTreeMap::new(),
            reads: FuturesUnordered::new(),
            ended: None,
            expired: BTreeMap::new(),
        };
        let map = reader.learn_shards();
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
            reader.start_read(shard, next);
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

    /// The next batch of any shard; waits for one. Cancel-safe: a batch is handed out once or not
    /// at all.
    pub async fn next(&mut self) -> Result<ShardBatch, StreamError> {
        while self.ended.is_none() {
            let (shard, from, result) = self.reads.next().await.expect("an open hash space always has a shard to read");
            match result {
                Ok(batch) => self.ended = Some((shard, batch)),
                Err(StreamError::Trimmed { oldest, .. }) => {
                    *self.expired.entry(shard).or_default() += oldest.0.saturating_sub(from.0);
                    self.start_read(shard, oldest);
                }
                Err(error) => {
                    // The read is put back, so that a caller who waits and calls again goes on
                    // where it was.
                    self.start_read(shard, from);
                    return Err(error);
                }
            }
        }
        self.finish_read().await
    }

    /// Asks every active shard that is at its tip how far time is complete there, without waiting
    /// for records. What can be read meanwhile comes with it.
    pub async fn poll_tips(&mut self) -> Result<Vec<ShardBatch>, StreamError> {
        let mut batches = Vec::new();
        let asked: Vec<(ShardId, SequenceNumber)> =
            self.positions.iter().filter(|(_, p)| !p.finished).map(|(id, p)| (*id, p.next)).collect();
        for (shard, next) in asked {
            let limit = ReadLimit { records_max: READ_RECORDS_MAX, bytes_max: READ_BYTES_MAX, wait: false };
            match self.store.read(&self.stream, shard, next, limit).await {
                // Records are left to the read in flight, which returns them in its turn; time
                // counts only at the tip.
                Ok(batch) if batch.records.is_empty() && !batch.end_of_shard => batches.push(ShardBatch {
                    stream: Arc::clone(&self.description),
                    shard,
                    owned: self.owned(shard),
                    records: Vec::new(),
                    position: Position::at(next),
                    at_tip: true,
                    complete_until: batch.complete_until,
                    expired: 0,
                }),
                Ok(_) | Err(StreamError::Trimmed { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(batches)
    }

    /// The shards as they were last described.
    fn learn_shards(&mut self) -> ShardMap {
        let map = self.description.shards.clone();
        self.owned.extend(map.iter().map(|shard| (shard.id, shard.range)));
        map
    }

    fn owned(&self, shard: ShardId) -> HashKeyRange {
        // A shard that was never listed is past retention: there are no records of it.
        self.owned.get(&shard).copied().unwrap_or(HashKeyRange::ALL)
    }

    /// Turns the ended read into a batch. The read stays in `ended` until nothing can fail or be
    /// cancelled any more, so that a call which does is simply repeated.
    async fn finish_read(&mut self) -> Result<ShardBatch, StreamError> {
        // After the read, so that the description knows of every record in it.
        if self.ended.as_ref().is_some_and(|(_, batch)| batch.end_of_shard || !batch.records.is_empty()) {
            self.description = self.store.describe(&self.stream).await?;
        }
        if self.ended.as_ref().is_some_and(|(_, batch)| batch.end_of_shard) {
            let map = self.learn_shards();
            let (shard, batch) = self.ended.as_ref().expect("looked at above");
            self.positions.insert(*shard, Position { next: batch.next, finished: true });
            for (child, first) in self.begin_children(&map) {
                self.start_read(child, first);
            }
        }
        let (shard, batch) = self.ended.take().expect("a read has ended");
        let position = Position { next: batch.next, finished: batch.end_of_shard };
        self.positions.insert(shard, position);
        if !batch.end_of_shard {
            self.start_read(shard, batch.next);
        }
        Ok(ShardBatch {
            stream: Arc::clone(&self.description),
            shard,
            owned: self.owned(shard),
            at_tip: batch.next == batch.tip,
            complete_until: if batch.end_of_shard { Timestamp::MAX } else { batch.complete_until },
            records: batch.records,
            position,
            expired: self.expired.remove(&shard).unwrap_or(0),
        })
    }

    /// Gives a position to every shard whose parents are all finished or gone, and which has none
    /// yet.
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

    fn start_read(&mut self, shard: ShardId, from: SequenceNumber) {
        let (store, stream) = (Arc::clone(&self.store), self.stream.clone());
        let limit = ReadLimit { records_max: READ_RECORDS_MAX, bytes_max: READ_BYTES_MAX, wait: true };
        self.reads.push(Box::pin(async move { (shard, from, store.read(&stream, shard, from, limit).await) }));
    }
}

/// The shards that a reader without positions begins with: the open ones for
/// [`StartingPosition::Latest`], else the oldest ones, whose children follow.
fn starting_shards(map: &ShardMap, start: StartingPosition) -> Vec<ShardId> {
    match start {
        StartingPosition::Latest => map.open().map(|shard| shard.id).collect(),
        _ => map.roots().map(|shard| shard.id).collect(),
    }
}
