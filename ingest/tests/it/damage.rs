//! Bits that rot: always found, never returned as data, and never taken for an unfinished write.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ingest::log::frames::key::{KeyRing, StreamKeys};
use ingest::log::frames::place::Place;
use ingest::log::options::LogOptions;
use ingest::log::segments::manifest::Manifest;
use ingest::log::segments::recovery;
use ingest::log::segments::segment::{self, log_name};
use ingest::log::store::LogStore;
use model::disk::Disk;
use model::name::StreamName;
use model::stream::checkpoint::Checkpoint;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::{ReadLimit, StreamError, StreamOptions, StreamStore};
use model::testing::power_cut::PowerCutDisk;

use crate::common::{ALL, clock, consumer, entry, put, read_by, stream};

/// Numbers go on where they are.
const RESUMES_AT: SequenceNumber = SequenceNumber::FIRST;
const LOG_BYTES: usize = 64 << 10;

fn options() -> LogOptions {
    LogOptions { segment_bytes_max: 14 << 10, ..LogOptions::small() }
}

fn folder() -> std::path::PathBuf {
    Path::new("/streams").join(stream().as_str())
}

/// The store always opens; a stream that cannot be opened fails with the reason.
async fn open(disk: &PowerCutDisk) -> Result<LogStore, StreamError> {
    let store = LogStore::open(clock(), Arc::new(disk.clone()), Path::new("/streams"), options()).await?;
    match store.describe(&stream()).await {
        Ok(_) | Err(StreamError::NotFound(_)) => Ok(store),
        Err(refused) => Err(refused),
    }
}

fn logs(disk: &PowerCutDisk) -> Vec<(u64, Bytes)> {
    let mut names = disk.list(&folder()).unwrap();
    names.sort_unstable();
    let ids = names.iter().filter_map(|name| segment::segment_of(name)).filter(|(_, kind)| *kind == "log");
    ids.map(|(id, _)| (id, segment::read_segment(disk, &folder(), id).unwrap())).collect()
}

/// A log of 64 KiB in several segments, with records of two shards and checkpoints.
async fn log(orderly: bool) -> PowerCutDisk {
    let disk = PowerCutDisk::default();
    let store = open(&disk).await.unwrap();
    store.create(&stream(), StreamOptions { shards: 2, ..StreamOptions::default() }).await.unwrap();
    let mut version = 0;
    while logs(&disk).iter().map(|(_, bytes)| bytes.len()).sum::<usize>() < LOG_BYTES {
        put(&store, (0..5).map(|i| entry(&format!("key-{i}"), format!("{version}").repeat(200))).collect()).await;
        version += 1;
        let checkpoint = Checkpoint { version, state: Bytes::from(vec![1; 300]), ..Checkpoint::default() };
        store.commit(&stream(), &consumer(), checkpoint, vec![entry("k", vec![2; 100])]).await.unwrap();
    }
    // So that the last segment has records, wherever the one before it ended.
    put(&store, vec![entry("k", "last")]).await;
    if orderly {
        store.close().await;
    }
    disk
}

/// Opens the store and reads everything; true when damage was reported. Anything that is returned must be `right`.
async fn is_reported(disk: &PowerCutDisk, right: &[Vec<model::stream::record::Record>]) -> bool {
    let store = match open(disk).await {
        Ok(store) => store,
        Err(StreamError::Damaged { .. }) => return true,
        Err(other) => panic!("{other:?}"),
    };
    let few = ReadLimit { records_max: 9, ..ALL };
    let mut reported = false;
    for (shard, right) in right.iter().enumerate() {
        match read_by(&store, ShardId(shard as u32), few).await {
            Ok(found) => assert_eq!(&found, right, "wrong bytes were returned"),
            Err(StreamError::Damaged { .. }) => reported = true,
            Err(other) => panic!("{other:?}"),
        }
    }
    // Heads and old checkpoints are nobody's records: the full check finds what no reader meets.
    reported || matches!(store.verify(&stream()).await, Err(StreamError::Damaged { .. }))
}

#[tokio::test]
async fn every_bit_of_a_log_is_guarded() {
    let disk = log(true).await;
    let incarnation = Manifest::load(&disk, &folder()).unwrap().incarnation;
    let mut flips = 0;
    for (id, bytes) in logs(&disk) {
        let place = Place { incarnation, segment: id };
        assert!(segment::scan(&bytes, place, &StreamKeys::default()).bad.is_none());
        let mut flipped = bytes.to_vec();
        for bit in 0..bytes.len() * 8 {
            flipped[bit / 8] ^= 1 << (bit % 8);
            let scan = segment::scan(&Bytes::from(std::mem::take(&mut flipped)), place, &StreamKeys::default());
            assert!(scan.bad.is_some() && scan.index.length <= bit as u64 / 8, "bit {bit} of segment {id}");
            flipped = bytes.to_vec();
            flips += 1;
        }
    }
    assert!(flips >= LOG_BYTES * 8, "{flips}");
}

/// The same from the outside: open and read. Every 61st bit, which visits every bit of a byte and every field.
#[tokio::test]
async fn flipped_bits_are_reported_and_never_read() {
    let disk = log(true).await;
    let store = open(&disk).await.unwrap();
    let mut right = Vec::new();
    for shard in [ShardId(0), ShardId(1)] {
        right.push(read_by(&store, shard, ALL).await.unwrap());
    }
    store.close().await;
    for (id, bytes) in logs(&disk) {
        for bit in (0..bytes.len() * 8).step_by(61) {
            let disk = PowerCutDisk::with(disk.state());
            disk.flip_bit(&folder().join(log_name(id)), bit).unwrap();
            assert!(is_reported(&disk, &right).await, "bit {bit} of segment {id}");
        }
    }
    let right_manifest = Manifest::load(&disk, &folder()).unwrap();
    let manifest = disk.open(&folder().join("manifest")).unwrap().len().unwrap() as usize;
    for bit in 0..manifest * 8 {
        let disk = PowerCutDisk::with(disk.state());
        disk.flip_bit(&folder().join("manifest"), bit).unwrap();
        let one = Manifest::load(&disk, &folder());
        assert_eq!(one.unwrap(), right_manifest, "bit {bit} of one manifest");
        disk.flip_bit(&folder().join("manifest.copy"), bit).unwrap();
        assert!(matches!(open(&disk).await, Err(StreamError::Damaged { .. })), "bit {bit} of both manifests");
    }
}

#[tokio::test]
async fn a_torn_tail_is_cut_and_damage_before_it_refused() {
    let disk = log(false).await;
    let (id, bytes) = logs(&disk).pop().unwrap();
    let path = folder().join(log_name(id));
    let garbage = PowerCutDisk::with(disk.state());
    garbage.open(&path).unwrap().write_at(bytes.len() as u64, &[7; 1000]).unwrap();
    recovery::recover(&garbage, &folder(), &KeyRing::default(), RESUMES_AT)
        .expect("what was never acknowledged is cut");
    assert_eq!(logs(&garbage).pop().unwrap().1, bytes);

    let cut = PowerCutDisk::with(disk.state());
    cut.open(&path).unwrap().truncate(bytes.len() as u64 - 10).unwrap();
    let recovered = recovery::recover(&cut, &folder(), &KeyRing::default(), RESUMES_AT)
        .expect("the last group may be torn after a crash");
    assert!(recovered.segments.last().unwrap().index.length < bytes.len() as u64);

    let damaged = PowerCutDisk::with(disk.state());
    damaged.flip_bit(&path, 8 * 100).unwrap();
    let refused = open(&damaged).await.err().unwrap();
    let StreamError::Damaged { file, offset, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!(file, &format!("{}/{}", stream(), log_name(id)), "{refused}");
    assert!(*offset <= 100, "{refused}");
}

#[tokio::test]
async fn a_damaged_stream_refuses_by_name_and_the_others_work() {
    let disk = log(true).await;
    let store = open(&disk).await.unwrap();
    let (good, damaged) = (StreamName::new("good").unwrap(), stream());
    store.create(&good, StreamOptions::default()).await.unwrap();
    store.close().await;
    for manifest in ["manifest", "manifest.copy"] {
        disk.flip_bit(&folder().join(manifest), 8 * 100).unwrap();
    }

    let store = LogStore::open(clock(), Arc::new(disk.clone()), Path::new("/streams"), options()).await.unwrap();
    assert_eq!(store.list().await.unwrap(), [good.clone(), damaged.clone()]);
    let says_so = |error: StreamError| {
        let StreamError::Damaged { stream, file, .. } = &error else { panic!("{error:?}") };
        assert_eq!((stream, &file[..]), (&damaged, "rides/manifest"));
    };
    says_so(store.describe(&damaged).await.unwrap_err());
    says_so(store.append(&damaged, vec![entry("k", "data")]).await.unwrap_err());
    says_so(store.read(&damaged, ShardId(0), SequenceNumber::FIRST, ALL).await.unwrap_err());
    says_so(store.commit(&damaged, &consumer(), Checkpoint::default(), Vec::new()).await.unwrap_err());
    says_so(store.trim(&damaged).await.unwrap_err());
    let again = store.create(&damaged, StreamOptions::default()).await;
    assert!(matches!(again, Err(StreamError::Exists(_))), "{again:?}");
    assert!(store.append(&good, vec![entry("k", "data")]).await.unwrap().results[0].is_ok());

    // Whoever gives it up deletes it, and the name is free.
    store.delete(&damaged).await.unwrap();
    assert_eq!(store.list().await.unwrap(), [good]);
    store.create(&damaged, StreamOptions::default()).await.unwrap();
    put(&store, vec![entry("k", "data")]).await;
}

#[tokio::test]
async fn after_a_clean_close_nothing_is_cut() {
    let disk = log(true).await;
    let (id, bytes) = logs(&disk).pop().unwrap();
    for length in [0, 10, bytes.len() as u64 / 2, bytes.len() as u64 - 1] {
        let disk = PowerCutDisk::with(disk.state());
        disk.open(&folder().join(log_name(id))).unwrap().truncate(length).unwrap();
        assert!(matches!(open(&disk).await, Err(StreamError::Damaged { .. })), "cut at {length}");
    }
    for (id, _) in logs(&disk) {
        let disk = PowerCutDisk::with(disk.state());
        disk.remove(&folder().join(log_name(id))).unwrap();
        assert!(matches!(open(&disk).await, Err(StreamError::Damaged { .. })), "segment {id} is missing");
    }
}

#[tokio::test]
async fn a_lost_or_wrong_index_is_rebuilt() {
    let disk = log(true).await;
    let first = folder().join(segment::index_name(0));
    let length = disk.open(&first).unwrap().len().unwrap() as usize;
    let right = recovery::recover(&disk, &folder(), &KeyRing::default(), RESUMES_AT).unwrap();
    for bit in (0..length * 8).step_by(37) {
        let disk = PowerCutDisk::with(disk.state());
        disk.flip_bit(&first, bit).unwrap();
        let found = recovery::recover(&disk, &folder(), &KeyRing::default(), RESUMES_AT).unwrap();
        let indexes = |r: &recovery::Recovered| r.segments.iter().map(|s| s.index.clone()).collect::<Vec<_>>();
        assert_eq!(indexes(&found), indexes(&right), "bit {bit}");
    }
}
