//! Checkpoints that later ones have replaced give their room back, and nothing else does.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ingest::log::options::LogOptions;
use ingest::log::repair::examine;
use ingest::log::store::LogStore;
use model::disk::{Disk, StdDisk};
use model::stream::checkpoint::Checkpoint;
use model::stream::record::Record;
use model::stream::settings::StreamSettings;
use model::stream::shard::ShardId;
use model::stream::store::{StreamOptions, StreamStore};
use model::testing::faulty::{Fault, FaultyDisk, Operation};
use model::testing::power_cut::PowerCutDisk;

use crate::common::{KEYS, clock, consumer, entry, key_ring, put, read_all, stream};

const STATE_BYTES: usize = 20_000;
const COMMITS: u64 = 100;
/// A window ends, and writes rows, once in so many commits.
const COMMITS_A_WINDOW: u64 = 10;
const SEGMENT_BYTES: u64 = 256 << 10;

async fn open(disk: Arc<dyn Disk>, folder: &Path) -> LogStore {
    let options = LogOptions { segment_bytes_max: SEGMENT_BYTES, tail_bytes_max: 0, ..LogOptions::small() };
    LogStore::open_with_keys(clock(), disk, key_ring(), folder, options).await.unwrap()
}

/// A query's output stream: a state each second, and rows now and then.
async fn fill(store: &LogStore, key: Option<&str>) {
    store.create(&stream(), StreamOptions { shards: 2, ..StreamOptions::default() }).await.unwrap();
    let from = store.describe(&stream()).await.unwrap().settings.clone();
    let to = StreamSettings { encryption_key: key.map(str::to_owned), ..from.clone() };
    store.alter(&stream(), &from, to).await.unwrap();
    for version in 1..=COMMITS {
        let rows = if version % COMMITS_A_WINDOW == 0 { 20 } else { 0 };
        let rows = (0..rows).map(|n| entry(&format!("k{n}"), format!("row {n} of {version}"))).collect();
        store.commit(&stream(), &consumer(), state_of(version), rows).await.unwrap();
        if version % 7 == 0 {
            put(store, vec![entry("put", format!("put beside {version}"))]).await;
        }
    }
}

fn state_of(version: u64) -> Checkpoint {
    Checkpoint { version, state: Bytes::from(vec![version as u8; STATE_BYTES]), ..Checkpoint::default() }
}

async fn everything(store: &LogStore) -> Vec<Vec<Record>> {
    let mut all = Vec::new();
    for shard in [ShardId(0), ShardId(1)] {
        all.push(read_all(store, shard).await.unwrap());
    }
    all
}

async fn check_whole(store: &LogStore, right: &[Vec<Record>]) {
    assert_eq!(everything(store).await, right);
    store.verify(&stream()).await.unwrap();
    assert_eq!(store.checkpoint(&stream(), &consumer()).await.unwrap(), Some(state_of(COMMITS)));
}

/// What the disk gives to a folder.
fn room(folder: &Path) -> u64 {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().blocks() * 512).sum()
}

#[tokio::test]
async fn old_states_give_their_room_back() {
    for key in [None, Some(KEYS[0])] {
        let folder = tempfile::tempdir().unwrap();
        let files = folder.path().join("rides");
        let store = open(Arc::new(StdDisk), folder.path()).await;
        fill(&store, key).await;
        let (right, before) = (everything(&store).await, room(&files));
        let mut freed = 0;
        while let Some(bytes) = store.compact(&stream()).await.unwrap() {
            freed += bytes;
        }
        let after = room(&files);
        assert!(before > COMMITS * STATE_BYTES as u64 && freed > before / 2, "{before} {freed}");
        let rows: usize = right.iter().flatten().map(|record| record.data.len()).sum();
        // Two segments are left alone, each with a state in front.
        let left_alone = 2 * (SEGMENT_BYTES + 2 * STATE_BYTES as u64);
        assert!(after < left_alone + 3 * rows as u64 + (64 << 10), "{before} bytes before, {after} after");
        check_whole(&store, &right).await;
        assert_eq!(store.compact(&stream()).await.unwrap(), None, "all is done");
        store.close().await;
        drop(store);
        let plan = examine::examine(&StdDisk, &files, &stream(), &key_ring()).unwrap();
        assert!(plan.is_whole(), "{:?}", plan.damage);
        let store = open(Arc::new(StdDisk), folder.path()).await;
        check_whole(&store, &right).await;
    }
}

/// Whatever fails meanwhile, and whenever the power is cut, records and checkpoints are there.
#[tokio::test]
async fn a_compaction_that_fails_changes_nothing() {
    let (power, folder) = (PowerCutDisk::default(), Path::new("/streams"));
    let store = open(Arc::new(power.clone()), folder).await;
    fill(&store, Some(KEYS[1])).await;
    let right = everything(&store).await;
    store.close().await;
    drop(store);
    let state = power.state();
    for operation in [Operation::Read, Operation::Write, Operation::Sync, Operation::SyncFolder] {
        for after in 0..6 {
            let power = PowerCutDisk::with(state.clone());
            let disk = FaultyDisk::new(power.clone());
            let store = open(Arc::new(disk.clone()), folder).await;
            disk.fail(Fault { after, ..Fault::once(operation, "rides") });
            for _ in 0..8 {
                let _ = store.compact(&stream()).await;
            }
            check_whole(&store, &right).await;
            drop(store);
            let disk = PowerCutDisk::with(power.state().after_power_cut(after));
            let store = open(Arc::new(disk), folder).await;
            check_whole(&store, &right).await;
        }
    }
}
