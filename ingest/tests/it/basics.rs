//! The promises of every stream store, on a real disk and on the one of the tests.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::join_all;
use ingest::log::options::LogOptions;
use ingest::log::store::LogStore;
use model::disk::{Disk, StdDisk};
use model::stream::checkpoint::{Checkpoint, STATE_BYTES_MAX};
use model::stream::hash_key::HashKey;
use model::stream::record::{Appended, PutEntry};
use model::stream::settings::StreamSettings;
use model::stream::shard::{Reshard, ShardId};
use model::stream::store::{AppendError, AppendedBatch, ReadLimit, StreamError, StreamOptions, StreamStore};
use model::testing::conformance;
use model::testing::power_cut::PowerCutDisk;

use crate::common::{ALL, clock, consumer, entry, open, put, read_all, read_by, stream};

async fn conforms(disk: Arc<dyn Disk>, folder: &Path) {
    let clock = clock();
    let store = LogStore::open(clock.clone(), disk, folder, LogOptions::small()).await.unwrap();
    conformance::stream_store(Arc::new(store.clone()), &clock).await;
    store.close().await;
}

#[tokio::test]
async fn the_log_keeps_the_promises_on_a_real_disk() {
    let folder = tempfile::tempdir().unwrap();
    conforms(Arc::new(StdDisk), &folder.path().join("data/streams")).await;
}

#[tokio::test]
async fn the_log_keeps_the_promises_in_memory() {
    conforms(Arc::new(PowerCutDisk::default()), Path::new("/streams")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_comes_while_a_stream_is_deleted_finds_no_stream() {
    let store = open(&PowerCutDisk::default(), &clock()).await.unwrap();
    for _ in 0..100 {
        store.create(&stream(), StreamOptions::default()).await.unwrap();
        let appends = (0..4).map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                loop {
                    if let Err(error) = store.append(&stream(), vec![entry("a", "late")]).await {
                        return error;
                    }
                }
            })
        });
        let appends: Vec<_> = appends.collect();
        tokio::task::yield_now().await;
        store.delete(&stream()).await.unwrap();
        for refused in join_all(appends).await {
            let refused = refused.unwrap();
            assert!(matches!(refused, StreamError::NotFound(_)), "{refused:?}");
        }
    }
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    for orderly in [true, false] {
        let (disk, clock) = (PowerCutDisk::default(), clock());
        let store = open(&disk, &clock).await.unwrap();
        store.create(&stream(), StreamOptions { shards: 2, ..StreamOptions::default() }).await.unwrap();
        for i in 0..100 {
            clock.advance(Duration::from_millis(10));
            put(&store, (0..20).map(|k| entry(&format!("key-{k}"), vec![i; 100])).collect()).await;
        }
        let checkpoint = Checkpoint { version: 1, state: Bytes::from_static(b"state"), ..Checkpoint::default() };
        store.commit(&stream(), &consumer(), checkpoint.clone(), vec![entry("a", "row")]).await.unwrap();
        let split = Reshard::Split { shard: ShardId(0), at: HashKey(7) };
        let description = store.reshard(&stream(), split).await.unwrap();
        put(&store, vec![entry("b", "after the split")]).await;
        let mut before = Vec::new();
        for shard in description.shards.iter() {
            before.push(read_all(&store, shard.id).await.unwrap());
        }
        if orderly {
            store.close().await;
        }
        drop(store);

        clock.set(crate::common::NOW);
        let store = open(&disk, &clock).await.unwrap();
        assert_eq!(store.describe(&stream()).await.unwrap(), description);
        let few = ReadLimit { records_max: 7, ..ALL };
        for (shard, before) in description.shards.iter().zip(&before) {
            assert_eq!(&read_all(&store, shard.id).await.unwrap(), before);
            assert_eq!(&read_by(&store, shard.id, few).await.unwrap(), before);
        }
        assert_eq!(store.checkpoint(&stream(), &consumer()).await.unwrap(), Some(checkpoint));
        let appended = put(&store, vec![entry("b", "next")]).await[0];
        let last = before.iter().flatten().map(|record| record.arrived_at).max().unwrap();
        assert!(appended.arrived_at >= last, "a clock that was set back does not turn time around");
        store.verify(&stream()).await.unwrap();
    }
}

/// A shorter retention is not forgotten, and what it took does not come back.
#[tokio::test]
async fn settings_are_there_after_a_restart() {
    for orderly in [true, false] {
        let (disk, clock) = (PowerCutDisk::default(), clock());
        let store = open(&disk, &clock).await.unwrap();
        let before = store.create(&stream(), StreamOptions::default()).await.unwrap();
        put(&store, vec![entry("k", "old")]).await;
        clock.advance(Duration::from_secs(7200));
        put(&store, vec![entry("k", "young")]).await;
        let mut after = StreamSettings { retention: Duration::from_secs(3600), ..before.settings.clone() };
        after.tags.insert("team".to_owned(), "rides".to_owned());
        store.alter(&stream(), &before.settings, after.clone()).await.unwrap();
        if orderly {
            store.close().await;
        }
        drop(store);
        let store = open(&disk, &clock).await.unwrap();
        assert_eq!(store.describe(&stream()).await.unwrap().settings, after);
        let kept = read_all(&store, ShardId(0)).await.unwrap();
        assert_eq!(kept.iter().map(|record| &record.data[..]).collect::<Vec<_>>(), [b"young"]);
    }
}

/// The first version of the manifest had fewer settings, and called them options.
#[tokio::test]
async fn a_manifest_without_later_settings_opens() {
    let folder = tempfile::tempdir().unwrap();
    let open = || LogStore::open(clock(), Arc::new(StdDisk), folder.path(), LogOptions::small());
    let store = open().await.unwrap();
    let description = store.create(&stream(), StreamOptions { shards: 2, ..StreamOptions::default() }).await.unwrap();
    put(&store, vec![entry("k", "kept")]).await;
    store.close().await;
    drop(store);
    let file = folder.path().join("rides/manifest");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_str(text.split_once('\n').unwrap().1).unwrap();
    let fields = manifest.as_object_mut().unwrap();
    let mut options = fields.remove("settings").unwrap();
    options["shards"] = 2.into();
    fields.insert("options".to_owned(), options);
    fields.remove("horizon").unwrap();
    let json = manifest.to_string();
    let crc = crc32c::crc32c(json.as_bytes());
    std::fs::write(&file, format!("gallop-manifest 1 crc32c={crc:08x}\n{json}\n")).unwrap();
    let store = open().await.unwrap();
    assert_eq!(store.describe(&stream()).await.unwrap(), description);
    let shard = description.shards.route(entry("k", "").hash_key());
    assert_eq!(read_all(&store, shard).await.unwrap().len(), 1);
}

#[tokio::test]
async fn retention_by_bytes_drops_whole_segments_and_keeps_checkpoints() {
    let (disk, clock) = (PowerCutDisk::default(), clock());
    let store = open(&disk, &clock).await.unwrap();
    let options = StreamOptions { retention_bytes_max: Some(200_000), ..StreamOptions::default() };
    store.create(&stream(), options).await.unwrap();
    let checkpoint = Checkpoint { version: 1, state: Bytes::from_static(b"old"), ..Checkpoint::default() };
    store.commit(&stream(), &consumer(), checkpoint.clone(), Vec::new()).await.unwrap();
    for i in 0..100u8 {
        put(&store, vec![entry("k", vec![i; 10_000])]).await;
    }
    store.trim(&stream()).await.unwrap();
    let kept = read_all(&store, ShardId(0)).await.unwrap();
    assert!(kept.len() <= 20 && kept.len() >= 5, "{}", kept.len());
    assert_eq!(kept.last().unwrap().data[0], 99);
    drop(store);
    let store = open(&disk, &clock).await.unwrap();
    assert_eq!(read_all(&store, ShardId(0)).await.unwrap(), kept);
    assert_eq!(store.checkpoint(&stream(), &consumer()).await.unwrap(), Some(checkpoint));
}

#[tokio::test]
async fn concurrent_appends_share_syncs() {
    let (disk, clock) = (PowerCutDisk::default(), clock());
    let store = open(&disk, &clock).await.unwrap();
    store.create(&stream(), StreamOptions::default()).await.unwrap();
    let before = disk.syncs();
    let mut appends = join_all((0..1000).map(|i| put(&store, vec![entry("k", format!("{i}"))])));
    let held = disk.hold_syncs();
    assert!((&mut appends).now_or_never().is_none(), "nothing is acknowledged before it is synced");
    drop(held);
    appends.await;
    let syncs = disk.syncs() - before;
    assert!(syncs <= 2 + 1000 * 70 / (64 << 10), "1000 appends took {syncs} syncs");
    assert_eq!(read_all(&store, ShardId(0)).await.unwrap().len(), 1000);
}

/// Calls are routed before they wait for the writer; what waits behind a split is routed anew.
#[tokio::test]
async fn what_waits_behind_a_split_goes_to_the_children() {
    let (disk, clock) = (PowerCutDisk::default(), clock());
    let store = open(&disk, &clock).await.unwrap();
    let name = stream();
    let begin = store.create(&name, StreamOptions::default()).await.unwrap().lives.first.0;
    let at = |number: u32| PutEntry { explicit_hash_key: Some(HashKey(u128::from(number) << 126)), ..entry("k", "") };
    let held = disk.hold_syncs();
    let mut first = Box::pin(store.append(&name, vec![at(0), at(3)]));
    assert!((&mut first).now_or_never().is_none());
    let mut split = store.reshard(&name, Reshard::Split { shard: ShardId(0), at: HashKey(1 << 127) });
    assert!((&mut split).now_or_never().is_none());
    let mut second = Box::pin(store.append(&name, vec![at(3), at(0), at(2), at(1)]));
    assert!((&mut second).now_or_never().is_none());
    let (checkpoint, consumer) = (Checkpoint { version: 1, ..Checkpoint::default() }, consumer());
    let mut commit = store.commit(&name, &consumer, checkpoint, vec![at(2)]);
    assert!((&mut commit).now_or_never().is_none());
    drop(held);
    let places =
        |appended: Vec<Appended>| appended.iter().map(|a| (a.shard.0, a.sequence_number.0 - begin)).collect::<Vec<_>>();
    let taken = |batch: AppendedBatch| places(batch.results.into_iter().map(|result| result.unwrap()).collect());
    assert_eq!(taken(first.await.unwrap()), [(0, 0), (0, 1)]);
    split.await.unwrap();
    let (second, commit) = futures::join!(second, commit);
    let second = second.unwrap();
    assert_eq!(second.stream.shards.open_count(), 2, "it was routed by the map after the split");
    assert_eq!(taken(second), [(2, 2), (1, 2), (2, 3), (1, 3)]);
    assert_eq!(places(commit.unwrap()), [(2, 4)]);
    assert_eq!(read_all(&store, ShardId(2)).await.unwrap().len(), 3);
    // The room that was given back and taken again is all free: a call as large as the bound is taken whole.
    let entries: Vec<_> = (0..3).map(|_| entry("k", vec![0; 1_000_000])).collect();
    assert_eq!(put(&store, entries).await.len(), 3);
}

#[tokio::test]
async fn what_waits_is_bounded() {
    let (disk, clock) = (PowerCutDisk::default(), clock());
    let store = open(&disk, &clock).await.unwrap();
    store.create(&stream(), StreamOptions::default()).await.unwrap();
    let entries = (0..10).map(|_| entry("k", vec![0; 1_000_000])).collect();
    let results = store.append(&stream(), entries).await.unwrap().results;
    let taken = results.iter().filter(|result| result.is_ok()).count();
    assert!((1..10).contains(&taken), "{taken} of 10 MB fit into a bound of 4 MiB");
    assert!(results.contains(&Err(AppendError::Throttled { shard: ShardId(0) })));
    assert!(put(&store, vec![entry("k", "room again")]).await.len() == 1);
}

#[tokio::test]
async fn a_folder_has_one_store_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let open = || LogStore::open(clock(), Arc::new(StdDisk), folder.path(), LogOptions::small());
    let store = open().await.unwrap();
    assert!(open().await.is_err(), "the first has it");
    store.close().await;
    drop(store);
    open().await.unwrap();
}

/// Whatever the umask of the process: records are for the user who runs the store.
#[tokio::test]
async fn nobody_else_can_read_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("data");
    let options = LogOptions { segment_bytes_max: 4 << 10, ..LogOptions::small() };
    let store = LogStore::open(clock(), Arc::new(StdDisk), &root.join("streams"), options).await.unwrap();
    store.create(&stream(), StreamOptions::default()).await.unwrap();
    for _ in 0..10 {
        put(&store, vec![entry("k", vec![0; 1000])]).await;
    }
    let (mut names, mut folders) = (Vec::new(), vec![root]);
    while let Some(folder) = folders.pop() {
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700, "{}", folder.display());
        for entry in fs::read_dir(&folder).unwrap() {
            let (path, metadata) = entry.map(|entry| (entry.path(), entry.metadata().unwrap())).unwrap();
            if metadata.is_dir() {
                folders.push(path);
            } else {
                assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{}", path.display());
                names.push(path.file_name().unwrap().to_string_lossy().into_owned());
            }
        }
    }
    for name in ["~lock", "manifest", "00000000000000000000.log", "00000000000000000000.index"] {
        assert!(names.iter().any(|found| found == name), "{name} in {names:?}");
    }
}

#[tokio::test]
async fn large_commits_find_room_and_too_large_ones_are_refused() {
    let (disk, clock) = (PowerCutDisk::default(), clock());
    let store = open(&disk, &clock).await.unwrap();
    store.create(&stream(), StreamOptions::default()).await.unwrap();
    let state = |bytes| Bytes::from(vec![0; bytes]);
    let checkpoint = Checkpoint { version: 1, state: state(STATE_BYTES_MAX + 1), ..Checkpoint::default() };
    let refused = store.commit(&stream(), &consumer(), checkpoint, Vec::new()).await;
    assert!(matches!(refused, Err(StreamError::InvalidCommit { .. })), "{refused:?}");

    let held = disk.hold_syncs();
    let stream = stream();
    let mut append = Box::pin(store.append(&stream, vec![entry("k", vec![0; 1000])]));
    assert!((&mut append).now_or_never().is_none());
    let checkpoint = Checkpoint { version: 1, state: state(8 << 20), ..Checkpoint::default() };
    let consumer = consumer();
    let mut commit = Box::pin(store.commit(&stream, &consumer, checkpoint.clone(), Vec::new()));
    assert!((&mut commit).now_or_never().is_none(), "larger than the bound: it waits until nothing else does");
    let throttled = store.append(&stream, vec![entry("k", "later")]).now_or_never().unwrap().unwrap().results;
    assert!(matches!(throttled[..], [Err(AppendError::Throttled { .. })]), "{throttled:?}");
    drop(held);
    append.await.unwrap();
    commit.await.unwrap();
    put(&store, vec![entry("k", "room again")]).await;
    assert_eq!(store.checkpoint(&stream, &consumer).await.unwrap(), Some(checkpoint));
}
