//! One open stream: what readers and the writer share, and the read side of it. No lock is held over I/O.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use model::checkpoint::Checkpoint;
use model::clock::{Clock, Timestamp};
use model::name::{ConsumerName, StreamName};
use model::record::Record;
use model::sequence_number::SequenceNumber;
use model::shard::{ShardId, ShardMap};
use model::stream_store::{ReadBatch, ReadLimit, StartingPosition, StreamDescription, StreamError};
use tokio::sync::Notify;

use crate::log::block::Read;
use crate::log::error::LogError;
use crate::log::file::Disk;
use crate::log::frame::Place;
use crate::log::key::StreamKeys;
use crate::log::queue::Queue;
use crate::log::reader::{self, Stretch};
use crate::log::segment::Segment;
use crate::log::tail::Tail;

/// An open stream.
pub(crate) struct StreamLog {
    pub(crate) name: StreamName,
    pub(crate) folder: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) incarnation: u64,
    pub(crate) queue: Queue,
    shared: Mutex<Shared>,
}

/// What is durable, as readers see it.
pub(crate) struct Shared {
    pub(crate) description: Arc<StreamDescription>,
    pub(crate) shards: HashMap<ShardId, ShardState>,
    /// Oldest first; at least one.
    pub(crate) segments: Vec<Segment>,
    pub(crate) tail: Tail,
    /// What frames of its segments may be encrypted with.
    pub(crate) keys: Arc<StreamKeys>,
    pub(crate) checkpoints: BTreeMap<ConsumerName, Checkpoint>,
    /// No later record is stamped below this: the last stamp, or the last promise to a reader.
    pub(crate) floor: Timestamp,
    /// Records that arrived before it are not shown, though they may still be in a segment.
    pub(crate) horizon: Timestamp,
    /// The stamp of the group that is being written.
    pub(crate) in_flight: Option<Timestamp>,
    pub(crate) ended: Option<Ended>,
}

/// Why a stream takes no more.
#[derive(Debug, Clone)]
pub(crate) enum Ended {
    /// A write or sync failed; reads go on.
    Failed(String),
    /// The store is closed.
    Closed,
    /// The stream is deleted.
    Deleted,
}

/// One shard, open or closed.
pub(crate) struct ShardState {
    /// The oldest record kept; `next` when there is none. Exact as of `oldest_at`; below it, records may be in a segment
    /// and past retention.
    pub(crate) oldest: SequenceNumber,
    /// The horizon for which `oldest` was found.
    pub(crate) oldest_at: Timestamp,
    /// One past the last durable record.
    pub(crate) next: SequenceNumber,
    /// Told when records come, the shard closes, or the stream ends.
    pub(crate) changed: Arc<Notify>,
}

impl ShardState {
    /// A shard whose records, if it has any, are found by [`Shared::set_shards`].
    pub(crate) fn begins_at(next: SequenceNumber) -> Self {
        ShardState { oldest: SequenceNumber::FIRST, oldest_at: Timestamp::MIN, next, changed: Arc::default() }
    }
}

/// Where a read finds its records.
enum Found {
    Batch(ReadBatch),
    InFile(Stretch),
}

impl StreamLog {
    pub(crate) fn new(
        name: StreamName,
        folder: PathBuf,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        incarnation: u64,
        queue: Queue,
        shared: Shared,
    ) -> Self {
        StreamLog { name, folder, disk, clock, incarnation, queue, shared: Mutex::new(shared) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("no holder of the lock panics")
    }

    pub(crate) fn place(&self, segment: u64) -> Place {
        Place { incarnation: self.incarnation, segment }
    }

    pub(crate) fn description(&self) -> Arc<StreamDescription> {
        Arc::clone(&self.lock().description)
    }

    /// Why the stream takes no more records.
    pub(crate) fn ended(&self) -> StreamError {
        let reason = match &self.lock().ended {
            Some(Ended::Deleted) => return StreamError::NotFound(self.name.clone()),
            Some(Ended::Failed(reason)) => reason.clone(),
            Some(Ended::Closed) | None => "the store is closed".to_owned(),
        };
        StreamError::Stopped { stream: self.name.clone(), reason }
    }

    /// Ends the stream and wakes everyone who waits. The first reason stays, but for a deletion.
    pub(crate) fn end(&self, ended: Ended) {
        let mut shared = self.lock();
        if shared.ended.is_none() || matches!(ended, Ended::Deleted) {
            shared.ended = Some(ended);
        }
        for shard in shared.shards.values() {
            shard.changed.notify_waiters();
        }
    }

    pub(crate) async fn read(
        &self,
        shard: ShardId,
        from: SequenceNumber,
        limit: ReadLimit,
    ) -> Result<ReadBatch, StreamError> {
        let batch = self.read_stored(shard, from, limit).await?;
        match batch.records.first() {
            Some(first) if first.arrived_at < self.lock().horizon => {
                let oldest = self.oldest(shard).await?;
                Err(StreamError::Trimmed { stream: self.name.clone(), shard, oldest })
            }
            _ => Ok(batch),
        }
    }

    /// Reads what is stored, also what is past retention.
    async fn read_stored(
        &self,
        shard: ShardId,
        from: SequenceNumber,
        limit: ReadLimit,
    ) -> Result<ReadBatch, StreamError> {
        let changed = Arc::clone(&self.lock().shard(&self.name, shard)?.changed);
        loop {
            let mut changed = std::pin::pin!(changed.notified());
            changed.as_mut().enable();
            match self.find(shard, from, limit)? {
                Found::InFile(stretch) => return self.read_file(stretch, from, limit).await,
                Found::Batch(batch) if !limit.wait || !batch.records.is_empty() || batch.end_of_shard => {
                    return Ok(batch);
                }
                Found::Batch(_) => changed.await,
            }
        }
    }

    fn find(&self, shard: ShardId, from: SequenceNumber, limit: ReadLimit) -> Result<Found, StreamError> {
        let now = self.clock.now();
        let mut shared = self.lock();
        let state = shared.shard(&self.name, shard)?;
        let (oldest, next) = (state.oldest, state.next);
        if from < oldest {
            return Err(StreamError::Trimmed { stream: self.name.clone(), shard, oldest });
        }
        if from >= next {
            if limit.wait && matches!(shared.ended, Some(Ended::Closed)) {
                return Err(StreamError::Stopped { stream: self.name.clone(), reason: "the store is closed".into() });
            }
            return Ok(Found::Batch(shared.batch(shard, from, Vec::new(), now)));
        }
        match shared.tail.read(shard, from, limit) {
            Some(Ok(Read { records, .. })) => Ok(Found::Batch(shared.batch(shard, from, records, now))),
            Some(Err(reason)) => panic!("the tail in memory holds what was encoded: {reason}"),
            None => {
                let segments = shared.segments.iter();
                let mut holding = segments.filter_map(|s| s.index.shards.get(&shard).map(|index| (s, index)));
                let (segment, index) =
                    holding.find(|(_, index)| from < index.next).expect("records below the tip are in a segment");
                let (place, end) = (self.place(segment.id), segment.index.length);
                let keys = Arc::clone(&shared.keys);
                Ok(Found::InFile(Stretch { place, shard, begin: index.offset_of(from), end, keys }))
            }
        }
    }

    async fn read_file(
        &self,
        stretch: Stretch,
        from: SequenceNumber,
        limit: ReadLimit,
    ) -> Result<ReadBatch, StreamError> {
        let shard = stretch.shard;
        let result = self.blocking(move |disk, folder| reader::read(disk, folder, &stretch, from, limit)).await;
        let mut shared = self.lock();
        match result {
            Ok(records) => {
                let now = self.clock.now();
                shared.shard(&self.name, shard)?;
                Ok(shared.batch(shard, from, records, now))
            }
            // The segment was dropped between the look at the index and the read.
            Err(error) => match shared.shard(&self.name, shard)?.oldest {
                oldest if from < oldest => Err(StreamError::Trimmed { stream: self.name.clone(), shard, oldest }),
                _ => Err(error.of(&self.name)),
            },
        }
    }

    /// Runs file work off the async threads.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Disk, &std::path::Path) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let (disk, folder) = (Arc::clone(&self.disk), self.folder.clone());
        let done = tokio::task::spawn_blocking(move || work(&*disk, &folder)).await;
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    pub(crate) async fn locate(
        &self,
        shard: ShardId,
        position: StartingPosition,
    ) -> Result<SequenceNumber, StreamError> {
        let next = self.lock().shard(&self.name, shard)?.next;
        let from = match position {
            StartingPosition::Latest => return Ok(next),
            StartingPosition::TrimHorizon => return self.oldest(shard).await,
            StartingPosition::AtTime(at) => {
                let horizon = self.lock().horizon;
                return self.first_at(shard, at.max(horizon)).await;
            }
            StartingPosition::At(number) => number,
            StartingPosition::After(number) => SequenceNumber(number.0.saturating_add(1)),
        };
        Ok(from.min(next).max(self.oldest(shard).await?))
    }

    /// The oldest record that retention keeps; the next number where there is none.
    async fn oldest(&self, shard: ShardId) -> Result<SequenceNumber, StreamError> {
        let horizon = {
            let shared = self.lock();
            let state = shared.shard(&self.name, shard)?;
            let mut holding = shared.segments.iter().filter(|segment| segment.index.shards.contains_key(&shard));
            let begins_at = holding.next().and_then(|segment| segment.index.first_arrived_at);
            if shared.horizon <= state.oldest_at || begins_at.is_none_or(|begins_at| shared.horizon <= begins_at) {
                return Ok(state.oldest);
            }
            shared.horizon
        };
        let found = self.first_at(shard, horizon).await?;
        let mut shared = self.lock();
        shared.shard(&self.name, shard)?;
        let state = shared.shards.get_mut(&shard).expect("it was there under the same lock");
        state.oldest = state.oldest.max(found);
        state.oldest_at = state.oldest_at.max(horizon);
        Ok(state.oldest)
    }

    /// The first record that arrived at `at` or later; the next number where there is none.
    async fn first_at(&self, shard: ShardId, at: Timestamp) -> Result<SequenceNumber, StreamError> {
        let (oldest, next, stretches) = {
            let shared = self.lock();
            let state = shared.shard(&self.name, shard)?;
            let late = shared.segments.iter().filter(|segment| segment.index.last_arrived_at >= Some(at));
            let stretches = late.filter_map(|segment| {
                let index = segment.index.shards.get(&shard)?;
                let (place, end) = (self.place(segment.id), segment.index.length);
                Some(Stretch { place, shard, begin: index.offset_at(at), end, keys: Arc::clone(&shared.keys) })
            });
            (state.oldest, state.next, stretches.collect::<Vec<_>>())
        };
        for stretch in stretches {
            let found = self.blocking(move |disk, folder| reader::find(disk, folder, &stretch, at)).await;
            match found {
                Ok(None) => {}
                Ok(Some(number)) => return Ok(number),
                Err(error) => match self.lock().shard(&self.name, shard)?.oldest {
                    // Dropped meanwhile: what is left is younger.
                    now_oldest if oldest < now_oldest => return Ok(now_oldest),
                    _ => return Err(error.of(&self.name)),
                },
            }
        }
        Ok(next)
    }

    /// Verifies every durable frame of the stream.
    pub(crate) async fn verify(&self) -> Result<(), StreamError> {
        let stretches: Vec<Stretch> = {
            let shared = self.lock();
            let keys = &shared.keys;
            let whole = |s: &Segment| {
                let (place, end) = (self.place(s.id), s.index.length);
                Stretch { place, shard: ShardId(0), begin: 0, end, keys: Arc::clone(keys) }
            };
            shared.segments.iter().map(whole).collect()
        };
        let work = move |disk: &dyn Disk, folder: &std::path::Path| {
            stretches.iter().try_for_each(|stretch| reader::verify(disk, folder, stretch))
        };
        self.blocking(work).await.map_err(|error| error.of(&self.name))
    }
}

impl Shared {
    pub(crate) fn shard(&self, stream: &StreamName, shard: ShardId) -> Result<&ShardState, StreamError> {
        if matches!(self.ended, Some(Ended::Deleted)) {
            return Err(StreamError::NotFound(stream.clone()));
        }
        self.shards.get(&shard).ok_or_else(|| StreamError::ShardNotFound { stream: stream.clone(), shard })
    }

    /// A batch of `records`, read from `from` on, with what can be promised now.
    fn batch(&mut self, shard: ShardId, from: SequenceNumber, records: Vec<Record>, now: Timestamp) -> ReadBatch {
        let tip = self.shards.get(&shard).map_or(from, |state| state.next);
        let end = self.description.shards.get(shard).and_then(|shard| shard.end);
        let next = records.last().map_or(from, |record| record.sequence_number.next());
        let complete_until = match records.last() {
            Some(last) if next < tip => last.arrived_at,
            _ => self.promise(now),
        };
        ReadBatch { records, next, tip, end_of_shard: end.is_some_and(|end| end <= next), complete_until }
    }

    /// The time before which no record comes any more.
    fn promise(&mut self, now: Timestamp) -> Timestamp {
        self.in_flight.unwrap_or_else(|| {
            self.floor = self.floor.max(now);
            self.floor
        })
    }

    /// The stamp of the next group; promised to readers until it is published.
    pub(crate) fn stamp(&mut self, now: Timestamp) -> Timestamp {
        self.floor = self.floor.max(now);
        self.in_flight = Some(self.floor);
        self.floor
    }

    /// Takes over a new shard map, and finds the oldest record of every shard again.
    pub(crate) fn set_shards(&mut self, shards: ShardMap) {
        for shard in shards.iter() {
            let state = self.shards.entry(shard.id).or_insert_with(|| ShardState::begins_at(shard.first));
            let held = self.segments.iter().find_map(|segment| segment.index.shards.get(&shard.id));
            state.oldest = held.map_or(state.next, |index| index.first()).max(state.oldest);
        }
        for (_, gone) in self.shards.extract_if(|id, _| shards.get(*id).is_none()) {
            gone.changed.notify_waiters();
        }
        self.description = Arc::new(StreamDescription { shards, ..(*self.description).clone() });
    }
}
