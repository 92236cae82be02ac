//! The power is cut after every change of a random trace, and a random choice of what was not synced survives.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use ingest::log::options::LogOptions;
use ingest::log::store::LogStore;
use model::clock::{Clock, Timestamp};
use model::disk::overlay::OverlayDisk;
use model::name::StreamName;
use model::stream::checkpoint::Checkpoint;
use model::stream::hash_key::HashKey;
use model::stream::record::{Appended, PutEntry};
use model::stream::sequence_number::SequenceNumber;
use model::stream::settings::StreamSettings;
use model::stream::shard::{Reshard, ShardId};
use model::stream::store::{StreamError, StreamOptions, StreamStore};
use model::testing::clock::ManualClock;
use model::testing::disk_state::State;
use model::testing::power_cut::PowerCutDisk;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::common::{KEYS, NOW, clock, consumer, entry, key_ring, put, read_all, stream};

const STATES: usize = 2000;
const STEPS: usize = 30;
const RETENTION: Duration = Duration::from_secs(60);

/// The disk after one change, and how far the trace had come.
struct Moment {
    disk: State,
    /// Steps that were acknowledged.
    acknowledged: usize,
    /// Records older than this may be gone.
    horizon: Timestamp,
}

/// What one step of the trace put, and must still be there once the step is acknowledged.
struct Step {
    put: Vec<(Appended, Bytes)>,
    /// The version that the step committed.
    version: Option<u64>,
    open_shards: usize,
    settings: StreamSettings,
}

struct Trace {
    clock: Arc<ManualClock>,
    moments: Vec<Moment>,
    steps: Vec<Step>,
}

fn options() -> LogOptions {
    LogOptions { segment_bytes_max: 4 << 10, tail_bytes_max: 2 << 10, ..LogOptions::small() }
}

async fn open(disk: &PowerCutDisk, clock: &Arc<ManualClock>) -> Result<LogStore, StreamError> {
    let (disk, folder) = (Arc::new(disk.clone()), Path::new("/streams"));
    LogStore::open_with_keys(clock.clone(), disk, key_ring(), folder, options()).await
}

/// Runs random steps, and keeps what is on the disk after every change.
async fn trace(seed: u64) -> Trace {
    let mut random = StdRng::seed_from_u64(seed);
    let (disk, clock) = (PowerCutDisk::default(), clock());
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let horizon = Arc::new(AtomicI64::new(i64::MIN));
    let moments = Arc::new(Mutex::new(Vec::new()));
    let mut store = open(&disk, &clock).await.unwrap();
    let stream_options = StreamOptions { shards: 2, retention: RETENTION, ..StreamOptions::default() };
    disk.observe({
        let (acknowledged, horizon, moments) = (acknowledged.clone(), horizon.clone(), moments.clone());
        move |disk| {
            let horizon = Timestamp::from_millis(horizon.load(Ordering::SeqCst));
            let acknowledged = acknowledged.load(Ordering::SeqCst);
            moments.lock().unwrap().push(Moment { disk: disk.clone(), acknowledged, horizon });
        }
    });
    let settings = stream_options.settings();
    store.create(&stream(), stream_options).await.unwrap();
    acknowledged.fetch_add(1, Ordering::SeqCst);
    let mut steps = vec![Step { put: Vec::new(), version: None, open_shards: 2, settings }];
    let mut version = 0;
    for number in 0..STEPS {
        clock.advance(Duration::from_millis(random.random_range(0..8000)));
        let Step { open_shards, settings, .. } = steps.last().unwrap();
        let mut step = Step { put: Vec::new(), version: None, open_shards: *open_shards, settings: settings.clone() };
        let entries: Vec<PutEntry> = (0..random.random_range(1..8))
            .map(|i| entry(&format!("key-{i}"), format!("{number}/{i} ").repeat(random.random_range(1..150))))
            .collect();
        let data: Vec<Bytes> = entries.iter().map(|entry| entry.data.clone()).collect();
        match random.random_range(0..11) {
            0..5 => step.put = put(&store, entries).await.into_iter().zip(data).collect(),
            5..7 => {
                version += 1;
                let appended = store.commit(&stream(), &consumer(), checkpoint(version), entries).await.unwrap();
                step.put = appended.into_iter().zip(data).collect();
                step.version = Some(version);
            }
            7 => {
                let map = store.describe(&stream()).await.unwrap().shards.clone();
                let (key, split) = (HashKey(random.random()), random.random_bool(0.5));
                let shard = map.route(key);
                let change = match (split, map.get(shard).unwrap().range.end) {
                    (false, end) if end < HashKey::MAX => {
                        Reshard::Merge { shard, adjacent: map.route(HashKey(end.0 + 1)) }
                    }
                    _ => Reshard::Split { shard, at: key },
                };
                step.open_shards = store.reshard(&stream(), change).await.unwrap().shards.open_count();
            }
            8 => {
                let from = step.settings.clone();
                step.settings.tags = (0..number).map(|tag| (format!("tag-{tag}"), format!("{number}"))).collect();
                step.settings.encryption_key = KEYS[..2].get(random.random_range(0..3)).map(|&key| key.to_owned());
                store.alter(&stream(), &from, step.settings.clone()).await.unwrap();
            }
            9 => {
                horizon.store((clock.now() - RETENTION).as_millis(), Ordering::SeqCst);
                store.trim(&stream()).await.unwrap();
            }
            _ => {
                if random.random_bool(0.5) {
                    store.close().await;
                }
                drop(store);
                store = open(&disk, &clock).await.unwrap();
            }
        }
        steps.push(step);
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
    store.close().await;
    let moments = std::mem::take(&mut *moments.lock().unwrap());
    Trace { clock, moments, steps }
}

fn checkpoint(version: u64) -> Checkpoint {
    Checkpoint { version, state: Bytes::from(format!("state {version}").repeat(40)), ..Checkpoint::default() }
}

/// Opens what survived, and compares it with what was acknowledged.
async fn check(trace: &Trace, moment: &Moment, cut: u64) {
    let disk = PowerCutDisk::with(moment.disk.after_power_cut(cut));
    let read_only = content_read_only(&disk, &trace.clock).await;
    let store = open(&disk, &trace.clock).await.expect("the log always opens");
    let found = content(&store).await;
    assert_eq!(read_only, found, "who cannot write reads the same");
    if moment.acknowledged == 0 && found.is_none() {
        return;
    }
    let (records, version, open_shards) = found.expect("a stream that was created is there");
    let last = &trace.steps[moment.acknowledged - usize::from(moment.acknowledged > 0)..];
    let allowed: BTreeSet<usize> = last.iter().take(2).map(|step| step.open_shards).collect();
    assert!(allowed.contains(&open_shards), "{open_shards} of {allowed:?}");
    let settings = &store.describe(&stream()).await.unwrap().settings;
    assert!(last.iter().take(2).any(|step| step.settings == *settings), "settings are old, new, and never between");

    let acknowledged = &trace.steps[..moment.acknowledged];
    let mut known = BTreeMap::new();
    for (number, step) in trace.steps.iter().enumerate() {
        let young = step.put.iter().filter(|(appended, _)| appended.arrived_at >= moment.horizon);
        let kept = young.clone().filter(|(a, _)| records.contains_key(&(a.shard, a.sequence_number))).count();
        let total = young.count();
        if number < moment.acknowledged {
            assert_eq!(kept, total, "step {number} was acknowledged");
        } else if let Some(step_version) = step.version {
            assert!(kept == 0 || kept == total, "a commit is there whole or not at all");
            assert_eq!(kept == total && total > 0, version >= step_version && total > 0, "checkpoint and outputs part");
        }
        known.extend(step.put.iter().map(|(a, data)| ((a.shard, a.sequence_number), data.clone())));
    }
    for (place, data) in &records {
        assert_eq!(known.get(place), Some(data), "nothing is there that was not put");
    }
    let last = acknowledged.iter().filter_map(|step| step.version).max().unwrap_or(0);
    assert!(last <= version && version <= last + 1, "checkpoint {version}, acknowledged was {last}");

    // What was recovered once is there for good, and numbering goes on above it.
    let appended = put(&store, vec![entry("after", "the cut")]).await[0];
    let place = (appended.shard, appended.sequence_number);
    assert!(!records.contains_key(&place), "a number was given twice");
    drop(store);
    let again = PowerCutDisk::with(disk.state().after_power_cut(cut + 1));
    let store = open(&again, &trace.clock).await.expect("the log opens again");
    let (mut records_again, ..) = content(&store).await.expect("the stream is still there");
    assert_eq!(records_again.remove(&place).as_deref(), Some(&b"the cut"[..]));
    assert_eq!(records_again, records, "recovering twice gives the same");
    store.verify(&stream()).await.unwrap();
}

/// What a server shows whose disk takes no writes.
async fn content_read_only(disk: &PowerCutDisk, clock: &Arc<ManualClock>) -> Option<Content> {
    let (overlay, folder) = (OverlayDisk::new(Arc::new(disk.clone())), Path::new("/streams"));
    let disk = Arc::new(overlay.clone());
    let store = LogStore::open_with_keys(clock.clone(), disk, key_ring(), folder, options()).await.unwrap();
    store.stop_writes().await;
    overlay.seal();
    let found = content(&store).await;
    let is_refused = |failed: Option<StreamError>| matches!(failed, Some(StreamError::ReadOnly(_)));
    let other = StreamName::new("other").unwrap();
    assert!(is_refused(store.create(&other, StreamOptions::default()).await.err()));
    if found.is_some() {
        assert!(is_refused(store.delete(&stream()).await.err()));
        assert!(is_refused(store.append(&stream(), vec![entry("key", "data")]).await.err()));
        assert!(is_refused(store.commit(&stream(), &consumer(), checkpoint(1000), Vec::new()).await.err()));
    }
    assert_eq!(content(&store).await, found, "reads go on");
    found
}

type Content = (BTreeMap<(ShardId, SequenceNumber), Bytes>, u64, usize);

async fn content(store: &LogStore) -> Option<Content> {
    let description = match store.describe(&stream()).await {
        Err(StreamError::NotFound(_)) => return None,
        described => described.expect("what a power cut leaves is not damage"),
    };
    let mut records = BTreeMap::new();
    for shard in description.shards.iter() {
        for record in read_all(store, shard.id).await.unwrap() {
            records.insert((shard.id, record.sequence_number), record.data);
        }
    }
    let checkpoint = store.checkpoint(&stream(), &consumer()).await.unwrap();
    let version = checkpoint.as_ref().map_or(0, |found| found.version);
    assert_eq!(checkpoint, (version > 0).then(|| self::checkpoint(version)), "a checkpoint is whole");
    Some((records, version, description.shards.open_count()))
}

#[test]
fn nothing_acknowledged_is_lost_at_2000_power_cuts() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut states = 0;
    for seed in 0.. {
        let trace = runtime.block_on(trace(seed));
        for (number, moment) in trace.moments.iter().enumerate() {
            let cut = seed * 1_000_000 + number as u64;
            let checked = std::panic::AssertUnwindSafe(|| runtime.block_on(check(&trace, moment, cut)));
            if let Err(panic) = std::panic::catch_unwind(checked) {
                eprintln!("trace of seed {seed}, cut after change {number} with seed {cut}");
                std::panic::resume_unwind(panic);
            }
            states += 1;
        }
        if states >= STATES {
            return;
        }
    }
}

/// A stream is created, deleted and created again whole or not at all.
#[test]
fn streams_come_and_go_whole_through_power_cuts() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let moments = Arc::new(Mutex::new(Vec::new()));
    let expected = Arc::new(Mutex::new((false, false)));
    let (disk, clock) = (PowerCutDisk::default(), Arc::new(ManualClock::new(NOW)));
    let name = StreamName::new("short-lived").unwrap();
    runtime.block_on(async {
        let store = open(&disk, &clock).await.unwrap();
        disk.observe({
            let (moments, expected) = (moments.clone(), expected.clone());
            move |disk| moments.lock().unwrap().push((disk.clone(), *expected.lock().unwrap()))
        });
        for _ in 0..3 {
            *expected.lock().unwrap() = (false, true);
            store.create(&name, StreamOptions::default()).await.unwrap();
            *expected.lock().unwrap() = (true, true);
            store.append(&name, vec![entry("k", "old")]).await.unwrap();
            *expected.lock().unwrap() = (true, false);
            store.delete(&name).await.unwrap();
            *expected.lock().unwrap() = (false, false);
        }
    });
    let moments = std::mem::take(&mut *moments.lock().unwrap());
    for (number, (state, (before, after))) in moments.into_iter().enumerate() {
        for cut in 0..8 {
            let disk = PowerCutDisk::with(state.after_power_cut(cut));
            let store = runtime.block_on(open(&disk, &clock)).expect("the log always opens");
            let there = match runtime.block_on(store.describe(&name)) {
                Err(StreamError::NotFound(_)) => false,
                described => described.map(|_| true).expect("what a power cut leaves is not damage"),
            };
            assert!(there == before || there == after, "change {number}, seed {cut}: {there}, was {before}, {after}");
        }
    }
}
