//! The store: a folder of streams, each a folder of its own, behind [`StreamStore`].
//!
//! ```text
//! data/streams/
//!   wildrydes/               manifest, segments, indexes
//!   wildrydes~new/           being created: removed at the next start
//!   wildrydes~trash/         being deleted: removed at the next start
//!   ~lock                    held while the store is open
//!   ~lives                   streams that were deleted
//! ```
//!
//! A name cannot hold `~`, so neither can be taken for a stream. Whatever else stands in the folder is left alone.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use model::clock::Clock;
use model::name::{ConsumerName, StreamName};
use model::stream::checkpoint::Checkpoint;
use model::stream::put_run::PutRun;
use model::stream::record::{Appended, PutEntry};
use model::stream::sequence_number::SequenceNumber;
use model::stream::settings::StreamSettings;
use model::stream::shard::{Reshard, ShardId};
use model::stream::store::{
    AppendError, AppendedBatch, ReadBatch, ReadLimit, StartingPosition, StreamDescription, StreamError, StreamOptions,
    StreamStore,
};
use tokio::runtime::Handle;

use crate::log::files::file_reads::FileReads;
use crate::log::folder::StreamsFolder;
use crate::log::frames::key::KeyRing;
use crate::log::options::LogOptions;
use crate::log::read::scrub::{ScrubPart, ScrubPosition};
use crate::log::status::StreamStatus;
use crate::log::stream::EndReason;
use crate::log::write::queue::Job;
use model::blocking::blocking;
use model::disk::Disk;

/// Streams in a folder. Clones share it; when the last is dropped without [`LogStore::close`],
/// writers stop where they are, as if the process had been killed.
#[derive(Clone)]
pub struct LogStore {
    inner: Arc<StreamsFolder>,
}

impl LogStore {
    /// What each stream's log is like now, in order of names.
    pub fn statuses(&self) -> Vec<StreamStatus> {
        let mut statuses: Vec<StreamStatus> = self.inner.all().iter().map(|stream| stream.status()).collect();
        let refused = self.inner.refused.read().expect("no holder of the lock panics");
        statuses.extend(refused.keys().map(|name| StreamStatus::refused(name.clone())));
        statuses.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        statuses
    }

    /// Opens the streams in `folder`, which is created when it is missing. A stream that is damaged
    /// or cannot be read is listed and can be deleted; all else on it fails with the reason.
    pub async fn open(
        clock: Arc<dyn Clock>,
        disk: Arc<dyn Disk>,
        folder: &Path,
        options: LogOptions,
    ) -> Result<LogStore, StreamError> {
        LogStore::open_with_keys(clock, disk, KeyRing::default(), folder, options).await
    }

    /// The same, whose streams are, or may be told to be, encrypted with keys of `ring`. A stream
    /// whose key is missing or another one refuses like a damaged one, and its files stay as they
    /// are.
    pub async fn open_with_keys(
        clock: Arc<dyn Clock>,
        disk: Arc<dyn Disk>,
        ring: KeyRing,
        folder: &Path,
        options: LogOptions,
    ) -> Result<LogStore, StreamError> {
        LogStore::open_reading_on(Handle::current(), clock, disk, ring, folder, options).await
    }

    /// The same, whose segment files are read on the blocking threads of `reads`: so whoever opens
    /// a store decides what readers behind the tip may take from everything else.
    pub async fn open_reading_on(
        reads: Handle,
        clock: Arc<dyn Clock>,
        disk: Arc<dyn Disk>,
        ring: KeyRing,
        folder: &Path,
        options: LogOptions,
    ) -> Result<LogStore, StreamError> {
        let folder = folder.to_owned();
        let file_reads = FileReads::new(Arc::clone(&disk), reads);
        blocking(move || {
            let inner = StreamsFolder::open(clock, disk, file_reads, ring, folder, options)?;
            Ok(LogStore { inner: Arc::new(inner) })
        })
        .await
    }

    /// Finishes what waits, leaves the durable mark behind each stream, and takes no more. Reads of
    /// what is there go on.
    pub async fn close(&self) {
        let inner = Arc::clone(&self.inner);
        let _admin = Arc::clone(&inner.admin).lock_owned().await;
        blocking(move || inner.close(&EndReason::Closed)).await;
    }

    /// Refuses every change from now on with [`StreamError::ReadOnly`]; reads go on. For a disk that
    /// takes no writes.
    pub async fn stop_writes(&self) {
        let inner = Arc::clone(&self.inner);
        let _admin = Arc::clone(&inner.admin).lock_owned().await;
        blocking(move || inner.stop_writes()).await;
    }

    /// Removes checkpoints that later ones have replaced from the next sealed segment of a stream. How
    /// many bytes that freed; nothing if there is no segment to look at.
    pub async fn compact(&self, stream: &StreamName) -> Result<Option<u64>, StreamError> {
        self.inner.get(stream)?.compact(self.inner.options.compacted_bytes_min).await
    }

    /// Verifies a part of a stream's sealed segments: about `bytes` from `at` on. What is damaged is
    /// in [`LogStore::statuses`] from then on.
    pub async fn scrub(&self, stream: &StreamName, at: ScrubPosition, bytes: u64) -> Result<ScrubPart, StreamError> {
        self.inner.get(stream)?.scrub(at, bytes).await
    }

    /// Verifies every frame of a stream, whoever's it is. Error: [`StreamError::Damaged`].
    pub async fn verify(&self, stream: &StreamName) -> Result<(), StreamError> {
        self.inner.get(stream)?.verify().await
    }
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
        self.inner.get(stream)?.describe()
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
        let log = self.inner.get(stream)?;
        if let Some(key) = &to.encryption_key {
            let unusable = |reason| StreamError::KeysUnusable { stream: stream.clone(), key: key.clone(), reason };
            self.inner.ring.look_for(key).await.map_err(unusable)?;
        }
        let from_to = Box::new((from.clone(), to));
        log.ask(|done| Job::Alter { from_to, done }).await
    }

    async fn append(&self, stream: &StreamName, entries: Vec<PutEntry>) -> Result<AppendedBatch, StreamError> {
        self.inner.get(stream)?.append(entries).await
    }

    async fn append_run(&self, stream: &StreamName, run: PutRun) -> Result<Vec<(usize, AppendError)>, StreamError> {
        self.inner.get(stream)?.append_run(run).await
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
        self.inner.get(home)?.commit(consumer, checkpoint, outputs).await
    }

    async fn checkpoint(&self, home: &StreamName, consumer: &ConsumerName) -> Result<Option<Checkpoint>, StreamError> {
        Ok(self.inner.get(home)?.lock().checkpoints.get(consumer).cloned())
    }
}
