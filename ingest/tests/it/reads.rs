//! Reads from files: what they cost the disk, and how many there are at a time.

use std::collections::BTreeSet;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures::future::join_all;
use ingest::log::frames::key::KeyRing;
use ingest::log::options::LogOptions;
use ingest::log::store::LogStore;
use model::disk::{About, Disk, DiskFile};
use model::stream::hash_key::HashKey;
use model::stream::record::PutEntry;
use model::stream::shard::ShardId;
use model::stream::store::{StreamOptions, StreamStore};
use model::testing::power_cut::PowerCutDisk;
use tokio::runtime::{Builder, Handle};

use crate::common::{clock, entry, read_all, stream};

/// A disk that counts what is read from it.
#[derive(Debug, Clone)]
struct CountingDisk {
    disk: PowerCutDisk,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    bytes: AtomicU64,
    now: AtomicU64,
    most: AtomicU64,
    /// Threads that read, by name.
    threads: Mutex<BTreeSet<String>>,
}

#[derive(Debug)]
struct CountingFile {
    file: Arc<dyn DiskFile>,
    counts: Arc<Counts>,
}

impl CountingDisk {
    fn counted(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(CountingFile { file, counts: Arc::clone(&self.counts) })
    }
}

#[deny(clippy::missing_trait_methods)]
impl Disk for CountingDisk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.disk.create_folder(path)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.counted(self.disk.create(path)?))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.counted(self.disk.open(path)?))
    }
    fn view(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.counted(self.disk.view(path)?))
    }
    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.disk.list(folder)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_folder(path)
    }
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_folder(path)
    }
    fn lock(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.lock(path)
    }
    fn open_alone(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.counted(self.disk.open_alone(path)?))
    }
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.link(from, to)
    }
    fn about(&self, path: &Path) -> io::Result<About> {
        self.disk.about(path)
    }
}

impl CountingFile {
    fn counted(&self, length: usize, read: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let Counts { bytes, now, most, threads } = &*self.counts;
        bytes.fetch_add(length as u64, Ordering::Relaxed);
        threads.lock().unwrap().insert(std::thread::current().name().unwrap_or_default().to_owned());
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let read = read();
        std::thread::yield_now();
        now.fetch_sub(1, Ordering::SeqCst);
        read
    }
}

#[deny(clippy::missing_trait_methods)]
impl DiskFile for CountingFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn is_empty(&self) -> io::Result<bool> {
        self.file.is_empty()
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.counted(buffer.len(), || self.file.read_at(offset, buffer))
    }
    fn read_onto(&self, offset: u64, length: usize, into: &mut Vec<u8>) -> io::Result<()> {
        self.counted(length, || self.file.read_onto(offset, length, into))
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }
    fn write_vectored_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        self.file.write_vectored_at(offset, parts)
    }
    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.truncate(length)
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

const SHARDS: u32 = 64;
const CALLS: usize = 16;
const RECORD_BYTES: usize = 4 << 10;

/// A store whose records are in files only: every call has put a record of [`RECORD_BYTES`] in each shard.
async fn filled() -> (LogStore, Arc<Counts>) {
    filled_reading_on(Handle::current()).await
}

/// The same, whose files are read on `reads`.
async fn filled_reading_on(reads: Handle) -> (LogStore, Arc<Counts>) {
    let disk = CountingDisk { disk: PowerCutDisk::default(), counts: Arc::default() };
    let counts = Arc::clone(&disk.counts);
    let options = LogOptions { tail_bytes_max: 0, segment_bytes_max: 1 << 20, ..LogOptions::default() };
    let (disk, folder) = (Arc::new(disk), Path::new("/streams"));
    let store = LogStore::open_reading_on(reads, clock(), disk, KeyRing::default(), folder, options).await.unwrap();
    let description =
        store.create(&stream(), StreamOptions { shards: SHARDS, ..StreamOptions::default() }).await.unwrap();
    let starts: Vec<HashKey> = description.shards.iter().map(|shard| shard.range.start).collect();
    for call in 0..CALLS {
        let to_each = |start: &HashKey| {
            let entry = entry("k", vec![u8::try_from(call).unwrap(); RECORD_BYTES]);
            PutEntry { explicit_hash_key: Some(*start), ..entry }
        };
        let results = store.append(&stream(), starts.iter().map(to_each).collect()).await.unwrap().results;
        assert!(results.iter().all(Result::is_ok));
    }
    (store, counts)
}

#[tokio::test]
async fn a_reader_of_one_shard_leaves_the_others_unread() {
    let (store, counts) = filled().await;
    let before = counts.bytes.load(Ordering::Relaxed);
    let records = read_all(&store, ShardId(7)).await.unwrap();
    assert_eq!(records.len(), CALLS);
    assert!(records.iter().enumerate().all(|(call, record)| record.data.iter().all(|byte| usize::from(*byte) == call)));
    let read = counts.bytes.load(Ordering::Relaxed) - before;
    let whole = (CALLS * SHARDS as usize * RECORD_BYTES) as u64;
    assert!(read <= whole / 4, "{read} bytes were read of {whole} to find {}", CALLS * RECORD_BYTES);
}

#[tokio::test]
async fn few_files_are_read_at_a_time_however_many_ask() {
    let (store, counts) = filled().await;
    let readers = (0..SHARDS).cycle().take(500).map(|shard| read_all(&store, ShardId(shard)));
    let all = join_all(readers).await;
    assert!(all.into_iter().all(|records| records.unwrap().len() == CALLS));
    let most = counts.most.load(Ordering::SeqCst);
    assert!((1..=16).contains(&most), "{most} at a time");
}

#[test]
fn files_are_read_on_the_threads_that_are_given_for_it() {
    let reads = Builder::new_multi_thread().worker_threads(1).thread_name("reads").build().unwrap();
    let calls = Builder::new_multi_thread().worker_threads(1).thread_name("calls").build().unwrap();
    calls.block_on(async {
        let (store, counts) = filled_reading_on(reads.handle().clone()).await;
        counts.threads.lock().unwrap().clear();
        assert_eq!(read_all(&store, ShardId(7)).await.unwrap().len(), CALLS);
        assert_eq!(*counts.threads.lock().unwrap(), BTreeSet::from(["reads".to_owned()]));
    });
}
