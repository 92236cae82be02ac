//! Single syncs that fail as on Linux, the start after them on the same machine, and a power cut
//! later: what was acknowledged in between is still there.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ingest::log::options::LogOptions;
use ingest::log::store::LogStore;
use model::disk::Disk;
use model::name::StreamName;
use model::stream::hash_key::HashKey;
use model::stream::record::PutEntry;
use model::stream::shard::{Reshard, ShardId};
use model::stream::store::{StreamError, StreamOptions, StreamStore};
use model::testing::clock::ManualClock;
use model::testing::faulty::{Fault, FaultyDisk, Operation};
use model::testing::power_cut::PowerCutDisk;

use crate::common::{clock, entry, key_ring, put, read_all, stream};

pub(crate) const RETENTION: Duration = Duration::from_secs(60);

fn options() -> LogOptions {
    LogOptions { segment_bytes_max: 4 << 10, tail_bytes_max: 2 << 10, ..LogOptions::small() }
}

pub(crate) async fn open(disk: &FaultyDisk, clock: &Arc<ManualClock>) -> Result<LogStore, StreamError> {
    let (disk, folder) = (Arc::new(disk.clone()), Path::new("/data/streams"));
    LogStore::open_with_keys(clock.clone(), disk, key_ring(), folder, options()).await
}

/// What the cache shows after a failed sync is not on the disk: a start that believes it loses the
/// next record too.
#[tokio::test]
async fn a_restart_does_not_believe_what_a_failed_sync_left_in_memory() {
    let faults = [
        Fault::once(Operation::Sync, ".log"),
        Fault::once(Operation::Sync, "manifest"),
        Fault::once(Operation::SyncFolder, "rides"),
    ];
    for (fault, durable) in faults.iter().flat_map(|fault| (20..30).map(move |durable| (fault, durable))) {
        let (power, clock) = (PowerCutDisk::default(), clock());
        let disk = FaultyDisk::new(power.clone());
        let store = open(&disk, &clock).await.unwrap();
        store.create(&stream(), StreamOptions::default()).await.unwrap();
        for number in 0..durable {
            put(&store, vec![entry("k", format!("durable {number}"))]).await;
        }
        disk.fail(fault.clone());
        if fault.name == ".log" {
            store.append(&stream(), vec![entry("k", vec![7; 3000])]).await.unwrap_err();
        } else {
            let split = Reshard::Split { shard: ShardId(0), at: HashKey(7) };
            store.reshard(&stream(), split).await.unwrap_err();
        }
        drop(store);
        let store = open(&disk, &clock).await.unwrap();
        let after = put(&store, vec![entry("k", "after")]).await[0];
        drop(store);
        for cut in 0..20 {
            let disk = FaultyDisk::new(PowerCutDisk::with(power.state().after_power_cut(cut)));
            let store = open(&disk, &clock).await.unwrap();
            let records = read_all(&store, ShardId(0)).await.unwrap();
            let found = records.iter().filter(|record| record.data.starts_with(b"durable")).count();
            assert_eq!(found, durable, "{fault:?}, cut {cut}");
            let records = read_all(&store, after.shard).await.unwrap();
            let last = records.iter().find(|record| record.sequence_number == after.sequence_number);
            assert_eq!(last.map(|record| &record.data[..]), Some(&b"after"[..]), "{fault:?}, cut {cut}");
        }
    }
}

/// A group for which there was no room is cut off, and the sync of that fails: the file may be
/// longer on the disk than it looks. The next group is as long as the first frame of the old one,
/// so that the frame behind it would verify.
#[tokio::test]
async fn a_group_that_was_refused_does_not_come_back() {
    for before in 0..16 {
        let (power, clock) = (PowerCutDisk::default(), clock());
        let disk = FaultyDisk::new(power.clone());
        let store = open(&disk, &clock).await.unwrap();
        store.create(&stream(), StreamOptions { shards: 3, ..StreamOptions::default() }).await.unwrap();
        let shards = store.describe(&stream()).await.unwrap().shards.clone();
        let to = |shard: u32, bytes: usize| PutEntry {
            explicit_hash_key: Some(shards.get(ShardId(shard)).unwrap().range.start),
            ..entry("k", vec![b'x'; bytes])
        };
        for _ in 0..before {
            put(&store, vec![to(2, 100)]).await;
        }
        // The mark is at the end of the log, so that nothing but its length is in doubt.
        store.close().await;
        drop(store);
        let store = open(&disk, &clock).await.unwrap();
        let folder = Path::new("/data/streams");
        disk.limit(folder, disk.used(folder).unwrap() + 1024);
        disk.fail(Fault::once(Operation::Sync, ".log"));
        store.append(&stream(), vec![to(0, 100), to(1, 100), to(2, 3000)]).await.unwrap_err();
        disk.heal();
        drop(store);
        let store = open(&disk, &clock).await.unwrap();
        put(&store, vec![to(0, 100)]).await;
        drop(store);
        for cut in 0..4 {
            let disk = FaultyDisk::new(PowerCutDisk::with(power.state().after_power_cut(cut)));
            let store = open(&disk, &clock).await.unwrap();
            let count = async |shard| read_all(&store, ShardId(shard)).await.unwrap().len();
            assert_eq!([count(0).await, count(1).await, count(2).await], [1, 0, before], "cut {cut}");
        }
    }
}

/// Files that the visible manifest no longer names are needed by the one on the disk, until it is
/// replaced for sure.
#[tokio::test]
async fn dropped_segments_stay_until_the_manifest_is_durable() {
    for (after, puts) in (0..4).flat_map(|after| (10..22).map(move |puts| (after, puts))) {
        let (power, clock) = (PowerCutDisk::default(), clock());
        let disk = FaultyDisk::new(power.clone());
        let store = open(&disk, &clock).await.unwrap();
        let options = StreamOptions { retention: RETENTION, ..StreamOptions::default() };
        store.create(&stream(), options).await.unwrap();
        for _ in 0..puts {
            put(&store, vec![entry("k", vec![0; 1000])]).await;
        }
        clock.advance(RETENTION + Duration::from_secs(1));
        disk.fail(Fault { after, ..Fault::once(Operation::SyncFolder, "rides") });
        let _ = store.trim(&stream()).await;
        drop(store);
        disk.heal();
        disk.fail(Fault::once(Operation::Sync, "manifest"));
        drop(open(&disk, &clock).await.unwrap());
        let disk = FaultyDisk::new(PowerCutDisk::with(power.state().after_power_cut(puts)));
        let store = open(&disk, &clock).await.unwrap();
        store.verify(&stream()).await.unwrap();
        put(&store, vec![entry("k", "after")]).await;
    }
}

/// A start that finds no room for the manifest shows what is there. Nothing is put before the
/// manifest is durable.
#[tokio::test]
async fn nothing_is_acknowledged_before_the_manifest_is_durable() {
    for cut in 0..16 {
        let (power, clock) = (PowerCutDisk::default(), clock());
        let disk = FaultyDisk::new(power.clone());
        let store = open(&disk, &clock).await.unwrap();
        store.create(&stream(), StreamOptions::default()).await.unwrap();
        put(&store, vec![entry("k", "before")]).await;
        disk.fail(Fault::once(Operation::SyncFolder, "rides"));
        let split = Reshard::Split { shard: ShardId(0), at: HashKey(7) };
        store.reshard(&stream(), split).await.unwrap_err();
        drop(store);
        let root = Path::new("/data/streams");
        disk.limit(root, disk.used(root).unwrap());
        let store = open(&disk, &clock).await.unwrap();
        assert_eq!(read_all(&store, ShardId(0)).await.unwrap().len(), 1, "reads go on");
        let refused = store.append(&stream(), vec![entry("k", "small")]).await;
        assert!(matches!(refused, Err(StreamError::DiskFull { .. })), "{refused:?}");
        disk.heal();
        let after = put(&store, vec![entry("k", "after")]).await[0];
        drop(store);
        let disk = FaultyDisk::new(PowerCutDisk::with(power.state().after_power_cut(cut)));
        let store = open(&disk, &clock).await.unwrap();
        let records = read_all(&store, after.shard).await.unwrap();
        assert_eq!(records.iter().map(|record| &record.data[..]).collect::<Vec<_>>(), [b"after"], "cut {cut}");
    }
}

/// The name of a new segment stands in memory alone, and the disk has no room to write it again.
#[tokio::test]
async fn a_segment_whose_name_was_not_synced_is_not_used() {
    for puts in 0..12 {
        let (power, clock) = (PowerCutDisk::default(), clock());
        let disk = FaultyDisk::new(power.clone());
        let store = open(&disk, &clock).await.unwrap();
        store.create(&stream(), StreamOptions::default()).await.unwrap();
        for _ in 0..puts {
            put(&store, vec![entry("k", "small")]).await;
        }
        disk.fail(Fault::once(Operation::SyncFolder, "rides"));
        put(&store, vec![entry("k", vec![0; 5000])]).await;
        drop(store);
        let root = Path::new("/data/streams");
        disk.limit(root, disk.used(root).unwrap());
        let store = open(&disk, &clock).await.unwrap();
        assert_eq!(read_all(&store, ShardId(0)).await.unwrap().len(), puts + 1);
        disk.heal();
        put(&store, vec![entry("k", "after")]).await;
        drop(store);
        for cut in 0..4 {
            let disk = FaultyDisk::new(PowerCutDisk::with(power.state().after_power_cut(cut)));
            let store = open(&disk, &clock).await.unwrap();
            assert_eq!(read_all(&store, ShardId(0)).await.unwrap().len(), puts + 2, "cut {cut}");
        }
    }
}

/// The folders around the streams: made by a process that was killed at once, or that could not
/// sync them.
#[tokio::test]
async fn the_store_s_own_folder_stays_after_a_power_cut() {
    for killed_or_fails_at in [None, Some(0), Some(1), Some(2)] {
        let (power, clock) = (PowerCutDisk::default(), clock());
        let disk = FaultyDisk::new(power.clone());
        match killed_or_fails_at {
            None => ["/data", "/data/streams"].iter().for_each(|path| power.create_folder(Path::new(path)).unwrap()),
            Some(after) => {
                disk.fail(Fault { after, ..Fault::once(Operation::SyncFolder, "") });
                assert!(open(&disk, &clock).await.is_err(), "a sync failed");
            }
        }
        let store = open(&disk, &clock).await.unwrap();
        store.create(&stream(), StreamOptions::default()).await.unwrap();
        put(&store, vec![entry("k", "kept")]).await;
        drop(store);
        for cut in 0..16 {
            let disk = FaultyDisk::new(PowerCutDisk::with(power.state().after_power_cut(cut)));
            let store = open(&disk, &clock).await.unwrap();
            assert_eq!(read_all(&store, ShardId(0)).await.unwrap().len(), 1, "{killed_or_fails_at:?}, cut {cut}");
        }
    }
}

/// A stream that could not be created or deleted is there whole or not at all, and the name can be
/// used again.
#[tokio::test]
async fn streams_come_and_go_whole_through_failed_syncs() {
    let name = StreamName::new("short-lived").unwrap();
    for (operation, after, deletes) in
        (0..12).flat_map(|i| [(Operation::Sync, i / 2, i % 2 == 0), (Operation::SyncFolder, i / 2, i % 2 == 0)])
    {
        for cut in 0..16 {
            let (power, clock) = (PowerCutDisk::default(), clock());
            let disk = FaultyDisk::new(power.clone());
            let store = open(&disk, &clock).await.unwrap();
            let create = || store.create(&name, StreamOptions::default());
            let fault = Fault { after, ..Fault::once(operation, "") };
            if deletes {
                create().await.unwrap();
                for _ in 0..cut % 5 {
                    store.append(&name, vec![entry("k", "old")]).await.unwrap();
                }
                disk.fail(fault);
                if store.delete(&name).await.is_err() && cut % 4 == 0 {
                    store.delete(&name).await.expect("a deletion that failed can be tried again");
                }
            } else {
                disk.fail(fault);
                if create().await.is_err() && cut % 4 == 0 {
                    create().await.expect("a creation that failed can be tried again");
                }
            }
            disk.heal();
            drop(store);
            // What is put into a stream that could not be deleted is there as in any other.
            let mut is_needed = false;
            if cut % 3 > 0 {
                let store = open(&disk, &clock).await.unwrap();
                is_needed = store.append(&name, vec![entry("k", "new")]).await.is_ok();
            }
            let disk = FaultyDisk::new(PowerCutDisk::with(power.state().after_power_cut(cut)));
            let store = open(&disk, &clock).await.unwrap();
            match store.describe(&name).await {
                Ok(_) => store.verify(&name).await.unwrap(),
                Err(StreamError::NotFound(_)) if !is_needed => {
                    drop(store.create(&name, StreamOptions::default()).await.unwrap())
                }
                Err(error) => panic!("{operation:?} {after}, deletes {deletes}, cut {cut}: {error}"),
            }
        }
    }
}
