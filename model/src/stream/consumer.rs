//! Reading a whole stream in lineage order: parents before their children, every open shard at
//! once.
//!
//! A consumer that is behind retention reads every record that is still there, and is told how many
//! are gone: [`ShardBatch::expired`]. One whose positions are in an earlier stream of the name begins
//! at the beginning of this one, and is told how many records it did not read:
//! [`StreamReader::deleted`].
//!
//! ```text
//! positions ──▶ begun shards ──▶ one read in flight per shard ──▶ ShardBatch ──▶ the consumer
//!                    ▲                                                │
//!                    └── children, once their parents are done ◀──────┘ end of shard, or expired
//! ```

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

use crate::clock::Timestamp;
use crate::name::StreamName;
use crate::stream::checkpoint::{Position, Positions};
use crate::stream::hash_key::HashKeyRange;
use crate::stream::lineage::{came_and_went, end_of_expired, to_begin, unread};
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
    /// In order; empty when the batch only carries news of the shard's end, of time, or of what has
    /// expired.
    pub records: Vec<Record>,
    /// The consumer's position once it is done with these records.
    pub position: Position,
    /// Whether nothing more could be read at that moment.
    pub at_tip: bool,
    /// No later record of the shard arrives before this time; [`Timestamp::MAX`] once the shard is
    /// finished.
    pub complete_until: Timestamp,
    /// Records that expired before the consumer read them: never silent, always counted. With a
    /// shard that is no longer in the map come those of the shards that came from it and expired
    /// unread, as far as the numbers around them tell: at least so many.
    pub expired: u64,
    /// Records lost to damage before the consumer read them; an upper bound:
    /// [`ReadBatch::lost`].
    pub lost: u64,
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
    /// Shards that own none of these hash keys are not read.
    within: HashKeyRange,
    positions: Positions,
    /// Of the shards in the map and of those that are read; a shard's range never changes.
    owned: BTreeMap<ShardId, HashKeyRange>,
    reads: FuturesUnordered<ReadInFlight>,
    /// A read that has ended and is not handed out yet.
    ended: Option<(ShardId, ReadBatch)>,
    /// A read whose shard does not exist, and where it was to begin.
    missing: Option<(ShardId, SequenceNumber)>,
    /// A read whose records have expired, where it was to begin, and where it can.
    trimmed: Option<(ShardId, SequenceNumber, SequenceNumber)>,
    /// Records lost to retention, to be told with the shard's next batch.
    expired: BTreeMap<ShardId, u64>,
    /// Records lost with an earlier stream of the name; none if the positions are in this one.
    deleted: Option<u64>,
}

impl StreamReader {
    /// Reads from `positions`. Without any, it begins at `start` in the shards of that time. Later
    /// ones begin at their first record once their parents are done or expired. Where the positions
    /// are in an earlier stream of the name, it begins at the oldest record.
    pub async fn open(
        store: Arc<dyn StreamStore>,
        stream: StreamName,
        positions: Positions,
        start: StartingPosition,
    ) -> Result<StreamReader, StreamError> {
        let description = store.describe(&stream).await?;
        let (mut begun, mut start, mut deleted) = (positions, start, None);
        if description.lives.are_earlier(&begun) {
            (deleted, start) = (Some(description.lives.unread(&begun)), StartingPosition::TrimHorizon);
            begun.clear();
        }
        if begun.is_empty() {
            for shard in starting_shards(&description.shards, start) {
                begun.insert(shard, Position::at(store.locate(&stream, shard, start).await?));
            }
        }
        Ok(StreamReader { deleted, ..StreamReader::at(store, description, begun, HashKeyRange::ALL) })
    }

    /// Reads `shard` from `next`, and then the shards that come from it.
    pub async fn follow(
        store: Arc<dyn StreamStore>,
        stream: StreamName,
        shard: ShardId,
        next: SequenceNumber,
    ) -> Result<StreamReader, StreamError> {
        let description = store.describe(&stream).await?;
        let Some(within) = description.shards.get(shard).map(|shard| shard.range) else {
            return Err(StreamError::ShardNotFound { stream, shard });
        };
        Ok(StreamReader::at(store, description, Positions::from([(shard, Position::at(next))]), within))
    }

    fn at(
        store: Arc<dyn StreamStore>,
        description: Arc<StreamDescription>,
        mut positions: Positions,
        within: HashKeyRange,
    ) -> StreamReader {
        for (id, position) in &mut positions {
            // Whatever the positions say, an open shard has more to come.
            position.finished &= description.shards.get(*id).is_none_or(|shard| !shard.is_open());
        }
        let mut reader = StreamReader {
            store,
            stream: description.name.clone(),
            description: Arc::clone(&description),
            within,
            positions,
            owned: BTreeMap::new(),
            reads: FuturesUnordered::new(),
            ended: None,
            missing: None,
            trimmed: None,
            expired: BTreeMap::new(),
            deleted: None,
        };
        // Also where the shard has expired: its read says so.
        for (shard, next) in reader.unfinished().collect::<Vec<_>>() {
            reader.start_read(shard, next);
        }
        reader.settle(description);
        reader
    }

    /// Says that the positions which this reader was opened with are in an earlier stream of the
    /// name, and how many records of it, and of those that came in between, were not read: at least
    /// so many.
    pub fn deleted(&self) -> Option<u64> {
        self.deleted
    }

    /// The stream, as it was last described.
    pub fn stream(&self) -> &StreamDescription {
        &self.description
    }

    /// Where each begun shard is: everything handed out is done. This is what a checkpoint keeps.
    pub fn positions(&self) -> &Positions {
        &self.positions
    }

    /// The shards that are being read.
    pub fn active(&self) -> impl Iterator<Item = ShardId> {
        self.unfinished().map(|(shard, _)| shard)
    }

    fn unfinished(&self) -> impl Iterator<Item = (ShardId, SequenceNumber)> {
        self.positions
            .iter()
            .filter(|(_, position)| !position.finished)
            .map(|(shard, position)| (*shard, position.next))
    }

    /// The next batch of any shard; waits for one. Cancel-safe: a batch is handed out once or not
    /// at all. Error [`StreamError::NotFound`] also where the stream has been created anew: this
    /// reader has nothing more to read then.
    pub async fn next(&mut self) -> Result<ShardBatch, StreamError> {
        loop {
            if self.ended.is_some() {
                return self.finish_read().await;
            }
            if let Some((shard, from)) = self.missing {
                return self.give_up(shard, from).await;
            }
            if let Some((shard, from, oldest)) = self.trimmed {
                return self.pass_expired(shard, from, oldest).await;
            }
            match self.reads.next().await {
                Some((shard, _, Ok(batch))) => self.ended = Some((shard, batch)),
                Some((shard, from, Err(StreamError::Trimmed { oldest, .. }))) => {
                    self.trimmed = Some((shard, from, oldest));
                }
                Some((shard, from, Err(StreamError::ShardNotFound { .. }))) => self.missing = Some((shard, from)),
                Some((shard, from, Err(error))) => {
                    // The read is put back, so that a caller who waits and calls again goes on
                    // where it was.
                    self.start_read(shard, from);
                    return Err(error);
                }
                None => self.look_again().await?,
            }
        }
    }

    /// Whether the stream that it reads is no more, or another one has its name.
    pub async fn is_gone(&mut self) -> bool {
        matches!(self.describe().await, Err(StreamError::NotFound(_)))
    }

    /// The stream now. Error: another one has its name.
    async fn describe(&mut self) -> Result<Arc<StreamDescription>, StreamError> {
        let description = self.store.describe(&self.stream).await?;
        match description.lives.first == self.description.lives.first {
            true => Ok(description),
            false => Err(StreamError::NotFound(self.stream.clone())),
        }
    }

    /// Goes on behind what has expired, and says so at once: nobody knows when the next record
    /// comes. It promises nothing about time. The news stays in `trimmed` until nothing can fail or
    /// be cancelled any more.
    async fn pass_expired(
        &mut self,
        shard: ShardId,
        from: SequenceNumber,
        oldest: SequenceNumber,
    ) -> Result<ShardBatch, StreamError> {
        let description = self.describe().await?;
        self.trimmed = None;
        let known = description.shards.get(shard).or_else(|| self.description.shards.get(shard));
        let expired = known.map_or_else(
            || description.lives.at_least_between(from, oldest),
            |shard| shard.records_between(from, oldest),
        );
        let position = Position::at(oldest);
        self.positions.insert(shard, position);
        self.start_read(shard, oldest);
        Ok(ShardBatch {
            stream: Arc::clone(&self.description),
            shard,
            owned: self.owned(shard),
            records: Vec::new(),
            position,
            at_tip: false,
            complete_until: Timestamp::MIN,
            expired: expired + self.expired.remove(&shard).unwrap_or(0),
            lost: 0,
        })
    }

    /// Goes on without a shard that has expired. It stays `missing` until nothing can fail or be
    /// cancelled any more.
    async fn give_up(&mut self, shard: ShardId, from: SequenceNumber) -> Result<ShardBatch, StreamError> {
        let description = self.describe().await?;
        self.missing = None;
        if description.shards.get(shard).is_some() {
            self.start_read(shard, from);
            return Err(StreamError::ShardNotFound { stream: self.stream.clone(), shard });
        }
        let owned = self.owned(shard);
        let missed = self.settle_without(description, Some((shard, from)));
        let position = self.positions.get(&shard).copied().unwrap_or(Position { next: from, finished: true });
        Ok(ShardBatch {
            stream: Arc::clone(&self.description),
            shard,
            owned,
            records: Vec::new(),
            position,
            at_tip: false,
            complete_until: Timestamp::MAX,
            expired: missed + self.expired.remove(&shard).unwrap_or(0),
            lost: 0,
        })
    }

    /// Looks for a shard to read when there is none: the store's description came later than the
    /// end of the last shard.
    async fn look_again(&mut self) -> Result<(), StreamError> {
        let description = self.describe().await?;
        self.settle(description);
        if !self.reads.is_empty() {
            return Ok(());
        }
        let source = io::Error::other("all shards that it lists have ended");
        Err(StreamError::Io { stream: self.stream.clone(), doing: "looking for an open shard".to_owned(), source })
    }

    /// Asks every active shard that is at its tip how far time is complete there, without waiting
    /// for records. What can be read meanwhile comes with it.
    pub async fn poll_tips(&mut self) -> Result<Vec<ShardBatch>, StreamError> {
        // What another stream of the name promises is not of this one.
        self.describe().await?;
        let mut batches = Vec::new();
        let asked: Vec<_> = self.unfinished().collect();
        for (shard, next) in asked {
            // One record says that the shard is not at its tip. It is left to the read in flight, which
            // returns it in its turn.
            let limit = ReadLimit { records_max: 1, bytes_max: 1, wait: false };
            match self.store.read(&self.stream, shard, next, limit).await {
                Ok(batch) if batch.records.is_empty() && !batch.end_of_shard && batch.lost == 0 => {
                    batches.push(ShardBatch {
                        stream: Arc::clone(&self.description),
                        shard,
                        owned: self.owned(shard),
                        records: Vec::new(),
                        position: Position::at(next),
                        at_tip: true,
                        complete_until: batch.complete_until,
                        expired: 0,
                        lost: 0,
                    })
                }
                // So is the news of what has expired or is lost.
                Ok(_) | Err(StreamError::Trimmed { .. } | StreamError::ShardNotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(batches)
    }

    fn owned(&self, shard: ShardId) -> HashKeyRange {
        owned(&self.owned, shard)
    }

    /// Turns the ended read into a batch. The read stays in `ended` until nothing can fail or be
    /// cancelled any more, so that a call which does is simply repeated.
    async fn finish_read(&mut self) -> Result<ShardBatch, StreamError> {
        let (shard, ended) = self.ended.as_ref().map(|(shard, batch)| (*shard, batch)).expect("a read has ended");
        let (owned, end_of_shard) = (self.owned(shard), ended.end_of_shard);
        let position = Position { next: ended.next, finished: end_of_shard };
        // After the read, so that the description knows of every record in it.
        if end_of_shard || !ended.records.is_empty() {
            let description = self.describe().await?;
            if end_of_shard {
                self.positions.insert(shard, position);
            }
            if end_of_shard || !Arc::ptr_eq(&description, &self.description) {
                *self.expired.entry(shard).or_default() += self.settle_without(description, None);
            }
        }
        let (_, batch) = self.ended.take().expect("it stays until it is handed out");
        self.positions.insert(shard, position);
        if !end_of_shard {
            self.start_read(shard, batch.next);
        }
        Ok(ShardBatch {
            stream: Arc::clone(&self.description),
            shard,
            owned,
            at_tip: batch.next == batch.tip,
            complete_until: if end_of_shard { Timestamp::MAX } else { batch.complete_until },
            records: batch.records,
            position,
            expired: self.expired.remove(&shard).unwrap_or(0),
            lost: batch.lost,
        })
    }

    /// Takes over what the stream is now. What was missed is told with the first shard that is read.
    fn settle(&mut self, description: Arc<StreamDescription>) {
        let missed = self.settle_without(description, None);
        let first = self.active().next();
        if let Some(shard) = first {
            *self.expired.entry(shard).or_default() += missed;
        }
    }

    /// Takes over what the stream is now, without `expired`, of which no more can be read: begins the
    /// shards whose turn it is, and drops positions that nothing needs any more. Returns how many
    /// numbers were missed.
    fn settle_without(
        &mut self,
        description: Arc<StreamDescription>,
        expired: Option<(ShardId, SequenceNumber)>,
    ) -> u64 {
        let map = &description.shards;
        let mut missed = expired.map_or(0, |(shard, next)| self.count_expired(&description, shard, next));
        let expiring: Vec<HashKeyRange> =
            self.active().filter(|id| map.get(*id).is_none()).map(|id| self.owned(id)).collect();
        let begun = to_begin(map, &self.positions, self.within, &expiring);
        let owned = |id| owned(&self.owned, id);
        for (from, to) in came_and_went(map, &mut self.positions, owned, &begun) {
            missed += description.lives.at_least_between(from, to);
        }
        for shard in begun {
            self.positions.insert(shard.id, Position::at(shard.first));
            self.within = self.within.joined(&shard.range);
            self.start_read(shard.id, shard.first);
        }
        // What came from it may have been lost, until all of that is begun.
        let waiting = unread(map, &self.positions, self.within);
        let is_done = |(id, position): (&ShardId, &Position)| {
            let range = self.owned(*id);
            position.finished && map.get(*id).is_none() && !waiting.values().any(|shard| shard.range.overlaps(&range))
        };
        let done: Vec<ShardId> = self.positions.iter().filter(|at| is_done(*at)).map(|(id, _)| *id).collect();
        for id in done {
            self.positions.remove(&id);
        }
        self.owned.extend(map.iter().map(|shard| (shard.id, shard.range)));
        self.owned.retain(|id, _| map.get(*id).is_some() || self.positions.contains_key(id));
        self.description = description;
        missed
    }

    /// How many records from `next` on `shard` had when it expired, as far as that is known; it is
    /// finished then. Exact where the shard was known to be closed.
    fn count_expired(&mut self, now: &StreamDescription, shard: ShardId, next: SequenceNumber) -> u64 {
        let known = self.description.shards.get(shard);
        let end = end_of_expired(&now.shards, known, shard, next);
        self.positions.insert(shard, Position { next: end, finished: true });
        known.map_or_else(|| now.lives.at_least_between(next, end), |known| known.records_between(next, end))
    }

    fn start_read(&mut self, shard: ShardId, from: SequenceNumber) {
        let (store, stream) = (Arc::clone(&self.store), self.stream.clone());
        let limit = ReadLimit { records_max: READ_RECORDS_MAX, bytes_max: READ_BYTES_MAX, wait: true };
        self.reads.push(Box::pin(async move { (shard, from, store.read(&stream, shard, from, limit).await) }));
    }
}

/// The hash keys of a shard; all of them where it was never listed: it is past retention then, and
/// there are no records of it.
fn owned(known: &BTreeMap<ShardId, HashKeyRange>, shard: ShardId) -> HashKeyRange {
    known.get(&shard).copied().unwrap_or(HashKeyRange::ALL)
}

/// The shards that a reader without positions begins with: the open ones for
/// [`StartingPosition::Latest`], else the oldest ones, whose children follow.
fn starting_shards(map: &ShardMap, start: StartingPosition) -> Vec<ShardId> {
    match start {
        StartingPosition::Latest => map.open().map(|shard| shard.id).collect(),
        _ => map.roots().map(|shard| shard.id).collect(),
    }
}

#[cfg(test)]
mod tests;
