//! The folder of a store: streams are opened, created and deleted in it, each with a writer on a thread of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use model::clock::{Clock, Timestamp};
use model::disk::{Disk, DiskFile};
use model::folders::{self, FolderError};
use model::name::StreamName;
use model::stream::lives::{EarlierLife, first_number_at};
use model::stream::shard::ShardMap;
use model::stream::store::{StreamDescription, StreamError, StreamOptions};
use tracing::{error, info, warn};

use crate::log::ended::{EndedStreams, LIVES};
use crate::log::error::LogError;
use crate::log::files::file_reads::FileReads;
use crate::log::frames::key::KeyRing;
use crate::log::frames::place::Place;
use crate::log::log_time::{LogTime, Reading};
use crate::log::options::LogOptions;
use crate::log::read::losses::Losses;
use crate::log::read::tail::{Tail, TailBudget};
use crate::log::segments::manifest::{MANIFEST, Manifest, Synced};
use crate::log::segments::recovery::{self, Recovered};
use crate::log::stream::{EndReason, ShardState, Shared, StreamLog};
use crate::log::stream_folder;
use crate::log::write::queue::{Closing, Queue};
use crate::log::write::roll;
use crate::log::write::runner::Runner;
use crate::log::write::writer::Writer;

/// Held by the process that has the store open.
pub(crate) const LOCK: &str = "~lock";

/// All streams of a store, and their writers.
pub(crate) struct StreamsFolder {
    clock: Arc<dyn Clock>,
    disk: Arc<dyn Disk>,
    file_reads: FileReads,
    pub(crate) ring: KeyRing,
    folder: PathBuf,
    pub(crate) options: LogOptions,
    tails: Arc<TailBudget>,
    streams: RwLock<BTreeMap<StreamName, Arc<StreamLog>>>,
    /// Streams that could not be opened, and why: each answers with that, the others work.
    pub(crate) refused: RwLock<BTreeMap<StreamName, LogError>>,
    writers: Mutex<BTreeMap<StreamName, Runner>>,
    /// One stream is created or deleted at a time.
    pub(crate) admin: Arc<tokio::sync::Mutex<()>>,
    /// Above every incarnation given out before.
    incarnation: Mutex<u64>,
    /// Streams that were deleted.
    ended: Mutex<EndedStreams>,
    /// Set where the disk takes no writes: no stream is created, changed or deleted.
    is_read_only: AtomicBool,
    /// Keeps other processes out.
    lock: Option<Arc<dyn DiskFile>>,
}

fn join(writer: Runner) {
    if let Err(panic) = writer.join() {
        std::panic::resume_unwind(panic);
    }
}

impl Drop for StreamsFolder {
    fn drop(&mut self) {
        for stream in self.all() {
            stream.queue.close(Closing::Abandon);
            stream.end(EndReason::Closed);
        }
        // A group that is being written comes to its end, so that no writer is left when the folder is opened again.
        for writer in std::mem::take(&mut *self.writers()).into_values() {
            if writer.join().is_err() {
                warn!("a writer had panicked");
            }
        }
    }
}

impl StreamsFolder {
    /// Opens what is there.
    pub(crate) fn open(
        clock: Arc<dyn Clock>,
        disk: Arc<dyn Disk>,
        file_reads: FileReads,
        ring: KeyRing,
        folder: PathBuf,
        options: LogOptions,
    ) -> Result<Self, StreamError> {
        let mut all = StreamsFolder {
            clock,
            file_reads,
            disk,
            ring,
            folder,
            options,
            tails: TailBudget::new(options.tails_bytes_max),
            streams: RwLock::default(),
            refused: RwLock::default(),
            writers: Mutex::default(),
            admin: Arc::default(),
            incarnation: Mutex::new(0),
            ended: Mutex::default(),
            is_read_only: AtomicBool::new(false),
            lock: None,
        };
        all.open_all()?;
        Ok(all)
    }

    /// Every stream that is open.
    pub(crate) fn all(&self) -> Vec<Arc<StreamLog>> {
        self.streams.read().expect("no holder of the lock panics").values().cloned().collect()
    }

    /// An open stream.
    pub(crate) fn get(&self, stream: &StreamName) -> Result<Arc<StreamLog>, StreamError> {
        let streams = self.streams.read().expect("no holder of the lock panics");
        if let Some(stream) = streams.get(stream) {
            return Ok(Arc::clone(stream));
        }
        match self.refused.read().expect("no holder of the lock panics").get(stream) {
            Some(error) => Err(error.again().of(stream)),
            None => Err(StreamError::NotFound(stream.clone())),
        }
    }

    fn is_refused(&self, stream: &StreamName) -> bool {
        self.refused.read().expect("no holder of the lock panics").contains_key(stream)
    }

    pub(crate) fn writers(&self) -> std::sync::MutexGuard<'_, BTreeMap<StreamName, Runner>> {
        self.writers.lock().expect("no holder of the lock panics")
    }

    fn ended(&self) -> std::sync::MutexGuard<'_, EndedStreams> {
        self.ended.lock().expect("no holder of the lock panics")
    }

    fn open_all(&mut self) -> Result<(), StreamError> {
        // Trouble with the store's own folder has no stream: it is told under the folder's name, as near as a name can.
        let nameless = StreamName::new("all-streams").expect("a valid name");
        let names = self.list_folder().map_err(|error| error.of(&nameless))?;
        let locking =
            LogError::io(format!("locking folder {}, which another process may have open", self.folder.display()));
        self.lock = Some(self.disk.lock(&self.folder.join(LOCK)).map_err(|error| locking(error).of(&nameless))?);
        // A stream that was moved aside or back is where it is found before anything in it is touched.
        let syncing = LogError::io(format!("syncing folder {}", self.folder.display()));
        self.disk.sync_folder(&self.folder).map_err(|error| syncing(error).of(&nameless))?;
        *self.ended() = EndedStreams::load(&*self.disk, &self.folder);
        let is_own = |name: &String| name == LOCK || name.strip_suffix("~new").unwrap_or(name) == LIVES;
        for name in names.into_iter().filter(|name| !is_own(name)) {
            let folder = self.folder.join(&name);
            match StreamName::new(&name) {
                Ok(stream) => {
                    let started = self.recover(&stream, &folder).and_then(|recovered| self.start(recovered, folder));
                    if let Err(failed) = started {
                        error!(%stream, reason = failed.in_full(), "stream cannot be opened; the others are");
                        self.refused.write().expect("no holder of the lock panics").insert(stream, failed);
                    }
                }
                Err(_) => self.tidy(&name, &folder),
            }
        }
        Ok(())
    }

    /// Removes what an earlier life left of a stream that was being created or deleted. Whatever else is there is not
    /// ours.
    fn tidy(&self, name: &str, folder: &Path) {
        let store = self.folder.display();
        match stream_folder::remove_leftover(&*self.disk, folder) {
            Ok(true) => info!(%name, folder = %store, "removed: left by a stream that was being created or deleted"),
            Ok(false) => warn!(%name, folder = %store, "not part of a stream, left alone"),
            Err(error) => warn!(%name, folder = %store, %error, "left by a stream that is gone, and cannot be removed"),
        }
    }

    fn recover(&self, stream: &StreamName, folder: &Path) -> Result<Recovered, LogError> {
        let recovered = recovery::recover(&*self.disk, folder, &self.ring, first_number_at(self.clock.now()))?;
        if recovered.manifest.name != *stream {
            let reason = format!("it is the manifest of stream `{}`", recovered.manifest.name);
            return Err(LogError::damaged(MANIFEST, 0, reason));
        }
        Ok(recovered)
    }

    fn list_folder(&self) -> Result<Vec<String>, LogError> {
        folders::make(&*self.disk, &self.folder)
            .map_err(|FolderError { doing, source }| LogError::io(doing)(source))?;
        let listing = LogError::io(format!("listing {}", self.folder.display()));
        let mut names = self.disk.list(&self.folder).map_err(listing)?;
        names.sort_unstable();
        Ok(names)
    }

    /// Takes a recovered stream into service. Error: the system has no thread for it.
    fn start(&self, recovered: Recovered, folder: PathBuf) -> Result<Arc<StreamDescription>, LogError> {
        let Recovered { manifest, manifest_is_unsaved, segments, file, checkpoints, next, head_bytes, keys } =
            recovered;
        let place = Place { incarnation: manifest.incarnation, segment: manifest.synced.segment };
        let sealer = roll::sealer(&manifest, &keys, place);
        let description = Arc::new(manifest.description());
        let shards = next.iter().map(|(shard, next)| (*shard, ShardState::begins_at(*next)));
        let mut shared = Shared {
            description: Arc::clone(&description),
            shards: shards.collect(),
            segments,
            tail: Tail::new(self.options.tail_bytes_max, Arc::clone(&self.tails)),
            compact_from: manifest.oldest_segment,
            damaged: BTreeMap::new(),
            losses: Arc::new(Losses::new(&manifest.losses)),
            checkpoints,
            keys,
            floor: manifest.synced.floor,
            time: LogTime::begin(manifest.synced.floor, Reading::of(&*self.clock)),
            horizon: manifest.horizon,
            in_flight: None,
            ended: None,
        };
        shared.set_shards(manifest.shards.clone());
        let (clock, disk, file_reads) = (Arc::clone(&self.clock), Arc::clone(&self.disk), self.file_reads.clone());
        let queue = Queue::new(self.options.waiting_bytes_max);
        let name = manifest.name.clone();
        let stream = Arc::new(StreamLog::new(&manifest, folder, disk, file_reads, clock, queue, shared));
        let mut incarnation = self.incarnation.lock().expect("no holder of the lock panics");
        *incarnation = manifest.incarnation.max(*incarnation);
        drop(incarnation);
        let writer = Writer {
            stream: Arc::clone(&stream),
            segment: manifest.synced.segment,
            length: manifest.synced.length,
            head_bytes,
            manifest,
            manifest_is_unsaved,
            file,
            next,
            segment_bytes_max: self.options.segment_bytes_max,
            group_bytes_max: self.options.group_bytes_max,
            full: false,
            clock_differs: false,
            ring: self.ring.clone(),
            sealer,
        };
        let runner = Runner::start(writer, self.options.writer_stack_bytes)?;
        self.writers().insert(name.clone(), runner);
        self.streams.write().expect("no holder of the lock panics").insert(name, stream);
        Ok(description)
    }

    /// Finishes what waits, and takes no more: for the reason `ended`.
    pub(crate) fn close(&self, ended: &EndReason) {
        for stream in self.all() {
            stream.queue.close(Closing::Drain);
        }
        for writer in std::mem::take(&mut *self.writers()).into_values() {
            join(writer);
        }
        for stream in self.all() {
            stream.end(ended.clone());
        }
    }

    /// Refuses every change from now on; reads go on.
    pub(crate) fn stop_writes(&self) {
        self.is_read_only.store(true, Ordering::Release);
        self.close(&EndReason::ReadOnly);
    }

    fn check_writes(&self, name: &StreamName) -> Result<(), StreamError> {
        if self.is_read_only.load(Ordering::Acquire) { Err(StreamError::ReadOnly(name.clone())) } else { Ok(()) }
    }

    /// Creates a stream and takes it into service.
    pub(crate) fn create(
        &self,
        name: &StreamName,
        options: StreamOptions,
    ) -> Result<Arc<StreamDescription>, StreamError> {
        let streams = self.streams.read().expect("no holder of the lock panics");
        let (exists, count) = (streams.contains_key(name), streams.len());
        drop(streams);
        if exists || self.is_refused(name) {
            return Err(StreamError::Exists(name.clone()));
        }
        self.check_writes(name)?;
        if count >= self.options.streams_max {
            return Err(StreamError::LimitExceeded(format!("{count} streams exist, the most allowed")));
        }
        if options.shards == 0 {
            return Err(StreamError::LimitExceeded("a stream has at least 1 shard".to_owned()));
        }
        let now = self.clock.now();
        let incarnation = {
            let mut last = self.incarnation.lock().expect("no holder of the lock panics");
            *last = (*last + 1).max(u64::try_from(now.as_millis()).unwrap_or(0));
            *last
        };
        let lives = self.ended().begin(name, now);
        let manifest = Manifest {
            name: name.clone(),
            created_at: now,
            shards: ShardMap::uniform_from(options.shards, now, lives.first),
            lives,
            settings: options.settings(),
            incarnation,
            oldest_segment: 0,
            horizon: Timestamp::default(),
            keys: Vec::new(),
            losses: Vec::new(),
            filled: Vec::new(),
            revision: 0,
            synced: Synced { segment: 0, length: 0, floor: Timestamp::MIN },
        };
        let folder = self.folder.join(name.as_str());
        stream_folder::create(&*self.disk, &folder, manifest).map_err(|error| error.of(name))?;
        let opened = recovery::open_new(&*self.disk, &folder, &self.ring);
        let description = opened.and_then(|recovered| self.start(recovered, folder.clone())).map_err(|failed| {
            // A stream that is not there for its caller is not there after a restart either.
            let removed = stream_folder::put_aside(&*self.disk, &folder).map_err(|error| error.in_full());
            let removed = removed.and_then(|()| stream_folder::remove(&*self.disk, &folder).map_err(|e| e.to_string()));
            if let Err(error) = removed {
                warn!(stream = %name, %error, "files of a stream that was not created are still there");
            }
            failed.of(name)
        })?;
        info!(stream = %name, shards = description.shards.open_count(), "stream created");
        Ok(description)
    }

    /// Ends a stream and removes it.
    pub(crate) fn delete(&self, name: &StreamName) -> Result<(), StreamError> {
        let stream = if self.is_refused(name) { None } else { Some(self.get(name)?) };
        self.check_writes(name)?;
        match stream {
            None => self.ended().end_unreadable(self.clock.now()),
            Some(stream) => {
                // First the reason: whoever finds the queue closed is told that there is no such stream.
                stream.end(EndReason::Deleted);
                stream.queue.close(Closing::Abandon);
                let writer = self.writers().remove(name);
                writer.into_iter().for_each(join);
                self.remember(&stream);
            }
        }
        let is_remembered = self.save_ended();
        let folder = self.folder.join(name.as_str());
        // Where this fails the name stays taken, so that the deletion can be tried again.
        stream_folder::put_aside(&*self.disk, &folder).map_err(|error| error.of(name))?;
        self.streams.write().expect("no holder of the lock panics").remove(name);
        self.refused.write().expect("no holder of the lock panics").remove(name);
        // The stream is gone; what is left of its files is removed now or at the next start.
        if let Err(error) = stream_folder::remove(&*self.disk, &folder) {
            warn!(stream = %name, %error, "files of a deleted stream not removed yet");
        }
        if !is_remembered {
            // Now there may be room.
            self.save_ended();
        }
        info!(stream = %name, "stream deleted");
        Ok(())
    }

    /// Whoever creates a stream of this name anew goes on above its numbers.
    fn remember(&self, stream: &StreamLog) {
        let (lives, life) = {
            let shared = stream.lock();
            let life = EarlierLife {
                first: shared.description.lives.first,
                shards: shared.description.shards.clone(),
                next: shared.shards.iter().map(|(shard, state)| (*shard, state.next)).collect(),
                positions: shared
                    .checkpoints
                    .iter()
                    .map(|(name, kept)| (name.clone(), kept.positions.clone()))
                    .collect(),
            };
            (shared.description.lives.clone(), life)
        };
        let streams = self.streams.read().expect("no holder of the lock panics");
        self.ended().end(&stream.name, lives, life, |name| *name != stream.name && streams.contains_key(name));
    }

    /// Whether what is remembered of deleted streams is durable. A deletion does not fail for want of it: the clock
    /// keeps numbers apart too, and on a full disk deletions make room.
    fn save_ended(&self) -> bool {
        let saved = self.ended().save(&*self.disk, &self.folder);
        if let Err(error) = &saved {
            warn!(file = LIVES, reason = error.in_full(), "what is known of deleted streams is not saved");
        }
        saved.is_ok()
    }
}
