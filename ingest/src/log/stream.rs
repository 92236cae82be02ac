//! One open stream: what readers ([`crate::log::read::reads`]) and the writer share. No lock is held over I/O.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use model::clock::{Clock, Timestamp};
use model::name::{ConsumerName, StreamName};
use model::stream::checkpoint::Checkpoint;
use model::stream::record::Record;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::{ShardId, ShardMap};
use model::stream::store::{ReadBatch, StreamDescription, StreamError};
use tokio::sync::Notify;

use crate::log::error::LogError;
use crate::log::files::file_reads::FileReads;
use crate::log::frames::key::StreamKeys;
use crate::log::frames::place::Place;
use crate::log::log_time::{LogTime, Reading};
use crate::log::read::losses::Losses;
use crate::log::read::tail::Tail;
use crate::log::segments::manifest::Manifest;
use crate::log::segments::segment::Segment;
use crate::log::status::StreamStatus;
use crate::log::write::queue::Queue;
use model::disk::Disk;

/// An open stream.
pub(crate) struct StreamLog {
    pub(crate) name: StreamName,
    pub(crate) folder: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) file_reads: FileReads,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) incarnation: u64,
    pub(crate) queue: Queue,
    shared: Mutex<Shared>,
}

/// What is durable, as readers see it.
pub(crate) struct Shared {
    pub(crate) description: Arc<StreamDescription>,
    pub(crate) shards: BTreeMap<ShardId, ShardState>,
    /// Oldest first; at least one.
    pub(crate) segments: Vec<Segment>,
    pub(crate) tail: Tail,
    /// What frames of its segments may be encrypted with.
    pub(crate) keys: Arc<StreamKeys>,
    /// Segments before it have no checkpoint that nobody needs any more, or could not be compacted.
    pub(crate) compact_from: u64,
    /// What was found damaged in segments since the stream was opened: the first place of each.
    pub(crate) damaged: BTreeMap<u64, String>,
    /// Numbers of its segments that a repair has given up.
    pub(crate) losses: Arc<Losses>,
    pub(crate) checkpoints: BTreeMap<ConsumerName, Checkpoint>,
    /// No later record is stamped below this: the last stamp, or the last promise to a reader.
    pub(crate) floor: Timestamp,
    pub(crate) time: LogTime,
    /// Records that arrived before it are not shown, though they may still be in a segment.
    pub(crate) horizon: Timestamp,
    /// The stamp of the group that is being written.
    pub(crate) in_flight: Option<Timestamp>,
    pub(crate) ended: Option<EndReason>,
}

/// Why a stream accepts no more records.
#[derive(Debug, Clone)]
pub(crate) enum EndReason {
    /// A write or sync failed; reads go on.
    Failed(String),
    /// The disk takes no writes; reads go on.
    ReadOnly,
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

impl StreamLog {
    /// The stream of a manifest.
    pub(crate) fn new(
        manifest: &Manifest,
        folder: PathBuf,
        disk: Arc<dyn Disk>,
        file_reads: FileReads,
        clock: Arc<dyn Clock>,
        queue: Queue,
        shared: Shared,
    ) -> Self {
        let (name, incarnation) = (manifest.name.clone(), manifest.incarnation);
        StreamLog { name, folder, disk, file_reads, clock, incarnation, queue, shared: Mutex::new(shared) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("no holder of the lock panics")
    }

    pub(crate) fn place(&self, segment: u64) -> Place {
        Place { incarnation: self.incarnation, segment }
    }

    pub(crate) fn read_clock(&self) -> Reading {
        Reading::of(&*self.clock)
    }

    pub(crate) fn description(&self) -> Arc<StreamDescription> {
        Arc::clone(&self.lock().description)
    }

    /// The stream, unless it is being deleted: whoever was told so finds no stream from then on.
    pub(crate) fn describe(&self) -> Result<Arc<StreamDescription>, StreamError> {
        let shared = self.lock();
        match shared.ended {
            Some(EndReason::Deleted) => Err(StreamError::NotFound(self.name.clone())),
            _ => Ok(Arc::clone(&shared.description)),
        }
    }

    /// What its log is like now.
    pub(crate) fn status(&self) -> StreamStatus {
        let shared = self.lock();
        StreamStatus {
            name: self.name.clone(),
            segments: shared.segments.len(),
            bytes: shared.segments.iter().map(|segment| segment.index.length).sum(),
            open_shards: shared.description.shards.open_count(),
            halted: shared.ended.is_some(),
            lost_records: shared.losses.records(),
            damaged: shared.damaged.values().cloned().collect(),
        }
    }

    /// Takes note of damage in a segment.
    pub(crate) fn note_damage(&self, segment: u64, error: &LogError) {
        if let LogError::Damaged { file, offset, reason } = error {
            let found = format!("{}/{file} at offset {offset}: {reason}", self.name);
            self.lock().damaged.entry(segment).or_insert(found);
        }
    }

    /// Why the stream takes no more records.
    pub(crate) fn ended(&self) -> StreamError {
        let reason = match &self.lock().ended {
            Some(EndReason::Deleted) => return StreamError::NotFound(self.name.clone()),
            Some(EndReason::ReadOnly) => return StreamError::ReadOnly(self.name.clone()),
            Some(EndReason::Failed(reason)) => reason.clone(),
            Some(EndReason::Closed) | None => "the store is closed".to_owned(),
        };
        StreamError::Stopped { stream: self.name.clone(), reason }
    }

    /// Ends the stream and wakes everyone who waits. The first reason stays, but for a deletion.
    pub(crate) fn end(&self, ended: EndReason) {
        let mut shared = self.lock();
        if shared.ended.is_none() || matches!(ended, EndReason::Deleted) {
            shared.ended = Some(ended);
        }
        for shard in shared.shards.values() {
            shard.changed.notify_waiters();
        }
    }
}

impl Shared {
    pub(crate) fn shard(&self, stream: &StreamName, shard: ShardId) -> Result<&ShardState, StreamError> {
        if matches!(self.ended, Some(EndReason::Deleted)) {
            return Err(StreamError::NotFound(stream.clone()));
        }
        self.shards.get(&shard).ok_or_else(|| StreamError::ShardNotFound { stream: stream.clone(), shard })
    }

    /// A batch of `records`, read from `from` on, with what can be promised now.
    pub(crate) fn batch(
        &mut self,
        shard: ShardId,
        from: SequenceNumber,
        records: Vec<Record>,
        read_at: Reading,
    ) -> ReadBatch {
        let tip = self.shards.get(&shard).map_or(from, |state| state.next);
        let known = self.description.shards.get(shard);
        let end = known.and_then(|shard| shard.end);
        let next = records.last().map_or(from, |record| record.sequence_number.next());
        let next = known.map_or(next, |shard| shard.first_from(next));
        let complete_until = match records.last() {
            Some(last) if next < tip => last.arrived_at,
            _ => self.promise(read_at),
        };
        ReadBatch { records, next, tip, end_of_shard: end.is_some_and(|end| end <= next), complete_until, lost: 0 }
    }

    /// The time before which no record comes any more.
    fn promise(&mut self, read_at: Reading) -> Timestamp {
        self.in_flight.unwrap_or_else(|| self.now(read_at))
    }

    /// The log's time, below which nothing is stamped any more.
    pub(crate) fn now(&mut self, read_at: Reading) -> Timestamp {
        self.floor = self.floor.max(self.time.at(read_at));
        self.floor
    }

    /// What retention counts as now: no record that is put from here on is ever older than it allows.
    pub(crate) fn retention_time(&mut self, read_at: Reading) -> Timestamp {
        let now = self.now(read_at);
        self.time.for_retention().min(now)
    }

    /// The stamp of the next group; promised to readers until it is published.
    pub(crate) fn stamp(&mut self, read_at: Reading) -> Timestamp {
        let now = self.now(read_at);
        self.in_flight = Some(now);
        now
    }

    /// Takes over a new shard map, and finds the oldest record of every shard again.
    pub(crate) fn set_shards(&mut self, shards: ShardMap) {
        for shard in shards.iter() {
            let state = self.shards.entry(shard.id).or_insert_with(|| ShardState::begins_at(shard.first));
            let held = self.segments.iter().find_map(|segment| segment.index.shards.get(&shard.id));
            // A reader at a loss is told of it, and so is one that begins there.
            let first = held.map(|index| index.first()).into_iter().chain(self.losses.first_of(shard.id)).min();
            state.oldest = first.unwrap_or(state.next).max(state.oldest);
        }
        for (_, gone) in self.shards.extract_if(.., |id, _| shards.get(*id).is_none()) {
            gone.changed.notify_waiters();
        }
        self.description = Arc::new(StreamDescription { shards, ..(*self.description).clone() });
    }
}
