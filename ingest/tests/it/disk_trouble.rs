//! Disks that are full, fail to sync, fail to read, or are slow: who is told what, and what goes on.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use ingest::log::options::LogOptions;
use ingest::log::store::LogStore;
use model::clock::Clock;
use model::disk::Disk;
use model::name::StreamName;
use model::stream::checkpoint::Checkpoint;
use model::stream::hash_key::HashKey;
use model::stream::settings::StreamSettings;
use model::stream::shard::{Reshard, ShardId};
use model::stream::store::{AppendError, StreamError, StreamOptions, StreamStore};
use model::testing::clock::ManualClock;
use model::testing::faulty::{Fault, FaultyDisk, Operation};
use model::testing::power_cut::PowerCutDisk;

use crate::common::{ALL, clock, consumer, entry, put, read_all, stream};

const ROOT: &str = "/streams";

fn other() -> StreamName {
    StreamName::new("other").unwrap()
}

fn options() -> LogOptions {
    LogOptions { segment_bytes_max: 8 << 10, tail_bytes_max: 2 << 10, ..LogOptions::small() }
}

async fn open(disk: &FaultyDisk, clock: &Arc<ManualClock>) -> LogStore {
    LogStore::open(clock.clone(), Arc::new(disk.clone()), Path::new(ROOT), options()).await.unwrap()
}

/// A store on a disk whose faults are still to come, with two streams.
async fn store() -> (FaultyDisk, LogStore, Arc<ManualClock>) {
    let (disk, clock) = (FaultyDisk::new(PowerCutDisk::default()), clock());
    let store = open(&disk, &clock).await;
    for name in [stream(), other()] {
        store.create(&name, StreamOptions::default()).await.unwrap();
    }
    (disk, store, clock)
}

fn says_full<T: std::fmt::Debug>(result: Result<T, StreamError>) {
    let Err(StreamError::DiskFull { stream, .. }) = &result else { panic!("{result:?}") };
    assert_eq!(*stream, self::stream());
}

fn says_stopped<T: std::fmt::Debug>(result: Result<T, StreamError>, doing: &str) {
    let Err(StreamError::Stopped { reason, .. }) = &result else { panic!("{result:?}") };
    assert!(reason.contains(doing), "{reason}");
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_nothing_else() {
    let (disk, store, clock) = store().await;
    let before = put(&store, vec![entry("k", "before")]).await[0].sequence_number;
    let root = Path::new(ROOT);
    disk.limit(root, disk.used(root).unwrap());
    let settings = store.describe(&stream()).await.unwrap().settings.clone();
    let longer = StreamSettings { retention: Duration::from_secs(90_000), ..settings.clone() };
    for _ in 0..3 {
        says_full(store.append(&stream(), vec![entry("k", vec![0; 1000])]).await);
        let checkpoint = Checkpoint { version: 1, ..Checkpoint::default() };
        says_full(store.commit(&stream(), &consumer(), checkpoint, vec![entry("k", vec![0; 1000])]).await);
        says_full(store.reshard(&stream(), Reshard::Split { shard: ShardId(0), at: HashKey(7) }).await);
        says_full(store.alter(&stream(), &settings, longer.clone()).await);
        let new = StreamName::new("new").unwrap();
        let created = store.create(&new, StreamOptions::default()).await;
        assert!(matches!(created, Err(StreamError::DiskFull { .. })), "{created:?}");
        assert_eq!(store.list().await.unwrap(), [other(), stream()]);
        assert_eq!(read_all(&store, ShardId(0)).await.unwrap().len(), 1, "reads go on");
    }
    disk.heal();
    // The same store, no restart: numbers go on where they were, and what was refused is nowhere.
    assert_eq!(put(&store, vec![entry("k", "after")]).await[0].sequence_number, before.next());
    store.alter(&stream(), &settings, longer).await.unwrap();
    store.reshard(&stream(), Reshard::Split { shard: ShardId(0), at: HashKey(7) }).await.unwrap();
    assert_eq!(store.checkpoint(&stream(), &consumer()).await.unwrap(), None);
    drop(store);
    let store = open(&disk, &clock).await;
    let data: Vec<_> = read_all(&store, ShardId(0)).await.unwrap().into_iter().map(|record| record.data).collect();
    assert_eq!(data, ["before", "after"]);
}

/// Retention gives room back even where the disk has none left for its own notes.
#[tokio::test]
async fn retention_frees_a_full_disk() {
    let (disk, store, clock) = store().await;
    let root = Path::new(ROOT);
    for _ in 0..30 {
        put(&store, vec![entry("k", vec![0; 1000])]).await;
    }
    disk.limit(root, disk.used(root).unwrap());
    says_full(store.append(&stream(), vec![entry("k", vec![0; 1000])]).await);
    clock.advance(StreamSettings::default().retention + Duration::from_secs(1));
    store.trim(&stream()).await.unwrap();
    put(&store, vec![entry("k", "room again")]).await;
}

/// The cut behind what is durable is synced itself; where that fails nobody knows what is there.
#[tokio::test]
async fn what_cannot_be_undone_on_a_full_disk_stops_the_stream() {
    let (disk, store, clock) = store().await;
    put(&store, vec![entry("k", "before")]).await;
    let root = Path::new(ROOT);
    disk.limit(root, disk.used(root).unwrap());
    disk.fail(Fault::once(Operation::Sync, "rides"));
    says_stopped(store.append(&stream(), vec![entry("k", vec![0; 1000])]).await, "after the disk was full");
    disk.heal();
    says_stopped(store.append(&stream(), vec![entry("k", "lost")]).await, "after the disk was full");
    drop(store);
    let store = open(&disk, &clock).await;
    assert_eq!(read_all(&store, ShardId(0)).await.unwrap().len(), 1);
    put(&store, vec![entry("k", "after")]).await;
}

#[tokio::test]
async fn a_failed_write_or_sync_stops_the_stream_and_the_others_go_on() {
    for operation in [Operation::Sync, Operation::Write] {
        let (disk, store, clock) = store().await;
        put(&store, vec![entry("k", "durable")]).await;
        // One failure, and then a disk that says that all is well: what Linux does.
        disk.fail(Fault::once(operation, "rides"));
        let stream = stream();
        for result in join_all((0..10).map(|_| store.append(&stream, vec![entry("k", "lost")]))).await {
            says_stopped(result, "ing 00000000000000000000.log");
        }
        let tried = disk.count(Operation::Sync, "rides") + disk.count(Operation::Write, "rides");
        for _ in 0..3 {
            says_stopped(store.append(&stream, vec![entry("k", "lost")]).await, "00000000000000000000.log");
            says_stopped(store.reshard(&stream, Reshard::Split { shard: ShardId(0), at: HashKey(7) }).await, ".log");
            says_stopped(store.trim(&stream).await, ".log");
        }
        let tried_again = disk.count(Operation::Sync, "rides") + disk.count(Operation::Write, "rides");
        assert_eq!(tried, tried_again, "nothing is tried again on those files");

        let records = read_all(&store, ShardId(0)).await.unwrap();
        assert_eq!(records.len(), 1, "what was not acknowledged is not shown");
        let batch = store.read(&stream, ShardId(0), records[0].sequence_number.next(), ALL).await.unwrap();
        clock.advance(Duration::from_secs(100));
        assert!(batch.complete_until < clock.now(), "no promise is made for records that may be there after a restart");

        assert!(store.append(&other(), vec![entry("k", "fine")]).await.unwrap().results[0].is_ok());
        drop(store);
        let store = open(&disk, &clock).await;
        put(&store, vec![entry("k", "after")]).await;
        store.verify(&stream).await.unwrap();
    }
}

/// Nothing is moved in place, and nothing old removed, after a sync of the new file or of the folder failed.
#[tokio::test]
async fn a_failed_sync_of_a_manifest_stops_the_stream() {
    for fault in [Fault::once(Operation::Sync, "manifest~new"), Fault::once(Operation::SyncFolder, "rides")] {
        let (disk, store, clock) = store().await;
        put(&store, vec![entry("k", "durable")]).await;
        disk.fail(fault);
        says_stopped(store.reshard(&stream(), Reshard::Split { shard: ShardId(0), at: HashKey(7) }).await, "manifest");
        says_stopped(store.append(&stream(), vec![entry("k", "lost")]).await, "manifest");
        drop(store);
        let store = open(&disk, &clock).await;
        assert_eq!(read_all(&store, ShardId(0)).await.unwrap().len(), 1);
        put(&store, vec![entry("k", "after")]).await;
    }
}

#[tokio::test]
async fn a_read_error_is_named_and_passes() {
    let (disk, store, _clock) = store().await;
    for _ in 0..5 {
        put(&store, vec![entry("k", vec![0; 1000])]).await;
    }
    disk.fail(Fault::always(Operation::Read, "rides/"));
    for _ in 0..3 {
        let failed = read_all(&store, ShardId(0)).await.unwrap_err();
        let StreamError::Io { stream, doing, source } = &failed else { panic!("{failed:?}") };
        assert_eq!((stream, &doing[..]), (&self::stream(), "reading 00000000000000000000.log"));
        assert_eq!(source.raw_os_error(), Some(5));
    }
    // Readers at the tip are served from memory, writers do not read.
    let last = put(&store, vec![entry("k", "new")]).await[0].sequence_number;
    assert_eq!(store.read(&stream(), ShardId(0), last, ALL).await.unwrap().records[0].data, "new");
    disk.heal();
    assert_eq!(read_all(&store, ShardId(0)).await.unwrap().len(), 6);
}

#[tokio::test]
async fn a_stream_that_cannot_be_read_at_start_refuses_by_name_and_the_others_open() {
    for fault in [Fault::always(Operation::Read, "rides/"), Fault::always(Operation::Open, "rides/")] {
        let (disk, store, clock) = store().await;
        put(&store, vec![entry("k", "durable")]).await;
        drop(store);
        disk.fail(fault);
        let store = open(&disk, &clock).await;
        let failed = store.append(&stream(), vec![entry("k", vec![0; 1000])]).await.unwrap_err();
        assert!(matches!(&failed, StreamError::Io { stream, .. } if *stream == self::stream()), "{failed:?}");
        assert!(store.append(&other(), vec![entry("k", "fine")]).await.unwrap().results[0].is_ok());
        drop(store);
        disk.heal();
        let store = open(&disk, &clock).await;
        assert_eq!(read_all(&store, ShardId(0)).await.unwrap().len(), 1, "trouble with reading changes nothing");
    }
}

/// A disk that stands still: what waits is bounded, producers are throttled, nobody hangs once it goes on.
#[tokio::test]
async fn a_slow_disk_throttles_and_holds_no_more_than_its_bound() {
    const ENTRY_BYTES: usize = 1000;
    let (power, clock) = (PowerCutDisk::default(), clock());
    let bounds = LogOptions { waiting_bytes_max: 100 << 10, ..options() };
    let store = LogStore::open(clock, Arc::new(power.clone()), Path::new(ROOT), bounds).await.unwrap();
    store.create(&stream(), StreamOptions::default()).await.unwrap();
    let name = stream();
    let held = power.hold_syncs();
    let mut waiting: Vec<_> =
        (0..10_000).map(|_| Box::pin(store.append(&name, vec![entry("k", vec![0; ENTRY_BYTES])]))).collect();
    let mut throttled = 0;
    waiting.retain_mut(|append| match append.now_or_never() {
        None => true,
        Some(answer) => {
            assert!(matches!(answer.unwrap().results[..], [Err(AppendError::Throttled { .. })]));
            throttled += 1;
            false
        }
    });
    assert!(waiting.len() * ENTRY_BYTES <= bounds.waiting_bytes_max, "{} wait", waiting.len());
    assert_eq!(waiting.len() + throttled, 10_000);
    drop(held);
    let taken = waiting.len();
    for answer in join_all(waiting).await {
        assert!(answer.unwrap().results[0].is_ok());
    }
    assert_eq!(read_all(&store, ShardId(0)).await.unwrap().len(), taken);
}

/// The system may have no thread for one more stream: its creation fails and leaves nothing behind.
#[tokio::test]
async fn a_stream_that_gets_no_thread_is_not_created() {
    // More than a process can address.
    let threadless = LogOptions { writer_stack_bytes: 1 << 50, ..options() };
    let (disk, clock, new) = (PowerCutDisk::default(), clock(), StreamName::new("new").unwrap());
    let open = |options| LogStore::open(clock.clone(), Arc::new(disk.clone()), Path::new(ROOT), options);
    let store = open(options()).await.unwrap();
    store.create(&stream(), StreamOptions::default()).await.unwrap();
    put(&store, vec![entry("k", "before")]).await;
    drop(store);

    let store = open(threadless).await.unwrap();
    let says_thread = |error: StreamError| {
        let StreamError::Io { doing, .. } = &error else { panic!("{error:?}") };
        assert!(doing.contains("thread"), "{doing}");
    };
    says_thread(store.append(&stream(), vec![entry("k", "refused")]).await.unwrap_err());
    says_thread(store.create(&new, StreamOptions::default()).await.unwrap_err());
    assert_eq!(store.list().await.unwrap(), [stream()]);
    assert_eq!(disk.list(Path::new(ROOT)).unwrap(), ["rides", "~lock"]);
    drop(store);

    let store = open(options()).await.unwrap();
    assert_eq!(read_all(&store, ShardId(0)).await.unwrap().len(), 1);
    store.create(&new, StreamOptions::default()).await.unwrap();
}
