//! Single kinds of damage, looked at closely.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ingest::log::options::LogOptions;
use ingest::log::repair::apply;
use ingest::log::segments::manifest::{MANIFEST, MANIFEST_COPY, Manifest};
use ingest::log::store::LogStore;
use model::clock::Clock;
use model::disk::Disk;
use model::name::StreamName;
use model::stream::shard::ShardId;
use model::stream::store::{ReadLimit, StartingPosition, StreamOptions, StreamStore};
use model::testing::power_cut::PowerCutDisk;

use crate::common::{clock, entry};
use crate::repair::world::{STREAMS, World, folder_of, name, open, originals};
use crate::repair::{disk_before, goes_on, plan};

#[tokio::test]
async fn what_is_whole_is_left_alone() {
    let world = World::new(7).await;
    for stream in STREAMS.map(name) {
        let plan = plan(&world.disk, &stream);
        assert!(plan.is_whole(), "{:?}", plan.damage);
        assert!(plan.losses.is_empty() && plan.consumers.is_empty());
    }
}

/// A manifest that is lost or damaged costs nothing, whichever of the two it is.
#[tokio::test]
async fn one_manifest_is_enough() {
    let world = World::new(3).await;
    for stream in STREAMS.map(name) {
        let right = Manifest::load(&world.disk, &folder_of(&stream)).unwrap();
        for file in [MANIFEST, MANIFEST_COPY] {
            let path = folder_of(&stream).join(file);
            let length = world.disk.open(&path).unwrap().len().unwrap() as usize;
            for bit in (0..length * 8).step_by(97).map(Some).chain([None]) {
                let disk = PowerCutDisk::with(world.disk.state());
                match bit {
                    Some(bit) => disk.flip_bit(&path, bit).unwrap(),
                    None => disk.remove(&path).unwrap(),
                }
                assert_eq!(Manifest::load(&disk, &folder_of(&stream)).unwrap(), right, "{file} {bit:?}");
                let store = open(&disk).await;
                store.describe(&stream).await.unwrap();
                store.close().await;
                assert!(plan(&disk, &stream).is_whole(), "the next opening writes both again");
            }
        }
    }
}

/// Who comes to damage is told where it is, what cannot be read, and what to do.
#[tokio::test]
async fn a_reader_is_told_where_damage_is_and_what_to_do() {
    let world = World::new(3).await;
    let (stream, disk) = (name("plain"), PowerCutDisk::with(world.disk.state()));
    let oldest = Manifest::load(&disk, &folder_of(&stream)).unwrap().oldest_segment;
    let log = format!("{oldest:020}.log");
    let length = super::harm::bytes_of(&disk, &stream, &log).unwrap().len();
    for offset in (length / 2..length).step_by(50) {
        disk.flip_bit(&folder_of(&stream).join(&log), offset * 8).unwrap();
    }
    let store = open(&disk).await;
    let mut told = 0;
    for shard in world.truth[&stream].shards.keys() {
        let mut from = store.locate(&stream, *shard, StartingPosition::TrimHorizon).await.unwrap();
        let refused = loop {
            match store.read(&stream, *shard, from, ReadLimit { records_max: 1, bytes_max: 1, wait: false }).await {
                Ok(batch) if batch.next == batch.tip => break None,
                Ok(batch) => from = batch.next,
                Err(error) => break Some(error.to_string()),
            }
        };
        let Some(refused) = refused else { continue };
        told += 1;
        let place = format!("stream `plain` is damaged: plain/{log} at offset ");
        let rest = format!(
            "; {shard} cannot be read from number {from} on; stop the server and run `gallop repair` on its data folder"
        );
        assert!(refused.starts_with(&place) && refused.ends_with(&rest), "{refused}");
    }
    assert!(told > 0);
    assert!(!store.statuses()[0].damaged.is_empty(), "it is noted");
}

/// An older manifest that a disk gives back does not count.
#[tokio::test]
async fn a_stale_manifest_does_not_count() {
    let world = World::new(3).await;
    let (stream, disk) = (name("plain"), PowerCutDisk::with(world.disk.state()));
    let path = folder_of(&stream).join(MANIFEST);
    let stale = super::harm::bytes_of(&disk, &stream, MANIFEST).unwrap();
    let store = open(&disk).await;
    store.close().await;
    let right = Manifest::load(&disk, &folder_of(&stream)).unwrap();
    disk.create(&path).unwrap().write_at(0, &stale).unwrap();
    assert_eq!(Manifest::load(&disk, &folder_of(&stream)).unwrap(), right);
    assert_eq!(plan(&disk, &stream).damage.len(), 1);
}

/// If both manifests are lost, the heads of the segments say what the stream was.
#[tokio::test]
async fn a_manifest_is_rebuilt_from_the_heads_of_segments() {
    let mut rebuilt = 0;
    for seed in 0..8 {
        let world = World::new(seed).await;
        for stream in STREAMS.map(name) {
            let disk = PowerCutDisk::with(world.disk.state());
            for file in [MANIFEST, MANIFEST_COPY] {
                disk.flip_bit(&folder_of(&stream).join(file), 300).unwrap();
            }
            let whole = Manifest::load(&world.disk, &folder_of(&stream)).unwrap();
            let Ok(plan) =
                ingest::log::repair::examine::examine(&disk, &folder_of(&stream), &stream, &crate::common::key_ring())
            else {
                continue;
            };
            assert!(plan.rebuilt_from.is_some());
            apply::apply(&disk, plan, &originals()).unwrap();
            let store = open(&disk).await;
            let found = store.describe(&stream).await.unwrap();
            let is_newest = found.shards == whole.shards && found.settings == whole.settings;
            if is_newest {
                world.truth[&stream].check(&store, &world.disk, &world.disk, &[]).await;
                goes_on(&store, &stream, &world.truth[&stream]).await;
                rebuilt += 1;
            }
            store.close().await;
        }
    }
    assert!(rebuilt > 4, "{rebuilt}");
}

/// The same damage once more after a repair: what was given up before is not listed again.
#[tokio::test]
async fn a_repair_that_was_interrupted_is_done_again() {
    let world = World::new(0).await;
    for seed in 0..30 {
        let disk = disk_before(&world, seed);
        for stream in STREAMS.map(name) {
            let first = plan(&disk, &stream);
            let listed = first.losses.clone();
            let fills = first.fills();
            // Killed after the manifest was written: the damage is still there.
            let written = PowerCutDisk::with(disk.state());
            let before = written.state();
            apply::apply(&written, first, &originals()).unwrap();
            let half = PowerCutDisk::with(before);
            for file in [MANIFEST, MANIFEST_COPY] {
                let mut manifest = Manifest::load(&half, &folder_of(&stream)).unwrap();
                manifest.losses = listed.clone();
                manifest.filled = fills.clone();
                let file = half.create(&folder_of(&stream).join(file)).unwrap();
                file.write_at(0, manifest.encode().as_bytes()).unwrap();
            }
            let again = plan(&half, &stream);
            assert!(again.losses.is_empty(), "{seed} {stream}: {:?} after {listed:?}", again.losses);
            apply::apply(&half, again, &originals()).unwrap();
            let store = open(&half).await;
            world.truth[&stream].check(&store, &world.disk, &disk, &listed).await;
            goes_on(&store, &stream, &world.truth[&stream]).await;
        }
    }
}

/// A record in the middle is lost, in a segment with all others or at the end of one. As long as it
/// may be within retention, whoever begins at the oldest record is told, and so is whoever begins at
/// a time that it may have arrived at.
#[tokio::test]
async fn a_loss_is_told_as_long_as_the_record_may_be_young() {
    for segment_bytes_max in [64 << 10, 1500] {
        let (disk, clock, stream) = (PowerCutDisk::default(), clock(), name("plain"));
        let options = LogOptions { segment_bytes_max, tail_bytes_max: 0, ..LogOptions::small() };
        let open = || LogStore::open(clock.clone(), Arc::new(disk.clone()), Path::new("/streams"), options);
        let store = open().await.unwrap();
        let retention = Duration::from_secs(60);
        store.create(&stream, StreamOptions { shards: 1, retention, ..StreamOptions::default() }).await.unwrap();
        let mut put_at = Vec::new();
        for (text, seconds) in [("old", 40), ("lost", 10), ("young", 15)] {
            put_at.push(StartingPosition::AtTime(clock.now()));
            store.append(&stream, vec![entry("key", text.repeat(250))]).await.unwrap();
            clock.advance(Duration::from_secs(seconds));
        }
        let after_all = StartingPosition::AtTime(clock.now());
        store.close().await;
        let log = folder_of(&stream).join("00000000000000000000.log");
        let bytes = super::harm::bytes_of(&disk, &stream, "00000000000000000000.log").unwrap();
        let at = bytes.windows(8).position(|window| window == b"lostlost").unwrap();
        disk.flip_bit(&log, at * 8).unwrap();
        let plan = plan(&disk, &stream);
        assert_eq!(plan.losses.iter().map(|loss| loss.records).sum::<u64>(), 1);
        apply::apply(&disk, plan, &originals()).unwrap();

        let store = open().await.unwrap();
        store.trim(&stream).await.unwrap();
        let told = async |position| told(&store, &stream, position).await;
        // The first record is past retention, the others are not.
        for position in [StartingPosition::TrimHorizon, put_at[0], put_at[1], put_at[2]] {
            assert_eq!(told(position).await, (1, 1250), "{position:?}, segments of {segment_bytes_max} bytes");
        }
        assert_eq!(told(after_all).await, (0, 0), "segments of {segment_bytes_max} bytes");
        store.close().await;
    }
}

/// How many records a reader is told are lost who begins there, and bytes of those that it reads.
async fn told(store: &LogStore, stream: &StreamName, position: StartingPosition) -> (u64, usize) {
    let limit = ReadLimit { records_max: 10, bytes_max: 1 << 20, wait: false };
    let mut from = store.locate(stream, ShardId(0), position).await.unwrap();
    let (mut lost, mut read) = (0, 0);
    loop {
        let batch = store.read(stream, ShardId(0), from, limit).await.unwrap();
        (from, lost) = (batch.next, lost + batch.lost);
        read += batch.records.iter().map(|record| record.data.len()).sum::<usize>();
        if batch.next == batch.tip {
            return (lost, read);
        }
    }
}
