//! The store: a folder of streams, each a folder of its own, behind [`StreamStore`].
//!
//! ```text
//! data/streams/
//!   wildrydes/               manifest, segments, indexes
//!   wildrydes~new/           being created: removed at the next start
//!   wildrydes~trash/         being deleted: removed at the next start
//!   ~lock                    held while the store is open
//! ```
//!
//! A name cannot hold `~`, so neither can be taken for a stream.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;

use async_trait::async_trait;
use model::checkpoint::{Checkpoint, STATE_BYTES_MAX};
use model::clock::{Clock, Timestamp};
use model::name::{ConsumerName, StreamName};
use model::record::{Appended, PutEntry};
use model::sequence_number::SequenceNumber;
use model::shard::{Reshard, ShardId, ShardMap};
use model::stream_settings::StreamSettings;
use model::stream_store::{
    AppendError, ReadBatch, ReadLimit, StartingPosition, StreamDescription, StreamError, StreamOptions, StreamStore,
};
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use crate::log::batch::{Batch, Placed};
use crate::log::block::Unnumbered;
use crate::log::error::LogError;
use crate::log::file::{self, Disk, LogFile};
use crate::log::file_reads::FileReads;
use crate::log::frame::Place;
use crate::log::head::Head;
use crate::log::key::KeyRing;
use crate::log::manifest::{MANIFEST, Manifest, Synced};
use crate::log::queue::{Closing, Done, ENTRY_OVERHEAD_BYTES, Job, Queue};
use crate::log::recovery::{self, Recovered};
use crate::log::stream::{Ended, ShardState, Shared, StreamLog};
use crate::log::tail::Tail;
use crate::log::writer::{self, FirstGroup, Writer};

/// The most bytes of outputs one commit may have.
pub const COMMIT_OUTPUT_BYTES_MAX: usize = 256 << 20;
/// The stack of a writer's thread; it does not recurse.
const WRITER_STACK_BYTES: usize = 512 << 10;

/// Stands for a place until the writer has given one.
const NOWHERE: Appended =
    Appended { shard: ShardId(0), sequence_number: SequenceNumber::FIRST, arrived_at: Timestamp::MIN };

/// Held by the process that has the store open.
const LOCK: &str = "~lock";

/// Bounds of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOptions {
    /// A segment is sealed when it is larger than this.
    pub segment_bytes_max: u64,
    /// The newest bytes of each stream that are kept in memory for readers at the tip.
    pub tail_bytes_max: usize,
    /// Entries of each stream that wait to be written; over it they are throttled.
    pub waiting_bytes_max: usize,
    /// About how much is written and synced at once.
    pub group_bytes_max: usize,
    /// Streams of the store. Each has a thread.
    pub streams_max: usize,
}

impl Default for LogOptions {
    fn default() -> Self {
        LogOptions {
            segment_bytes_max: 64 << 20,
            tail_bytes_max: 32 << 20,
            waiting_bytes_max: 32 << 20,
            group_bytes_max: 8 << 20,
            streams_max: 1000,
        }
    }
}

impl LogOptions {
    /// Small bounds, so that tests reach them.
    pub fn small() -> Self {
        LogOptions {
            segment_bytes_max: 64 << 10,
            tail_bytes_max: 16 << 10,
            waiting_bytes_max: 4 << 20,
            group_bytes_max: 64 << 10,
            streams_max: 100,
        }
    }
}

/// Streams in a folder. Clones share it; when the last is dropped without [`LogStore::close`], writers stop where they
/// are, as if the process had been killed.
#[derive(Clone)]
pub struct LogStore {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    disk: Arc<dyn Disk>,
    file_reads: FileReads,
    ring: KeyRing,
    folder: PathBuf,
    options: LogOptions,
    streams: RwLock<BTreeMap<StreamName, Arc<StreamLog>>>,
    /// Streams that could not be opened, and why: each answers with that, the others work.
    refused: RwLock<BTreeMap<StreamName, LogError>>,
    writers: Mutex<HashMap<StreamName, JoinHandle<()>>>,
    /// One stream is created or deleted at a time.
    admin: Arc<tokio::sync::Mutex<()>>,
    /// Above every incarnation given out before.
    incarnation: Mutex<u64>,
    /// Keeps other processes out.
    lock: Option<Arc<dyn LogFile>>,
}

impl LogStore {
    /// Opens the streams in `folder`, which is created when it is missing. A stream that is damaged or cannot be read is
    /// listed and can be deleted; all else on it fails with the reason.
    pub async fn open(
        clock: Arc<dyn Clock>,
        disk: Arc<dyn Disk>,
        folder: &Path,
        options: LogOptions,
    ) -> Result<LogStore, StreamError> {
        LogStore::open_with_keys(clock, disk, KeyRing::default(), folder, options).await
    }

    /// The same, whose streams are, or may be told to be, encrypted with keys of `ring`. A stream whose key is missing or
    /// another one refuses like a damaged one, and its files stay as they are.
    pub async fn open_with_keys(
        clock: Arc<dyn Clock>,
        disk: Arc<dyn Disk>,
        ring: KeyRing,
        folder: &Path,
        options: LogOptions,
    ) -> Result<LogStore, StreamError> {
        let folder = folder.to_owned();
        blocking(move || {
            let mut inner = Inner {
                clock,
                file_reads: FileReads::new(Arc::clone(&disk)),
                disk,
                ring,
                folder,
                options,
                streams: RwLock::default(),
                refused: RwLock::default(),
                writers: Mutex::default(),
                admin: Arc::default(),
                incarnation: Mutex::new(0),
                lock: None,
            };
            inner.open_all()?;
            Ok(LogStore { inner: Arc::new(inner) })
        })
        .await
    }

    /// Finishes what waits, leaves the durable mark behind each stream, and takes no more. Reads of what is there go on.
    pub async fn close(&self) {
        let inner = Arc::clone(&self.inner);
        let _admin = Arc::clone(&inner.admin).lock_owned().await;
        blocking(move || {
            for stream in inner.all() {
                stream.queue.close(Closing::Drain);
            }
            for (_, writer) in inner.writers().drain() {
                join(writer);
            }
            for stream in inner.all() {
                stream.end(Ended::Closed);
            }
        })
        .await;
    }

    /// Verifies every frame of a stream, whoever's it is. Error: [`StreamError::Damaged`].
    pub async fn verify(&self, stream: &StreamName) -> Result<(), StreamError> {
        self.inner.get(stream)?.verify().await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

fn join(writer: JoinHandle<()>) {
    if let Err(panic) = writer.join() {
        std::panic::resume_unwind(panic);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for stream in self.all() {
            stream.queue.close(Closing::Abandon);
            stream.end(Ended::Closed);
        }
        // A group that is being written comes to its end, so that no writer is left when the folder is opened again.
        for (_, writer) in self.writers().drain() {
            if writer.join().is_err() {
                warn!("a writer had panicked");
            }
        }
    }
}

impl Inner {
    fn all(&self) -> Vec<Arc<StreamLog>> {
        self.streams.read().expect("no holder of the lock panics").values().cloned().collect()
    }

    fn get(&self, stream: &StreamName) -> Result<Arc<StreamLog>, StreamError> {
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

    fn writers(&self) -> std::sync::MutexGuard<'_, HashMap<StreamName, JoinHandle<()>>> {
        self.writers.lock().expect("no holder of the lock panics")
    }

    fn open_all(&mut self) -> Result<(), StreamError> {
        // Trouble with the store's own folder has no stream: it is told under the folder's name, as near as a name can.
        let nameless = StreamName::new("all-streams").expect("a valid name");
        let names = self.list_folder().map_err(|error| error.of(&nameless))?;
        let locking =
            LogError::io(format!("locking folder {}, which another process may have open", self.folder.display()));
        self.lock = Some(self.disk.lock(&self.folder.join(LOCK)).map_err(|error| locking(error).of(&nameless))?);
        for name in names.into_iter().filter(|name| name != LOCK) {
            let folder = self.folder.join(&name);
            match StreamName::new(&name) {
                Ok(stream) => match self.recover(&stream, &folder) {
                    Ok(recovered) => drop(self.start(recovered, folder)),
                    Err(failed) => {
                        error!(%stream, reason = failed.in_full(), "stream cannot be opened; the others are");
                        self.refused.write().expect("no holder of the lock panics").insert(stream, failed);
                    }
                },
                Err(_) if name.contains('~') => {
                    let removed = file::remove_tree(&*self.disk, &folder);
                    removed.map_err(|error| LogError::io(format!("removing {name}"))(error).of(&nameless))?;
                }
                Err(_) => warn!(%name, "not a stream, left alone"),
            }
        }
        Ok(())
    }

    fn recover(&self, stream: &StreamName, folder: &Path) -> Result<Recovered, LogError> {
        let recovered = recovery::recover(&*self.disk, folder, &self.ring)?;
        if recovered.manifest.name != *stream {
            let reason = format!("it is the manifest of stream `{}`", recovered.manifest.name);
            return Err(LogError::damaged(MANIFEST, 0, reason));
        }
        Ok(recovered)
    }

    fn list_folder(&self) -> Result<Vec<String>, LogError> {
        let mut missing = Vec::new();
        let mut folder = self.folder.as_path();
        while self.disk.list(folder).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
            missing.push(folder);
            match folder.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => folder = parent,
                _ => break,
            }
        }
        for folder in missing.into_iter().rev() {
            let doing = || format!("creating folder {}", folder.display());
            self.disk.create_folder(folder).map_err(LogError::io(doing()))?;
            if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                self.disk.sync_folder(parent).map_err(LogError::io(doing()))?;
            }
        }
        let listing = LogError::io(format!("listing {}", self.folder.display()));
        let mut names = self.disk.list(&self.folder).map_err(listing)?;
        names.sort_unstable();
        Ok(names)
    }

    /// Takes a recovered stream into service.
    fn start(&self, recovered: Recovered, folder: PathBuf) -> Arc<StreamDescription> {
        let Recovered { manifest, segments, file, checkpoints, next, head_bytes, keys } = recovered;
        let place = Place { incarnation: manifest.incarnation, segment: manifest.synced.segment };
        let sealer = writer::sealer(&manifest, &keys, place);
        let description = Arc::new(manifest.description());
        let shards = next.iter().map(|(shard, next)| (*shard, ShardState::begins_at(*next)));
        let mut shared = Shared {
            description: Arc::clone(&description),
            shards: shards.collect(),
            segments,
            tail: Tail::new(self.options.tail_bytes_max),
            checkpoints,
            keys,
            floor: manifest.synced.floor,
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
            file,
            next,
            segment_bytes_max: self.options.segment_bytes_max,
            group_bytes_max: self.options.group_bytes_max,
            full: false,
            ring: self.ring.clone(),
            sealer,
        };
        let thread = std::thread::Builder::new().name(format!("log {name}")).stack_size(WRITER_STACK_BYTES);
        let writer = thread.spawn(move || writer.run()).expect("the system has a thread for every stream");
        self.writers().insert(name.clone(), writer);
        self.streams.write().expect("no holder of the lock panics").insert(name, stream);
        description
    }

    fn create(&self, name: &StreamName, options: StreamOptions) -> Result<Arc<StreamDescription>, StreamError> {
        let streams = self.streams.read().expect("no holder of the lock panics");
        let (exists, count) = (streams.contains_key(name), streams.len());
        drop(streams);
        if exists || self.is_refused(name) {
            return Err(StreamError::Exists(name.clone()));
        }
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
        let manifest = Manifest {
            name: name.clone(),
            created_at: now,
            shards: ShardMap::uniform(options.shards, now),
            settings: options.settings(),
            incarnation,
            oldest_segment: 0,
            horizon: Timestamp::default(),
            keys: Vec::new(),
            synced: Synced { segment: 0, length: 0, floor: Timestamp::MIN },
        };
        let folder = self.folder.join(name.as_str());
        if let Err(failed) = self.create_files(manifest, &folder) {
            // What there is of it only takes room; the next start removes it too.
            let _ = file::remove_tree(&*self.disk, &aside(&folder, "new"));
            return Err(failed.of(name));
        }
        let recovered = recovery::recover(&*self.disk, &folder, &self.ring).map_err(|error| error.of(name))?;
        info!(stream = %name, shards = recovered.manifest.shards.open_count(), "stream created");
        Ok(self.start(recovered, folder))
    }

    /// Builds the stream's folder aside and moves it in place: after a crash it is there whole or not at all.
    fn create_files(&self, mut manifest: Manifest, folder: &Path) -> Result<(), LogError> {
        let (disk, new) = (&*self.disk, aside(folder, "new"));
        let make = || {
            if disk.list(&new).is_ok() {
                file::remove_tree(disk, &new)?;
            }
            disk.create_folder(&new)
        };
        make().map_err(LogError::unless_full("creating the stream's folder"))?;
        let place = Place { incarnation: manifest.incarnation, segment: 0 };
        let next = manifest.shards.iter().map(|shard| (shard.id, shard.first)).collect();
        let head = Head { before_bytes: 0, checkpoints: 0, next };
        let (stamp, checkpoints) = (manifest.created_at, &BTreeMap::new());
        let first = FirstGroup { place, stamp, head, checkpoints, sealer: None };
        let (_, length) = writer::create_segment(disk, &new, first)?;
        manifest.synced = Synced { segment: 0, length, floor: manifest.created_at };
        manifest.save(disk, &new)?;
        let place_it = || {
            disk.rename(&new, folder)?;
            disk.sync_folder(&self.folder)
        };
        place_it().map_err(LogError::io("moving the new stream's folder in place"))
    }

    fn delete(&self, name: &StreamName) -> Result<(), StreamError> {
        if !self.is_refused(name) {
            let stream = self.get(name)?;
            stream.queue.close(Closing::Abandon);
            stream.end(Ended::Deleted);
            let writer = self.writers().remove(name);
            writer.into_iter().for_each(join);
        }
        let folder = self.folder.join(name.as_str());
        let (disk, trash) = (&*self.disk, aside(&folder, "trash"));
        let remove = || {
            if disk.list(&trash).is_ok() {
                file::remove_tree(disk, &trash)?;
            }
            disk.rename(&folder, &trash)?;
            disk.sync_folder(&self.folder)
        };
        // Where this fails the name stays taken, so that the deletion can be tried again.
        remove().map_err(|error| LogError::io("deleting the stream's folder")(error).of(name))?;
        self.streams.write().expect("no holder of the lock panics").remove(name);
        self.refused.write().expect("no holder of the lock panics").remove(name);
        // The stream is gone; what is left of its files is removed now or at the next start.
        if let Err(error) = file::remove_tree(disk, &trash) {
            warn!(stream = %name, %error, "files of a deleted stream not removed yet");
        }
        info!(stream = %name, "stream deleted");
        Ok(())
    }
}

/// The folder's name with a mark that no stream's name can have.
fn aside(folder: &Path, mark: &str) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(format!("~{mark}"));
    PathBuf::from(name)
}

impl StreamLog {
    /// Hands a job to the writer and waits for its answer.
    async fn ask<T>(&self, job: impl FnOnce(Done<T>) -> Job) -> Result<T, StreamError> {
        let (done, answer) = oneshot::channel();
        if self.queue.push(job(done)).is_err() {
            return Err(self.ended());
        }
        // A writer that is told to leave drops what it has not begun.
        answer.await.unwrap_or_else(|_| Err(self.ended()))
    }

    /// Has entries placed that hold `bytes` of room: routes them, and routes them anew when a reshard came in between.
    async fn route_and_append(
        &self,
        batch: impl Fn(&ShardMap) -> Batch,
        bytes: usize,
        job: impl Fn(Vec<Unnumbered>, Done<Option<Placed>>) -> Job,
    ) -> Result<(Batch, Placed), StreamError> {
        loop {
            let routed = batch(&self.description().shards);
            match self.ask(|done| job(routed.blocks(), done)).await? {
                Some(placed) => return Ok((routed, placed)),
                None => self.queue.hold(bytes),
            }
        }
    }
}

fn check(entry: &PutEntry, settings: &StreamSettings) -> Result<(), AppendError> {
    let (bytes, bytes_max) = (entry.size_bytes(), settings.record_bytes_max);
    if bytes > bytes_max { Err(AppendError::TooLarge { bytes, bytes_max }) } else { Ok(()) }
}

/// What an entry holds of the queue's bound.
fn held_bytes(entry: &PutEntry) -> usize {
    entry.size_bytes() + ENTRY_OVERHEAD_BYTES
}

#[async_trait]
impl StreamStore for LogStore {
    async fn create(&self, stream: &StreamName, options: StreamOptions) -> Result<Arc<StreamDescription>, StreamError> {
        let (inner, stream) = (Arc::clone(&self.inner), stream.clone());
        let admin = Arc::clone(&inner.admin).lock_owned().await;
        blocking(move || {
            let _admin = admin;
            inner.create(&stream, options)
        })
        .await
    }

    async fn delete(&self, stream: &StreamName) -> Result<(), StreamError> {
        let (inner, stream) = (Arc::clone(&self.inner), stream.clone());
        let admin = Arc::clone(&inner.admin).lock_owned().await;
        blocking(move || {
            let _admin = admin;
            inner.delete(&stream)
        })
        .await
    }

    async fn list(&self) -> Result<Vec<StreamName>, StreamError> {
        let mut names: Vec<StreamName> = self.inner.all().iter().map(|stream| stream.name.clone()).collect();
        names.extend(self.inner.refused.read().expect("no holder of the lock panics").keys().cloned());
        names.sort_unstable();
        Ok(names)
    }

    async fn describe(&self, stream: &StreamName) -> Result<Arc<StreamDescription>, StreamError> {
        Ok(self.inner.get(stream)?.description())
    }

    async fn reshard(&self, stream: &StreamName, change: Reshard) -> Result<Arc<StreamDescription>, StreamError> {
        self.inner.get(stream)?.ask(|done| Job::Reshard { change, done }).await
    }

    async fn alter(
        &self,
        stream: &StreamName,
        from: &StreamSettings,
        to: StreamSettings,
    ) -> Result<Arc<StreamDescription>, StreamError> {
        let from_to = Box::new((from.clone(), to));
        self.inner.get(stream)?.ask(|done| Job::Alter { from_to, done }).await
    }

    async fn append(
        &self,
        stream: &StreamName,
        entries: Vec<PutEntry>,
    ) -> Result<Vec<Result<Appended, AppendError>>, StreamError> {
        let stream = self.inner.get(stream)?;
        let description = stream.description();
        let hashes = PutEntry::hash_keys(&entries);
        let mut refused: BTreeMap<usize, AppendError> = BTreeMap::new();
        for (index, entry) in entries.iter().enumerate() {
            if let Err(error) = check(entry, &description.settings) {
                refused.insert(index, error);
            }
        }
        let fits = |index: &usize| !refused.contains_key(index);
        let fitting: Vec<usize> = (0..entries.len()).filter(fits).collect();
        let admitted = stream.queue.admit(fitting.iter().map(|index| held_bytes(&entries[*index])));
        let mut bytes = 0;
        for (index, admitted) in fitting.into_iter().zip(admitted) {
            if admitted {
                bytes += held_bytes(&entries[index]);
            } else {
                refused.insert(index, AppendError::Throttled { shard: description.shards.route(hashes[index]) });
            }
        }
        let unplaced = |index| refused.get(&index).cloned().map_or(Ok(NOWHERE), Err);
        let mut results: Vec<Result<Appended, AppendError>> = (0..entries.len()).map(unplaced).collect();
        if refused.len() < entries.len() {
            let batch =
                |shards: &ShardMap| Batch::new(&entries, &hashes, |index| !refused.contains_key(&index), shards);
            let job = |blocks, done| Job::Append { blocks, bytes, done };
            let (batch, placed) = stream.route_and_append(batch, bytes, job).await?;
            for (index, appended) in batch.appended(&placed) {
                results[index] = Ok(appended);
            }
        }
        Ok(results)
    }

    async fn locate(
        &self,
        stream: &StreamName,
        shard: ShardId,
        position: StartingPosition,
    ) -> Result<SequenceNumber, StreamError> {
        self.inner.get(stream)?.locate(shard, position).await
    }

    async fn read(
        &self,
        stream: &StreamName,
        shard: ShardId,
        from: SequenceNumber,
        limit: ReadLimit,
    ) -> Result<ReadBatch, StreamError> {
        self.inner.get(stream)?.read(shard, from, limit).await
    }

    async fn trim(&self, stream: &StreamName) -> Result<(), StreamError> {
        self.inner.get(stream)?.ask(|done| Job::Trim { done }).await
    }

    async fn commit(
        &self,
        home: &StreamName,
        consumer: &ConsumerName,
        checkpoint: Checkpoint,
        outputs: Vec<PutEntry>,
    ) -> Result<Vec<Appended>, StreamError> {
        let stream = self.inner.get(home)?;
        let description = stream.description();
        let invalid = |reason| StreamError::InvalidCommit { consumer: consumer.clone(), reason };
        let state_bytes = checkpoint.state.len();
        if state_bytes > STATE_BYTES_MAX {
            return Err(invalid(format!("{state_bytes} bytes of state are over {STATE_BYTES_MAX}")));
        }
        outputs
            .iter()
            .try_for_each(|entry| check(entry, &description.settings))
            .map_err(|error| invalid(error.to_string()))?;
        let output_bytes: usize = outputs.iter().map(held_bytes).sum();
        if output_bytes > COMMIT_OUTPUT_BYTES_MAX {
            return Err(invalid(format!("{output_bytes} bytes of outputs are over {COMMIT_OUTPUT_BYTES_MAX}")));
        }
        let bytes = output_bytes + state_bytes + ENTRY_OVERHEAD_BYTES;
        let hashes = PutEntry::hash_keys(&outputs);
        stream.queue.admit_waiting(bytes).await;
        let batch = |shards: &ShardMap| Batch::new(&outputs, &hashes, |_| true, shards);
        let job = |outputs, done| {
            let (consumer, checkpoint) = (consumer.clone(), checkpoint.clone());
            Job::Commit { consumer, checkpoint, outputs, bytes, done }
        };
        let (batch, placed) = stream.route_and_append(batch, bytes, job).await?;
        let mut appended = vec![NOWHERE; outputs.len()];
        batch.appended(&placed).for_each(|(index, at)| appended[index] = at);
        Ok(appended)
    }

    async fn checkpoint(&self, home: &StreamName, consumer: &ConsumerName) -> Result<Option<Checkpoint>, StreamError> {
        Ok(self.inner.get(home)?.lock().checkpoints.get(consumer).cloned())
    }
}
