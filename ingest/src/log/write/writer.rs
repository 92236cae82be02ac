//! The one writer of a stream: numbers, stamps, frames, syncs and publishes, a group at a time.
//!
//! While a sync runs, everything that arrives waits in the queue and becomes the next group: no timer, and one sync
//! acknowledges all. A write or sync that fails is never tried again: what reached the disk is unknown, so the stream
//! takes no more until it is opened anew. But for a full disk: then what was begun is undone ([`crate::log::files::room`]), who
//! waits for it is told, and the next call finds the stream as it was.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use model::name::ConsumerName;
use model::stream::checkpoint::Checkpoint;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::StreamError;
use tracing::{error, info};

use crate::log::error::LogError;
use crate::log::files::room;
use crate::log::frames::cipher::Sealer;
use crate::log::frames::group::Group;
use crate::log::frames::key::KeyRing;
use crate::log::frames::place::Place;
use crate::log::segments::manifest::{Manifest, Synced};
use crate::log::segments::segment::log_name;
use crate::log::stream::{EndReason, StreamLog};
use crate::log::write::draft::{Answer, Draft};
#[cfg(any(test, feature = "testing"))]
use crate::log::write::queue::Taken;
use crate::log::write::queue::{Closing, Done, Job, Outcome};
use model::disk::DiskFile;

/// Owns the end of a stream's log.
pub(crate) struct Writer {
    pub(crate) stream: Arc<StreamLog>,
    pub(crate) manifest: Manifest,
    /// Whether the disk had no room for the manifest when the stream was opened: then it is written before anything else.
    pub(crate) manifest_is_unsaved: bool,
    pub(crate) file: Arc<dyn DiskFile>,
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
    /// Whether the wall clock showed something else than the log's time when the stream was last trimmed.
    pub(crate) clock_differs: bool,
    /// Keys that the stream may be told to be encrypted with.
    pub(crate) ring: KeyRing,
    /// Encrypts what is written to the segment, where the stream is told so.
    pub(crate) sealer: Option<Arc<Sealer>>,
}

/// Ends the stream if its writer panics, so that no caller waits for it.
pub(crate) struct EndOnPanic(pub(crate) Arc<StreamLog>);

impl Drop for EndOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.end(EndReason::Failed("its writer panicked".to_owned()));
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
        let _end_on_panic = EndOnPanic(Arc::clone(&stream));
        while let Some(jobs) = stream.queue.take(self.group_bytes_max) {
            if let Err(failed) = self.work(jobs) {
                self.fail(&failed);
                return;
            }
        }
        self.finish();
    }

    /// Does what waits, without waiting for more: a group, or a change of the stream. False once
    /// the writer has ended.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn step(&mut self) -> bool {
        match self.stream.queue.take_waiting(self.group_bytes_max) {
            Taken::Jobs(jobs) => self.work(jobs).inspect_err(|failed| self.fail(failed)).is_ok(),
            Taken::Nothing => true,
            Taken::Closed => {
                self.finish();
                false
            }
        }
    }

    fn finish(&mut self) {
        if self.stream.queue.is_draining() {
            match self.mark() {
                Ok(()) => {}
                // The mark stays where it was: less is known after a crash, nothing is lost.
                Err(full @ LogError::Full { .. }) => self.note_full(&full),
                Err(failed) => self.fail(&failed),
            }
        }
        for job in self.stream.queue.drain() {
            job.fail(self.stream.ended());
        }
    }

    /// Moves the durable mark to the end of the log: nothing below it is ever taken for an unfinished write.
    pub(crate) fn mark(&mut self) -> Result<(), LogError> {
        self.save(self.manifest.clone())
    }

    /// Replaces the manifest, with the durable mark at the end of the log; the old one stands when there is no room.
    pub(crate) fn save(&mut self, mut manifest: Manifest) -> Result<(), LogError> {
        let floor = self.stream.lock().floor;
        manifest.synced = Synced { segment: self.segment, length: self.length, floor };
        manifest.save(&*self.stream.disk, &self.stream.folder)?;
        self.manifest = manifest;
        self.manifest_is_unsaved = false;
        Ok(())
    }

    /// Says once that the disk is full, whatever comes until there is room again.
    pub(crate) fn note_full(&mut self, full: &LogError) {
        if !std::mem::replace(&mut self.full, true) {
            let (stream, reason) = (&self.stream.name, full.in_full());
            error!(%stream, reason, "the disk is full: puts are rejected until there is room, reads continue");
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
        self.stream.end(EndReason::Failed(reason));
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
                let result = self.trim().map(Outcome::Made);
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
    fn answer<T>(&mut self, done: Done<T>, result: Result<Outcome<T>, LogError>) -> Result<(), LogError> {
        let (answer, failed) = match result {
            Ok(Outcome::Made(made)) => (Ok(made), Ok(())),
            Ok(Outcome::Refused(refused)) => (Err(refused), Ok(())),
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
        let arrived_at = self.stream.lock().stamp(self.stream.read_clock());
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
    fn write_group(&mut self, group: &Group) -> Result<(), LogError> {
        if group.is_empty() {
            return Ok(());
        }
        if self.manifest_is_unsaved {
            self.mark()?;
        }
        room::extend(&*self.file, group.offset(), &group.slices(), &log_name(self.segment))
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

    pub(crate) fn place(&self) -> Place {
        self.stream.place(self.segment)
    }
}
