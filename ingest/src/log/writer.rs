//! The one writer of a stream: numbers, stamps, frames, syncs and publishes, a group at a time.
//!
//! While a sync runs, everything that arrives waits in the queue and becomes the next group: no timer, and one sync
//! acknowledges all. A write or sync that fails is never tried again: what reached the disk is unknown, so the stream
//! takes no more until it is opened anew. But for a full disk: then what was begun is undone ([`crate::log::room`]), who
//! waits for it is told, and the next call finds the stream as it was.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use model::checkpoint::Checkpoint;
use model::clock::Timestamp;
use model::name::ConsumerName;
use model::sequence_number::SequenceNumber;
use model::shard::{Reshard, Shard, ShardId};
use model::stream_settings::StreamSettings;
use model::stream_store::{StreamDescription, StreamError};
use tracing::{error, info, warn};

use crate::log::batch::Placed;
use crate::log::block::{Block, Unnumbered};
use crate::log::cipher::Sealer;
use crate::log::draft::{Answer, Draft};
use crate::log::error::LogError;
use crate::log::file::{Disk, LogFile};
use crate::log::frame::Place;
use crate::log::group::Group;
use crate::log::head::Head;
use crate::log::index::SegmentIndex;
use crate::log::key::{KeyRing, StreamKeys};
use crate::log::manifest::{Manifest, Synced};
use crate::log::queue::{Closing, Done, Job};
use crate::log::retention;
use crate::log::room::{self, is_full};
use crate::log::segment::{self, Segment, log_name};
use crate::log::stream::{Ended, StreamLog};

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
    /// Whether the disk had no room the last time.
    pub(crate) full: bool,
    /// Keys that the stream may be told to be encrypted with.
    pub(crate) ring: KeyRing,
    /// Encrypts what is written to the segment, where the stream is told so.
    pub(crate) sealer: Option<Arc<Sealer>>,
}

/// What encrypts frames at `place`, where `manifest` says so.
pub(crate) fn sealer(manifest: &Manifest, keys: &StreamKeys, place: Place) -> Option<Arc<Sealer>> {
    let key = manifest.key_in_use()?;
    let sealer = Sealer::new(keys, key.number, place);
    Some(Arc::new(sealer.expect("the keys of a manifest are unlocked when it is read")))
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
        if stream.queue.is_draining() {
            match self.mark() {
                Ok(()) => {}
                // The mark stays where it was: less is known after a crash, nothing is lost.
                Err(full @ LogError::Full { .. }) => self.note_full(&full),
                Err(failed) => self.fail(&failed),
            }
        }
        for job in stream.queue.drain() {
            job.fail(stream.ended());
        }
    }

    /// Moves the durable mark to the end of the log: nothing below it is ever taken for an unfinished write.
    fn mark(&mut self) -> Result<(), LogError> {
        self.save(self.manifest.clone())
    }

    /// Replaces the manifest, with the durable mark at the end of the log; the old one stands when there is no room.
    fn save(&mut self, mut manifest: Manifest) -> Result<(), LogError> {
        let floor = self.stream.lock().floor;
        manifest.synced = Synced { segment: self.segment, length: self.length, floor };
        manifest.save(&*self.stream.disk, &self.stream.folder)?;
        self.manifest = manifest;
        Ok(())
    }

    /// Says once that the disk is full, whatever comes until there is room again.
    fn note_full(&mut self, full: &LogError) {
        if !std::mem::replace(&mut self.full, true) {
            let (stream, reason) = (&self.stream.name, full.in_full());
            error!(%stream, reason, "disk is full: what is put is refused until there is room, reads go on");
        }
    }

    fn note_room(&mut self) {
        if std::mem::replace(&mut self.full, false) {
            info!(stream = %self.stream.name, "disk has room again");
        }
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
                if self.length - self.head_bytes >= self.segment_bytes_max { self.roll_if_room() } else { Ok(()) }
            }
            None => Ok(()),
        }
    }

    /// Answers a change of the stream. A failure of the disk stops the writer, but for want of room.
    fn answer<T>(&mut self, done: Done<T>, result: Result<Result<T, StreamError>, LogError>) -> Result<(), LogError> {
        let (answer, failed) = match result {
            Ok(answer) => (answer, Ok(())),
            Err(full @ LogError::Full { .. }) => {
                self.note_full(&full);
                (Err(full.of(&self.stream.name)), Ok(()))
            }
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
        let mut draft =
            Draft::new(Group::new(self.place(), self.length, self.length, arrived_at).sealed_by(self.sealer.clone()));
        for job in jobs {
            match job {
                Job::Append { blocks, done, .. } => {
                    let placed = self.append(&mut draft, blocks);
                    draft.answers.push(Answer::Placed(done, placed));
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
        let Draft { group, checkpoints, answers, .. } = draft;
        match self.write_group(&group) {
            Ok(()) => {}
            Err(full @ LogError::Full { .. }) => {
                self.forget_group();
                self.stream.queue.release(waited);
                answers.into_iter().for_each(|answer| answer.fail(full.again().of(&self.stream.name)));
                self.note_full(&full);
                return Ok(());
            }
            Err(failed) => {
                let reason = failed.in_full();
                for answer in answers {
                    let stream = self.stream.name.clone();
                    answer.fail(StreamError::Stopped { stream, reason: reason.clone() });
                }
                return Err(failed);
            }
        }
        self.note_room();
        self.length += group.len();
        self.publish(group, checkpoints);
        // Room first: who is answered may come again at once.
        self.stream.queue.release(waited);
        answers.into_iter().for_each(Answer::give);
        Ok(())
    }

    /// Writes and syncs a group, or leaves nothing of it when the disk is full.
    fn write_group(&self, group: &Group) -> Result<(), LogError> {
        if group.is_empty() {
            return Ok(());
        }
        room::extend(&*self.file, group.offset(), &group.slices(), &log_name(self.segment))
    }

    /// Goes back to what is durable: the group that was begun has left nothing behind, its numbers are free.
    fn forget_group(&mut self) {
        let mut shared = self.stream.lock();
        for (shard, next) in &mut self.next {
            *next = shared.shards[shard].next;
        }
        shared.in_flight = None;
    }

    /// Numbers blocks and adds them to the group; none of them when a shard has closed since they were routed.
    fn append(&mut self, draft: &mut Draft, blocks: Vec<Unnumbered>) -> Option<Placed> {
        if !self.are_open(&blocks) {
            return None;
        }
        let add = |block: Unnumbered| {
            let first = self.numbers(&block);
            draft.add(block, first);
            first
        };
        let firsts = blocks.into_iter().map(add).collect();
        Some(Placed { firsts, arrived_at: draft.group.arrived_at() })
    }

    /// A shard that is open owns what it owned when it was created, so what was routed to it still belongs there.
    fn are_open(&self, blocks: &[Unnumbered]) -> bool {
        blocks.iter().all(|block| self.manifest.shards.get(block.shard).is_some_and(Shard::is_open))
    }

    /// The number of a block's first record; the others follow.
    fn numbers(&mut self, block: &Unnumbered) -> SequenceNumber {
        let next = self.next.get_mut(&block.shard).expect("every open shard has a next number");
        let first = *next;
        *next = first.plus(u64::from(block.count));
        first
    }

    /// Frames a commit whole, or refuses it.
    fn commit(
        &mut self,
        draft: &mut Draft,
        consumer: ConsumerName,
        checkpoint: Checkpoint,
        outputs: Vec<Unnumbered>,
        done: Done<Option<Placed>>,
    ) -> Answer {
        let found = match draft.checkpoints.get(&consumer) {
            Some(pending) => pending.version,
            None => self.stream.lock().checkpoints.get(&consumer).map_or(0, |checkpoint| checkpoint.version),
        };
        if checkpoint.version != found + 1 {
            let expected = checkpoint.version.saturating_sub(1);
            return Answer::Refused(done, StreamError::CheckpointConflict { consumer, expected, found });
        }
        if !self.are_open(&outputs) {
            return Answer::Placed(done, None);
        }
        // Numbers in a shard follow the order of frames.
        draft.flush();
        let arrived_at = draft.group.arrived_at();
        let number = |block: Unnumbered| {
            let first = self.numbers(&block);
            block.numbered(first, arrived_at)
        };
        let outputs: Vec<Block> = outputs.into_iter().map(number).collect();
        let firsts = outputs.iter().map(|block| block.first).collect();
        draft.group.push_commit(&consumer, &checkpoint, outputs);
        draft.checkpoints.insert(consumer, checkpoint);
        Answer::Placed(done, Some(Placed { firsts, arrived_at }))
    }

    /// Shows a durable group to readers.
    fn publish(&self, group: Group, checkpoints: HashMap<ConsumerName, Checkpoint>) {
        let (arrived_at, bytes) = (group.arrived_at(), group.len());
        let mut shared = self.stream.lock();
        let shared = &mut *shared;
        let index = &mut shared.segments.last_mut().expect("one segment is being written").index;
        let mut blocks = Vec::new();
        for frame in group.into_frames() {
            for block in &frame.blocks {
                index.note(block.shard, block.first, block.count, arrived_at, frame.offset);
            }
            blocks.extend(frame.blocks);
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
        shared.tail.push(usize::try_from(bytes).expect("a group fits in memory"), blocks);
        shared.checkpoints.extend(checkpoints);
        shared.in_flight = None;
    }

    fn place(&self) -> Place {
        self.stream.place(self.segment)
    }

    /// Goes on in a new segment; in this one for now where the disk has no room for another.
    fn roll_if_room(&mut self) -> Result<(), LogError> {
        match self.roll() {
            Err(full @ LogError::Full { .. }) => {
                self.note_full(&full);
                Ok(())
            }
            rolled => rolled,
        }
    }

    /// Seals the segment and goes on in a new one, which begins with the newest checkpoints.
    fn roll(&mut self) -> Result<(), LogError> {
        let stream = Arc::clone(&self.stream);
        let (sealed, checkpoints, floor, keys) = {
            let shared = stream.lock();
            let sealed = shared.segments.last().expect("one segment is being written").index.clone();
            (sealed, shared.checkpoints.clone(), shared.floor, Arc::clone(&shared.keys))
        };
        if let Err(error) = segment::save_index(&*stream.disk, &stream.folder, self.place(), &sealed) {
            warn!(stream = %stream.name, %error, "index not saved, it will be rebuilt");
            // What there is of it only takes room.
            let _ = stream.disk.remove(&stream.folder.join(segment::index_name(self.segment)));
        }
        let place = stream.place(self.segment + 1);
        let next = self.manifest.shards.iter().map(|shard| (shard.id, self.next[&shard.id])).collect();
        let head = Head { before_bytes: self.length, checkpoints: 0, next };
        let sealer = sealer(&self.manifest, &keys, place);
        let first = FirstGroup { place, stamp: floor, head, checkpoints: &checkpoints, sealer: sealer.clone() };
        let (file, length) = create_segment(&*stream.disk, &stream.folder, first)?;
        (self.file, self.segment, self.length, self.head_bytes) = (file, place.segment, length, length);
        self.sealer = sealer;
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
        self.save(Manifest { shards: shards.clone(), ..self.manifest.clone() })?;
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
        let mut manifest = Manifest { settings: to.clone(), ..self.manifest.clone() };
        if to.retention < from.retention {
            manifest.horizon = manifest.horizon.max(self.stream.clock.now() - to.retention);
        }
        let mut keys = None;
        if to.encryption_key != from.encryption_key {
            match self.go_on_with_key(&mut manifest, to.encryption_key.as_deref()) {
                Ok(unlocked) => keys = Some(unlocked),
                Err(locked) => return Ok(Err(locked.of(&self.stream.name))),
            }
        }
        self.save(manifest)?;
        let mut shared = self.stream.lock();
        if let Some(keys) = keys {
            self.sealer = sealer(&self.manifest, &keys, self.stream.place(self.segment));
            shared.keys = keys;
        }
        shared.horizon = self.manifest.horizon;
        shared.description = Arc::new(StreamDescription { settings: to, ..(*shared.description).clone() });
        info!(stream = %self.stream.name, "settings altered");
        Ok(Ok(Arc::clone(&shared.description)))
    }

    /// Makes `manifest` go on with another key, or none, for what is written next. Error: the key is not there.
    fn go_on_with_key(&self, manifest: &mut Manifest, name: Option<&str>) -> Result<Arc<StreamKeys>, LogError> {
        manifest.go_on_with_key(name, &self.ring, self.segment)?;
        Ok(Arc::new(StreamKeys::unlock(&manifest.keys, &self.ring)?))
    }

    /// Drops whole segments from the front, and shards that were closed so long ago.
    fn trim(&mut self) -> Result<(), LogError> {
        let (stream, now) = (Arc::clone(&self.stream), self.stream.clock.now());
        let settings = self.manifest.settings.clone();
        self.manifest.horizon = self.manifest.horizon.max(now - settings.retention);
        stream.lock().horizon = self.manifest.horizon;
        let seal = retention::should_seal(stream.lock().segments.last().expect("at least one"), &settings, now);
        if seal {
            self.roll_if_room()?;
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
            return self.trimmed(0, Manifest { shards, ..self.manifest.clone() });
        };
        // The manifest first: files that it no longer names are only leftovers.
        let mut manifest = Manifest { shards, oldest_segment: last + 1, ..self.manifest.clone() };
        manifest.forget_keys();
        match self.trimmed(dropped.len(), manifest.clone()) {
            // Indexes can be rebuilt: without them a full disk may have the room to write down what is to go.
            Err(LogError::Full { .. }) => {
                for index in dropped.iter().map(|id| segment::index_name(*id)) {
                    room::discard(&*stream.disk, &stream.folder, &index)?;
                }
                self.trimmed(dropped.len(), manifest)?;
            }
            trimmed => trimmed?,
        }
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

    fn trimmed(&mut self, dropped: usize, manifest: Manifest) -> Result<(), LogError> {
        self.save(manifest)?;
        let shards = &self.manifest.shards;
        self.next.retain(|shard, _| shards.get(*shard).is_some());
        let mut shared = self.stream.lock();
        shared.segments.drain(..dropped);
        shared.set_shards(shards.clone());
        Ok(())
    }
}

/// What a segment begins with.
pub(crate) struct FirstGroup<'a> {
    pub(crate) place: Place,
    pub(crate) stamp: Timestamp,
    pub(crate) head: Head,
    pub(crate) checkpoints: &'a BTreeMap<ConsumerName, Checkpoint>,
    pub(crate) sealer: Option<Arc<Sealer>>,
}

/// Creates a segment file with its first group; it and its name are durable when this returns. Nothing of it is left
/// when the disk has no room.
pub(crate) fn create_segment(
    disk: &dyn Disk,
    folder: &Path,
    first: FirstGroup<'_>,
) -> Result<(Arc<dyn LogFile>, u64), LogError> {
    let FirstGroup { place, stamp, head, checkpoints, sealer } = first;
    let name = log_name(place.segment);
    let fill = || {
        let file = disk.create(&folder.join(&name))?;
        let mut group = Group::new(place, 0, 0, stamp);
        group.push_head(&Head { checkpoints: u32::try_from(checkpoints.len()).unwrap_or(u32::MAX), ..head });
        let write = |group: Group| {
            file.write_vectored_at(group.offset(), &group.slices())?;
            Ok::<_, std::io::Error>(group.offset() + group.len())
        };
        let mut offset = write(group)?;
        for (consumer, checkpoint) in checkpoints {
            let mut group = Group::new(place, 0, offset, stamp).sealed_by(sealer.clone());
            group.push_commit(consumer, checkpoint, Vec::new());
            offset = write(group)?;
        }
        Ok((file, offset))
    };
    let (file, length) = match fill() {
        Ok(filled) => filled,
        Err(error) if is_full(&error) => {
            room::discard(disk, folder, &name)?;
            return Err(LogError::Full { doing: format!("creating {name}") });
        }
        Err(error) => return Err(LogError::io(format!("creating {name}"))(error)),
    };
    let sync = || {
        file.sync()?;
        disk.sync_folder(folder)
    };
    sync().map_err(LogError::io(format!("syncing {name}")))?;
    Ok((file, length))
}
