//! The one writer of a stream: numbers, stamps, frames, syncs and publishes, a group at a time.
//!
//! While a sync runs, everything that arrives waits in the queue and becomes the next group: no timer, and one sync
//! acknowledges all. A write or sync that fails is never tried again: what reached the disk is unknown, so the stream
//! takes no more until it is opened anew.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use model::checkpoint::Checkpoint;
use model::clock::Timestamp;
use model::name::ConsumerName;
use model::record::Appended;
use model::sequence_number::SequenceNumber;
use model::shard::{Reshard, ShardId, ShardMap};
use model::stream_settings::StreamSettings;
use model::stream_store::{StreamDescription, StreamError};
use tracing::{error, info, warn};

use crate::log::error::LogError;
use crate::log::file::{Disk, LogFile};
use crate::log::frame::{Block, Framed, Group, Head, Place, ShardEntries};
use crate::log::index::SegmentIndex;
use crate::log::manifest::{Manifest, Synced};
use crate::log::queue::{Closing, Done, HashedEntry, Job};
use crate::log::retention;
use crate::log::segment::{self, Segment, log_name};
use crate::log::stream::{Ended, StreamLog};

/// A records frame is closed when it reaches this: what a reader at most reads and checks for one record, but for
/// larger records.
const FRAME_BYTES_MAX: usize = 1 << 20;

/// Owns the end of a stream's log.
pub(crate) struct Writer {
    pub(crate) stream: Arc<StreamLog>,
    pub(crate) manifest: Manifest,
    pub(crate) file: Arc<dyn LogFile>,
    /// The segment being written.
    pub(crate) segment: u64,
    /// Where the next group goes.
    pub(crate) length: u64,
    /// Where the segment's first group ended; does not count towards its size.
    pub(crate) head_bytes: u64,
    /// The next number of every shard, ahead of what is durable.
    pub(crate) next: BTreeMap<ShardId, SequenceNumber>,
    pub(crate) segment_bytes_max: u64,
    pub(crate) group_bytes_max: usize,
}

/// Ends the stream when its writer panics, so that nobody waits for it.
struct Fallen(Arc<StreamLog>);

impl Drop for Fallen {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.end(Ended::Failed("its writer panicked".to_owned()));
            self.0.queue.close(Closing::Abandon);
            // Dropped jobs answer their callers with the stream's end.
            drop(self.0.queue.drain());
        }
    }
}

/// An answer that is given once the group is durable.
enum Answer {
    Appended(Done<Vec<Appended>>, Vec<Appended>),
    Refused(Done<Vec<Appended>>, StreamError),
}

/// A group that is being put together.
struct Draft {
    group: Group,
    map: ShardMap,
    arrived_at: Timestamp,
    /// Entries that are numbered but not framed yet, per shard.
    pending: BTreeMap<ShardId, (ShardEntries, usize)>,
    checkpoints: HashMap<ConsumerName, Checkpoint>,
    answers: Vec<Answer>,
}

impl Writer {
    /// Works until the queue is closed or a write fails. Runs on a thread of its own.
    pub(crate) fn run(mut self) {
        let stream = Arc::clone(&self.stream);
        let _fallen = Fallen(Arc::clone(&stream));
        while let Some(jobs) = stream.queue.take(self.group_bytes_max) {
            if let Err(failed) = self.work(jobs) {
                self.fail(&failed);
                return;
            }
        }
        if stream.queue.is_draining()
            && let Err(failed) = self.mark()
        {
            self.fail(&failed);
        }
        for job in stream.queue.drain() {
            job.fail(stream.ended());
        }
    }

    /// Moves the durable mark to the end of the log: nothing below it is ever taken for an unfinished write.
    fn mark(&mut self) -> Result<(), LogError> {
        let floor = self.stream.lock().floor;
        let synced = Synced { segment: self.segment, length: self.length, floor };
        self.manifest.synced = synced;
        self.manifest.save(&*self.stream.disk, &self.stream.folder)
    }

    fn fail(&self, failed: &LogError) {
        let reason = failed.in_full();
        error!(stream = %self.stream.name, reason, "stream stopped");
        self.stream.end(Ended::Failed(reason));
        self.stream.queue.close(Closing::Abandon);
        for job in self.stream.queue.drain() {
            job.fail(self.stream.ended());
        }
    }

    fn work(&mut self, mut jobs: Vec<Job>) -> Result<(), LogError> {
        match jobs.pop() {
            Some(Job::Reshard { change, done }) => {
                let result = self.reshard(change);
                self.answer(done, result)
            }
            Some(Job::Alter { from_to, done }) => {
                let (from, to) = *from_to;
                let result = self.alter(&from, to);
                self.answer(done, result)
            }
            Some(Job::Trim { done }) => {
                let result = self.trim().map(Ok);
                self.answer(done, result)
            }
            Some(job) => {
                jobs.push(job);
                self.write(jobs)?;
                if self.length - self.head_bytes >= self.segment_bytes_max { self.roll() } else { Ok(()) }
            }
            None => Ok(()),
        }
    }

    /// Answers a change of the stream. A failure of the disk stops the writer.
    fn answer<T>(&self, done: Done<T>, result: Result<Result<T, StreamError>, LogError>) -> Result<(), LogError> {
        let (answer, failed) = match result {
            Ok(answer) => (answer, Ok(())),
            Err(failed) => {
                let reason = failed.in_full();
                (Err(StreamError::Stopped { stream: self.stream.name.clone(), reason }), Err(failed))
            }
        };
        // A caller that has gone away does not need the answer.
        let _ = done.send(answer);
        failed
    }

    fn write(&mut self, jobs: Vec<Job>) -> Result<(), LogError> {
        let waited = jobs.iter().filter_map(Job::bytes).sum();
        let arrived_at = self.stream.lock().stamp(self.stream.clock.now());
        let group = Group::new(self.place(), self.length, self.length, arrived_at);
        let map = self.manifest.shards.clone();
        let (pending, checkpoints, answers) = (BTreeMap::new(), HashMap::new(), Vec::new());
        let mut draft = Draft { group, map, arrived_at, pending, checkpoints, answers };
        for job in jobs {
            match job {
                Job::Append { entries, done, .. } => {
                    let appended = self.number(&mut draft, entries);
                    draft.answers.push(Answer::Appended(done, appended));
                }
                Job::Commit { consumer, checkpoint, outputs, done, .. } => {
                    let answer = self.commit(&mut draft, consumer, checkpoint, outputs, done);
                    draft.answers.push(answer);
                }
                Job::Reshard { .. } | Job::Alter { .. } | Job::Trim { .. } => {
                    unreachable!("changes of the stream come alone")
                }
            }
        }
        draft.flush();
        let (bytes, frames) = draft.group.finish();
        let written = if bytes.is_empty() {
            Ok(())
        } else {
            let name = log_name(self.segment);
            let written = self.file.write_at(self.length, &bytes).map_err(LogError::io(format!("writing {name}")));
            written.and_then(|()| self.file.sync().map_err(LogError::io(format!("syncing {name}"))))
        };
        if let Err(failed) = written {
            let reason = failed.in_full();
            for answer in draft.answers {
                let stream = self.stream.name.clone();
                answer.fail(StreamError::Stopped { stream, reason: reason.clone() });
            }
            return Err(failed);
        }
        self.length += bytes.len() as u64;
        self.publish(bytes, &frames, draft.arrived_at, draft.checkpoints);
        // Room first: who is answered may come again at once.
        self.stream.queue.release(waited);
        draft.answers.into_iter().for_each(Answer::give);
        Ok(())
    }

    /// Routes and numbers entries; they are framed with others of their shard.
    fn number(&mut self, draft: &mut Draft, entries: Vec<HashedEntry>) -> Vec<Appended> {
        let mut appended = Vec::with_capacity(entries.len());
        for (hash, entry) in entries {
            let shard = draft.map.route(hash);
            let next = self.next.get_mut(&shard).expect("every open shard has a next number");
            let sequence_number = *next;
            *next = next.next();
            appended.push(Appended { shard, sequence_number, arrived_at: draft.arrived_at });
            let fresh = || ((shard, sequence_number, Vec::new()), 0);
            let (entries, bytes) = draft.pending.entry(shard).or_insert_with(fresh);
            *bytes += entry.size_bytes();
            entries.2.push(entry);
            if *bytes >= FRAME_BYTES_MAX
                && let Some((entries, _)) = draft.pending.remove(&shard)
            {
                draft.group.push_records(&entries);
            }
        }
        appended
    }

    /// Frames a commit whole, or refuses it.
    fn commit(
        &mut self,
        draft: &mut Draft,
        consumer: ConsumerName,
        checkpoint: Checkpoint,
        outputs: Vec<HashedEntry>,
        done: Done<Vec<Appended>>,
    ) -> Answer {
        let found = match draft.checkpoints.get(&consumer) {
            Some(pending) => pending.version,
            None => self.stream.lock().checkpoints.get(&consumer).map_or(0, |checkpoint| checkpoint.version),
        };
        if checkpoint.version != found + 1 {
            let expected = checkpoint.version.saturating_sub(1);
            return Answer::Refused(done, StreamError::CheckpointConflict { consumer, expected, found });
        }
        // Numbers in a shard follow the order of frames.
        draft.flush();
        let mut groups: BTreeMap<ShardId, ShardEntries> = BTreeMap::new();
        let mut appended = Vec::with_capacity(outputs.len());
        for (hash, entry) in outputs {
            let shard = draft.map.route(hash);
            let next = self.next.get_mut(&shard).expect("every open shard has a next number");
            let group = groups.entry(shard).or_insert_with(|| (shard, *next, Vec::new()));
            group.2.push(entry);
            appended.push(Appended { shard, sequence_number: *next, arrived_at: draft.arrived_at });
            *next = next.next();
        }
        let groups: Vec<_> = groups.into_values().collect();
        draft.group.push_commit(&consumer, &checkpoint, &groups);
        draft.checkpoints.insert(consumer, checkpoint);
        Answer::Appended(done, appended)
    }

    /// Shows a durable group to readers.
    fn publish(
        &self,
        bytes: Bytes,
        frames: &[Framed],
        arrived_at: Timestamp,
        checkpoints: HashMap<ConsumerName, Checkpoint>,
    ) {
        let mut shared = self.stream.lock();
        let shared = &mut *shared;
        let index = &mut shared.segments.last_mut().expect("one segment is being written").index;
        let mut blocks = Vec::new();
        for frame in frames {
            for block in &frame.blocks {
                index.note(block.shard, block.first, block.count, arrived_at, frame.offset);
                let payload = bytes.slice(block.start..block.end);
                let (shard, first, count) = (block.shard, block.first, block.count);
                blocks.push(Block { shard, first, count, arrived_at, payload });
            }
        }
        index.length = self.length;
        index.last_arrived_at = index.last_arrived_at.max(Some(arrived_at));
        for block in &blocks {
            let state = shared.shards.get_mut(&block.shard).expect("every open shard has a state");
            state.next = block.end();
        }
        for block in &blocks {
            shared.shards[&block.shard].changed.notify_waiters();
        }
        shared.tail.push(bytes.len(), blocks);
        shared.checkpoints.extend(checkpoints);
        shared.in_flight = None;
    }

    fn place(&self) -> Place {
        self.stream.place(self.segment)
    }

    /// Seals the segment and goes on in a new one, which begins with the newest checkpoints.
    fn roll(&mut self) -> Result<(), LogError> {
        let stream = Arc::clone(&self.stream);
        let (sealed, checkpoints, floor) = {
            let shared = stream.lock();
            let sealed = shared.segments.last().expect("one segment is being written").index.clone();
            (sealed, shared.checkpoints.clone(), shared.floor)
        };
        if let Err(error) = segment::save_index(&*stream.disk, &stream.folder, self.place(), &sealed) {
            warn!(stream = %stream.name, %error, "index not saved, it will be rebuilt");
        }
        let place = stream.place(self.segment + 1);
        let next = self.manifest.shards.iter().map(|shard| (shard.id, self.next[&shard.id])).collect();
        let head = Head { before_bytes: self.length, checkpoints: 0, next };
        let (file, length) = create_segment(&*stream.disk, &stream.folder, place, floor, head, &checkpoints)?;
        (self.file, self.segment, self.length, self.head_bytes) = (file, place.segment, length, length);
        let index = SegmentIndex { length, last_arrived_at: Some(floor), ..SegmentIndex::default() };
        stream.lock().segments.push(Segment { id: place.segment, index });
        Ok(())
    }

    fn reshard(&mut self, change: Reshard) -> Result<Result<Arc<StreamDescription>, StreamError>, LogError> {
        // Children are never created before their parents' last record.
        let now = self.stream.clock.now().max(self.stream.lock().floor);
        let shards = match self.manifest.shards.resharded(change, now, |shard| self.next[&shard]) {
            Ok(shards) => shards,
            Err(source) => return Ok(Err(StreamError::Reshard { stream: self.stream.name.clone(), source })),
        };
        self.manifest.shards = shards.clone();
        self.mark()?;
        for shard in shards.iter() {
            self.next.entry(shard.id).or_insert(shard.first);
        }
        let mut shared = self.stream.lock();
        shared.set_shards(shards);
        for closed in shared.description.shards.iter().filter(|shard| !shard.is_open()) {
            shared.shards[&closed.id].changed.notify_waiters();
        }
        info!(stream = %self.stream.name, shards = shared.description.shards.open_count(), "stream resharded");
        Ok(Ok(Arc::clone(&shared.description)))
    }

    fn alter(
        &mut self,
        from: &StreamSettings,
        to: StreamSettings,
    ) -> Result<Result<Arc<StreamDescription>, StreamError>, LogError> {
        if self.manifest.settings != *from {
            return Ok(Err(StreamError::SettingsConflict(self.stream.name.clone())));
        }
        if to.retention < from.retention {
            self.manifest.horizon = self.manifest.horizon.max(self.stream.clock.now() - to.retention);
        }
        self.manifest.settings = to.clone();
        self.mark()?;
        let mut shared = self.stream.lock();
        shared.horizon = self.manifest.horizon;
        shared.description = Arc::new(StreamDescription { settings: to, ..(*shared.description).clone() });
        info!(stream = %self.stream.name, "settings altered");
        Ok(Ok(Arc::clone(&shared.description)))
    }

    /// Drops whole segments from the front, and shards that were closed so long ago.
    fn trim(&mut self) -> Result<(), LogError> {
        let (stream, now) = (Arc::clone(&self.stream), self.stream.clock.now());
        let settings = self.manifest.settings.clone();
        self.manifest.horizon = self.manifest.horizon.max(now - settings.retention);
        stream.lock().horizon = self.manifest.horizon;
        let seal = retention::should_seal(stream.lock().segments.last().expect("at least one"), &settings, now);
        if seal {
            self.roll()?;
        }
        let shards = self.manifest.shards.without_closed_before(self.manifest.horizon);
        let dropped: Vec<u64> = {
            let shared = stream.lock();
            let expired = retention::expired(&shared.segments, &settings, now);
            shared.segments[..expired].iter().map(|segment| segment.id).collect()
        };
        let Some(last) = dropped.last() else {
            if shards == self.manifest.shards {
                return Ok(());
            }
            return self.trimmed(0, shards);
        };
        // The manifest first: files that it no longer names are only leftovers.
        self.manifest.oldest_segment = last + 1;
        self.trimmed(dropped.len(), shards)?;
        for name in dropped.iter().flat_map(|id| [log_name(*id), segment::index_name(*id)]) {
            if let Err(error) = stream.disk.remove(&stream.folder.join(&name))
                && error.kind() != std::io::ErrorKind::NotFound
            {
                warn!(stream = %stream.name, file = %name, %error, "dropped file not removed; the next start removes it");
            }
        }
        info!(stream = %stream.name, segments = dropped.len(), "segments dropped");
        Ok(())
    }

    fn trimmed(&mut self, dropped: usize, shards: ShardMap) -> Result<(), LogError> {
        self.manifest.shards = shards.clone();
        self.mark()?;
        self.next.retain(|shard, _| shards.get(*shard).is_some());
        let mut shared = self.stream.lock();
        shared.segments.drain(..dropped);
        shared.set_shards(shards);
        Ok(())
    }
}

impl Draft {
    /// Frames what is numbered.
    fn flush(&mut self) {
        for (entries, _) in std::mem::take(&mut self.pending).into_values() {
            self.group.push_records(&entries);
        }
    }
}

impl Answer {
    // A caller that has gone away does not need the answer.
    fn give(self) {
        match self {
            Answer::Appended(done, appended) => drop(done.send(Ok(appended))),
            Answer::Refused(done, error) => drop(done.send(Err(error))),
        }
    }

    fn fail(self, error: StreamError) {
        match self {
            Answer::Appended(done, _) => drop(done.send(Err(error))),
            Answer::Refused(done, refused) => drop(done.send(Err(refused))),
        }
    }
}

/// Creates a segment file with its head and the checkpoints; it and its name are durable when this returns.
pub(crate) fn create_segment(
    disk: &dyn Disk,
    folder: &Path,
    place: Place,
    stamp: Timestamp,
    head: Head,
    checkpoints: &BTreeMap<ConsumerName, Checkpoint>,
) -> Result<(Arc<dyn LogFile>, u64), LogError> {
    let name = log_name(place.segment);
    let create = || {
        let file = disk.create(&folder.join(&name))?;
        let mut group = Group::new(place, 0, 0, stamp);
        group.push_head(&Head { checkpoints: u32::try_from(checkpoints.len()).unwrap_or(u32::MAX), ..head });
        let mut length = 0;
        let mut write = |group: Group| {
            let (bytes, _) = group.finish();
            file.write_at(length, &bytes)?;
            length += bytes.len() as u64;
            Ok::<_, std::io::Error>(length)
        };
        let mut offset = write(group)?;
        for (consumer, checkpoint) in checkpoints {
            let mut group = Group::new(place, 0, offset, stamp);
            group.push_commit(consumer, checkpoint, &[]);
            offset = write(group)?;
        }
        file.sync()?;
        disk.sync_folder(folder)?;
        Ok((file, offset))
    };
    create().map_err(LogError::io(format!("creating {name}")))
}
