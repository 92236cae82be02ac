//! Streams that are encrypted at rest: what stands on the disk, who can read it, and what a wrong key does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ingest::log::frames::frame::{HEADER_BYTES, Header, Kind};
use ingest::log::frames::key::{KEY_BYTES, KeyRing, PLAIN, StreamKeys};
use ingest::log::frames::place::Place;
use ingest::log::options::LogOptions;
use ingest::log::segments::manifest::Manifest;
use ingest::log::segments::segment::{self, log_name};
use ingest::log::store::LogStore;
use model::disk::Disk;
use model::name::StreamName;
use model::stream::checkpoint::Checkpoint;
use model::stream::sequence_number::SequenceNumber;
use model::stream::settings::StreamSettings;
use model::stream::shard::ShardId;
use model::stream::store::{StreamError, StreamOptions, StreamStore};
use model::testing::clock::ManualClock;
use model::testing::power_cut::PowerCutDisk;

use crate::common::{ALL, NOW, clock, consumer, entry, put, read_all, stream};

const SHARD: ShardId = ShardId(0);

/// Keys by name, each of bytes of one value.
fn ring(keys: &[(&str, u8)]) -> KeyRing {
    KeyRing::new(keys.iter().map(|(name, byte)| ((*name).to_owned(), [*byte; KEY_BYTES])).collect())
}

async fn open(disk: &PowerCutDisk, clock: &Arc<ManualClock>, keys: &[(&str, u8)]) -> LogStore {
    let options = LogOptions { segment_bytes_max: 8 << 10, tail_bytes_max: 0, ..LogOptions::small() };
    let (clock, disk): (Arc<ManualClock>, Arc<dyn Disk>) = (clock.clone(), Arc::new(disk.clone()));
    LogStore::open_with_keys(clock, disk, ring(keys), Path::new("/streams"), options).await.unwrap()
}

async fn set_key(store: &LogStore, key: Option<&str>) -> Result<(), StreamError> {
    let from = store.describe(&stream()).await?.settings.clone();
    let to = StreamSettings { encryption_key: key.map(str::to_owned), ..from.clone() };
    store.alter(&stream(), &from, to).await.map(drop)
}

fn folder() -> PathBuf {
    Path::new("/streams").join(stream().as_str())
}

/// All files of the stream, by name.
fn files(disk: &PowerCutDisk) -> BTreeMap<String, Bytes> {
    let read = |name: String| {
        let file = disk.open(&folder().join(&name)).unwrap();
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_at(0, &mut bytes).unwrap();
        (name, Bytes::from(bytes))
    };
    disk.list(&folder()).unwrap().into_iter().map(read).collect()
}

fn is_on_disk(disk: &PowerCutDisk, text: &str) -> bool {
    files(disk).values().any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}

/// Frames of the stream's segments, found without any key.
fn frames(disk: &PowerCutDisk) -> Vec<(Place, u64, Header, Bytes)> {
    let incarnation = Manifest::load(disk, &folder()).unwrap().incarnation;
    let mut frames = Vec::new();
    for (name, bytes) in files(disk) {
        let Some((segment, "log")) = segment::segment_of(&name) else { continue };
        let place = Place { incarnation, segment };
        let mut offset = 0;
        while offset < bytes.len() {
            let header = Header::decode(&bytes[offset..], place, offset as u64).unwrap();
            let end = offset + header.frame_bytes();
            let payload = bytes.slice(offset + HEADER_BYTES..end);
            header.verify(&payload).unwrap();
            frames.push((place, offset as u64, header, payload));
            offset = end;
        }
    }
    frames
}

/// Puts `text` in keys and data, and commits it as state and output.
async fn write(store: &LogStore, text: &str, version: u64) {
    for _ in 0..20 {
        put(store, vec![entry(&format!("key-{text}"), format!("data-{text} ").repeat(20))]).await;
    }
    let state = Bytes::from(format!("state-{text}"));
    let checkpoint = Checkpoint { version, state, ..Checkpoint::default() };
    store.commit(&stream(), &consumer(), checkpoint, vec![entry("k", format!("output-{text}"))]).await.unwrap();
}

/// What the records of the stream hold, each text once, in order.
async fn texts(store: &LogStore) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for record in read_all(store, SHARD).await.unwrap() {
        let data = String::from_utf8(record.data.to_vec()).unwrap();
        let text = data.split(['-', ' ']).nth(1).unwrap().to_owned();
        if texts.last() != Some(&text) {
            texts.push(text);
        }
    }
    texts
}

#[tokio::test]
async fn nothing_that_was_put_stands_on_the_disk_while_a_key_is_set() {
    let (disk, clock) = (PowerCutDisk::default(), clock());
    let keys = [("alias/one", 1), ("alias/two", 2)];
    let store = open(&disk, &clock, &keys).await;
    store.create(&stream(), StreamOptions::default()).await.unwrap();
    let steps = [("plain", None), ("secret", Some("alias/one")), ("hidden", Some("alias/two")), ("open", None)];
    for (i, (text, key)) in steps.into_iter().enumerate() {
        set_key(&store, key).await.unwrap();
        write(&store, text, i as u64 + 1).await;
    }
    set_key(&store, Some("alias/one")).await.unwrap();
    write(&store, "again", 5).await;
    let all = ["plain", "secret", "hidden", "open", "again"];
    for (text, found) in all.into_iter().zip([true, false, false, true, false]) {
        for what in ["key", "data", "output"] {
            assert_eq!(is_on_disk(&disk, &format!("{what}-{text}")), found, "{what}-{text}");
        }
    }
    // Not so the state of "hidden": it was still the newest when the stream went on without a key.
    assert!(!is_on_disk(&disk, "state-secret") && !is_on_disk(&disk, "state-again"));
    assert_eq!(texts(&store).await, all);
    store.verify(&stream()).await.unwrap();
    let segments = frames(&disk).iter().map(|(place, ..)| place.segment).max().unwrap();
    assert!(segments > 1, "several segments, each with a key of its own");
    store.close().await;
    drop(store);

    let store = open(&disk, &clock, &keys).await;
    assert_eq!(texts(&store).await, all);
    assert_eq!(store.checkpoint(&stream(), &consumer()).await.unwrap().unwrap().state, "state-again");
    write(&store, "later", 6).await;
    assert!(!is_on_disk(&disk, "data-later"), "a key stays in use over a restart");
    assert_eq!(texts(&store).await.last().unwrap(), "later");
    store.verify(&stream()).await.unwrap();
}

#[tokio::test]
async fn without_the_right_key_a_stream_refuses_by_name_and_is_left_alone() {
    let (disk, clock) = (PowerCutDisk::default(), clock());
    let (good, key) = (StreamName::new("good").unwrap(), ("alias/one", 1));
    let store = open(&disk, &clock, &[key]).await;
    for name in [&stream(), &good] {
        store.create(name, StreamOptions::default()).await.unwrap();
    }
    let missing = set_key(&store, Some("alias/two")).await.unwrap_err();
    assert!(matches!(&missing, StreamError::KeyMissing { key, .. } if key == "alias/two"), "{missing:?}");
    set_key(&store, Some("alias/one")).await.unwrap();
    write(&store, "secret", 1).await;
    drop(store);
    // What a crash leaves behind is not touched either.
    let (torn, bytes) = files(&disk).into_iter().rfind(|(name, _)| name.ends_with(".log")).unwrap();
    disk.open(&folder().join(&torn)).unwrap().write_at(bytes.len() as u64, &[7; 100]).unwrap();
    let before = files(&disk);

    for (keys, differs) in [(&[][..], false), (&[("alias/two", 1)], false), (&[("alias/one", 2)], true)] {
        let store = open(&disk, &clock, keys).await;
        let refused = store.read(&stream(), SHARD, SequenceNumber::FIRST, ALL).await.unwrap_err();
        let (name, key) = match &refused {
            StreamError::KeyMissing { stream, key } if !differs => (stream, key),
            StreamError::KeyDiffers { stream, key } if differs => (stream, key),
            other => panic!("{other:?}"),
        };
        assert_eq!((name, key.as_str()), (&stream(), "alias/one"));
        assert!(refused.to_string().contains("`rides`") && refused.to_string().contains("`alias/one`"), "{refused}");
        assert!(store.append(&stream(), vec![entry("k", "v")]).await.is_err());
        assert!(store.describe(&stream()).await.is_err());
        assert!(store.append(&good, vec![entry("k", "v")]).await.unwrap().results[0].is_ok(), "the others work");
        assert_eq!(files(&disk), before);
    }
    let store = open(&disk, &clock, &[key]).await;
    assert_eq!(texts(&store).await, ["secret"]);
}

/// A crash at any byte of what was written last: frames end where they end, with a key or without, and what is written
/// over them later does not repeat a nonce.
#[tokio::test]
async fn a_torn_tail_is_cut_and_no_nonce_used_again() {
    let (disk, clock) = (PowerCutDisk::default(), clock());
    let keys = [("alias/one", 1)];
    let store = open(&disk, &clock, &keys).await;
    store.create(&stream(), StreamOptions::default()).await.unwrap();
    set_key(&store, Some("alias/one")).await.unwrap();
    let durable = files(&disk)[&log_name(0)].len();
    put(&store, vec![entry("k", "first")]).await;
    let whole = files(&disk)[&log_name(0)].len();
    drop(store);
    let mut nonces = BTreeSet::new();
    let mut sealed = 0;
    for length in durable..=whole {
        let disk = PowerCutDisk::with(disk.state());
        disk.open(&folder().join(log_name(0))).unwrap().truncate(length as u64).unwrap();
        let store = open(&disk, &clock, &keys).await;
        for _ in 0..3 {
            put(&store, vec![entry("k", "second")]).await;
        }
        let found = read_all(&store, SHARD).await.unwrap();
        assert_eq!(found.len(), 3 + usize::from(length == whole));
        assert!(found.iter().rev().take(3).all(|record| record.data == "second"));
        for (_, _, header, payload) in frames(&disk).into_iter().filter(|(_, _, header, _)| header.key != PLAIN) {
            sealed += usize::from(nonces.insert(payload.slice(..12)));
            assert_eq!(header.kind, Kind::Records);
        }
    }
    assert_eq!(sealed, (whole - durable + 1) * 3 + 1, "each frame has a nonce of its own");
}

/// Checksums are no secret: who can write to the disk can make them fit. Tags cannot be made to.
#[tokio::test]
async fn a_frame_that_was_changed_or_moved_is_damage() {
    let (disk, clock) = (PowerCutDisk::default(), clock());
    let keys = [("alias/one", 1)];
    let store = open(&disk, &clock, &keys).await;
    store.create(&stream(), StreamOptions { shards: 2, ..StreamOptions::default() }).await.unwrap();
    set_key(&store, Some("alias/one")).await.unwrap();
    for text in ["first", "other"] {
        put(&store, vec![entry("k", text)]).await;
    }
    store.close().await;
    drop(store);
    let [(place, first_at, first, one), (_, _, other, two)] = &frames(&disk)[1..] else { panic!() };
    let flipped = |bit: usize| {
        let mut bytes = one.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        Bytes::from(bytes)
    };
    let numbered = Header { first: other.first.next(), ..*first };
    let late = Header { arrived_at: NOW + Duration::from_secs(1), ..*first };
    let other_shard = Header { shard: ShardId(1 - first.shard.0), ..*first };
    let mut forgeries: Vec<_> = (0..one.len() * 8).step_by(7).map(|bit| (*first, flipped(bit))).collect();
    forgeries.extend([(*first, two.clone()), (late, one.clone()), (numbered, one.clone()), (other_shard, one.clone())]);
    forgeries.push((Header { key: PLAIN, ..*first }, one.clone()));
    for (header, payload) in forgeries {
        let disk = PowerCutDisk::with(disk.state());
        let header = Header { payload_crc: crc32c::crc32c(&payload), ..header };
        let file = disk.open(&folder().join(log_name(0))).unwrap();
        file.write_at(*first_at, &header.encode(*place, *first_at)).unwrap();
        file.write_at(*first_at + HEADER_BYTES as u64, &payload).unwrap();
        let store = open(&disk, &clock, &keys).await;
        let mut reported = store.verify(&stream()).await.is_err();
        for shard in [ShardId(0), ShardId(1)] {
            match read_all(&store, shard).await {
                Ok(records) => {
                    assert!(records.iter().all(|record| record.data == "first" || record.data == "other"));
                }
                Err(StreamError::Damaged { .. }) => reported = true,
                Err(other) => panic!("{other:?}"),
            }
        }
        assert!(reported, "{header:?}");
    }
}

#[tokio::test]
async fn a_key_is_needed_no_longer_than_there_are_records_of_it() {
    let (disk, clock) = (PowerCutDisk::default(), clock());
    let store = open(&disk, &clock, &[("alias/one", 1), ("alias/two", 2)]).await;
    store.create(&stream(), StreamOptions::default()).await.unwrap();
    set_key(&store, Some("alias/one")).await.unwrap();
    write(&store, "secret", 1).await;
    set_key(&store, Some("alias/two")).await.unwrap();
    write(&store, "hidden", 2).await;
    set_key(&store, None).await.unwrap();
    let named = |disk: &PowerCutDisk| Manifest::load(disk, &folder()).unwrap().keys.len();
    for (version, (text, keys)) in (3..).zip([("near", 2), ("far", 1), ("open", 0)]) {
        clock.advance(Duration::from_secs(16 * 3600));
        write(&store, text, version).await;
        store.trim(&stream()).await.unwrap();
        assert_eq!(named(&disk), keys, "{text}");
    }
    assert_eq!(texts(&store).await, ["far", "open"]);
    store.close().await;
    drop(store);
    let store = open(&disk, &clock, &[]).await;
    assert_eq!(texts(&store).await, ["far", "open"]);
    assert_eq!(store.checkpoint(&stream(), &consumer()).await.unwrap().unwrap().state, "state-open");
}

/// Whoever has no key still sees where frames are, whose they are, and that they are whole.
#[tokio::test]
async fn a_segment_is_inspected_without_a_key() {
    let (disk, clock) = (PowerCutDisk::default(), clock());
    let store = open(&disk, &clock, &[("alias/one", 1)]).await;
    let first = store.create(&stream(), StreamOptions::default()).await.unwrap().lives.first;
    set_key(&store, Some("alias/one")).await.unwrap();
    put(&store, (0..10).map(|i| entry("k", format!("secret {i}"))).collect()).await;
    let place = frames(&disk)[0].0;
    let scan = segment::scan(&files(&disk)[&log_name(0)], place, &StreamKeys::default());
    assert!(scan.bad.is_none());
    assert_eq!(scan.index.shards[&SHARD].next, first.plus(10));
}

#[tokio::test]
async fn those_who_look_for_a_key_at_once_share_a_read_and_see_what_it_found() {
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reads);
    let ring = KeyRing::reading(Arc::new(move || match counted.fetch_add(1, Ordering::Relaxed) {
        0 => Ok(Default::default()),
        _ => Err("line 1 is wrong".to_owned()),
    }));
    let ring = ring.unwrap();
    let look = || {
        let ring = ring.clone();
        tokio::spawn(async move { ring.look_for("alias/one").await })
    };
    let asked: Vec<_> = (0..100).map(|_| look()).collect();
    for asked in asked {
        assert_eq!(asked.await.unwrap(), Err("line 1 is wrong".to_owned()));
    }
    assert!(reads.load(Ordering::Relaxed) <= 3, "{reads:?} reads");
    assert_eq!(look().await.unwrap(), Err("line 1 is wrong".to_owned()));
    assert!(reads.load(Ordering::Relaxed) <= 4, "one who comes later reads anew, once: {reads:?}");
}
