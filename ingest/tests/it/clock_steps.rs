//! Somebody sets the machine's clock: nothing is lost or hidden, and time in the log goes on.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ingest::log::segments::manifest::Manifest;
use ingest::log::store::LogStore;
use model::clock::{Clock, Timestamp};
use model::stream::shard::ShardId;
use model::stream::store::{StartingPosition, StreamOptions, StreamStore};
use model::testing::clock::ManualClock;
use model::testing::power_cut::PowerCutDisk;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::common::{ALL, clock, entry, open, put, read_all, stream};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How often a server trims.
const TRIM_EVERY: Duration = Duration::from_secs(10);

async fn created(disk: &PowerCutDisk, clock: &Arc<ManualClock>) -> LogStore {
    let store = open(disk, clock).await.unwrap();
    store.create(&stream(), StreamOptions { retention: DAY, ..StreamOptions::default() }).await.unwrap();
    store
}

/// Puts a record and finds it.
async fn put_and_find(store: &LogStore, data: String) -> Timestamp {
    let appended = put(store, vec![entry("k", data.clone())]).await[0];
    let batch = store.read(&stream(), appended.shard, appended.sequence_number, ALL).await.unwrap();
    assert_eq!(batch.records[0].data, data, "what was acknowledged is readable");
    let from = store.locate(&stream(), appended.shard, StartingPosition::TrimHorizon).await.unwrap();
    assert!(from <= appended.sequence_number, "what was acknowledged is not past retention");
    appended.arrived_at
}

#[tokio::test]
async fn a_clock_that_jumps_a_month_ahead_and_back_loses_nothing() {
    for restarts in [false, true] {
        let (disk, clock) = (PowerCutDisk::default(), clock());
        let mut store = created(&disk, &clock).await;
        for number in 0..100 {
            put_and_find(&store, format!("{number} {}", "before ".repeat(200))).await;
        }
        clock.set(clock.now() + DAY * 30);
        if restarts {
            store.close().await;
            drop(store);
            store = open(&disk, &clock).await.unwrap();
        }
        for number in 100..112 {
            clock.advance(SECOND);
            store.trim(&stream()).await.unwrap();
            put_and_find(&store, format!("{number}")).await;
        }
        clock.set(clock.now() - DAY * 30);
        for number in 112..300 {
            clock.advance(TRIM_EVERY);
            store.trim(&stream()).await.unwrap();
            put_and_find(&store, format!("{number}")).await;
        }
        if restarts {
            drop(store);
            store = open(&disk, &clock).await.unwrap();
        }
        put_and_find(&store, "300".to_owned()).await;
        store.trim(&stream()).await.unwrap();
        assert_eq!(read_all(&store, ShardId(0)).await.unwrap().len(), 301);
    }
}

#[tokio::test]
async fn a_clock_that_jumps_an_hour_ahead_and_back_stops_no_window() {
    let (disk, clock) = (PowerCutDisk::default(), clock());
    let store = created(&disk, &clock).await;
    let mut last = put_and_find(&store, "before".to_owned()).await;
    clock.set(clock.now() + HOUR);
    clock.advance(SECOND);
    put_and_find(&store, "ahead".to_owned()).await;
    clock.set(clock.now() - HOUR);
    for number in 0..600 {
        clock.advance(SECOND);
        let stamp = put_and_find(&store, format!("{number}")).await;
        assert!(stamp > last, "time goes on");
        assert!(stamp <= clock.now() + SECOND * 60 && clock.now() <= stamp + SECOND * 60, "and is right to a minute");
        last = stamp;
        let tip = store.locate(&stream(), ShardId(0), StartingPosition::Latest).await.unwrap();
        let promised = store.read(&stream(), ShardId(0), tip, ALL).await.unwrap().complete_until;
        assert!(promised >= stamp && promised <= clock.now() + SECOND * 60, "windows close");
    }
}

/// An hour's stop with a wrong clock leaves stamps that are ahead: they go on from there.
#[tokio::test]
async fn a_stream_whose_stamps_are_ahead_goes_on() {
    let (disk, clock) = (PowerCutDisk::default(), clock());
    let store = created(&disk, &clock).await;
    drop(store);
    clock.set(clock.now() + HOUR);
    let store = open(&disk, &clock).await.unwrap();
    let ahead = put_and_find(&store, "ahead".to_owned()).await;
    assert_eq!(ahead, clock.now());
    drop(store);
    clock.set(clock.now() - HOUR);
    let store = open(&disk, &clock).await.unwrap();
    clock.advance(SECOND * 100);
    let after = put_and_find(&store, "after".to_owned()).await;
    assert!(ahead + SECOND * 90 <= after && after < ahead + SECOND * 100, "slower, but it goes on");
}

/// Any steps, for any time: no record goes before it has been there for as long as retention says,
/// none that was acknowledged is hidden, and what is really old goes in the end.
#[tokio::test]
async fn no_step_of_the_clock_deletes_or_hides_a_record() {
    const RECORDS: usize = 400;
    let mut random = StdRng::seed_from_u64(7);
    for seed in 0..20 {
        let (disk, clock) = (PowerCutDisk::default(), clock());
        let mut store = created(&disk, &clock).await;
        let mut put_at = Vec::new();
        for number in 0..RECORDS {
            clock.advance(Duration::from_millis(random.random_range(0..20_000)));
            if number % 8 == 0 {
                // For less than the ten minutes after which a step is believed.
                let by = SECOND.mul_f64(10f64.powf(random.random_range(0.0..8.5)));
                let right = clock.now();
                let wrong = if random.random_bool(0.5) { right + by } else { right - by };
                clock.set(wrong);
                let lasts = Duration::from_millis(random.random_range(0..500_000));
                let begin = clock.elapsed();
                while clock.elapsed() < begin + lasts {
                    clock.advance(TRIM_EVERY);
                    store.trim(&stream()).await.unwrap();
                    put_at.push((clock.elapsed(), put_and_find(&store, format!("{seed}/{number}")).await));
                }
                clock.set(right + (clock.elapsed() - begin));
            }
            if random.random_ratio(1, 50) {
                drop(store);
                store = open(&disk, &clock).await.unwrap();
            }
            put_at.push((clock.elapsed(), put_and_find(&store, "steady ".repeat(100)).await));
            store.trim(&stream()).await.unwrap();
        }
        assert!(put_at.is_sorted_by_key(|(_, stamp)| *stamp), "stamps never go back");
        let young = put_at.iter().filter(|(at, _)| *at + DAY > clock.elapsed()).count();
        let kept = read_all(&store, ShardId(0)).await.unwrap().len();
        assert!(kept >= young, "seed {seed}: {kept} of {young}");

        for _ in 0..600 {
            clock.advance(SECOND * 400);
            store.trim(&stream()).await.unwrap();
        }
        assert_eq!(read_all(&store, ShardId(0)).await.unwrap(), [], "seed {seed}: what is old goes");
        put_and_find(&store, "after".to_owned()).await;
    }
}

/// Earlier versions kept a horizon in the future: they took records that nobody could read.
#[tokio::test]
async fn a_horizon_in_the_future_hides_no_new_record() {
    let (disk, clock) = (PowerCutDisk::default(), clock());
    let store = created(&disk, &clock).await;
    put_and_find(&store, "before".to_owned()).await;
    store.close().await;
    drop(store);
    let folder = Path::new("/streams/rides");
    let manifest = Manifest::load(&disk, folder).unwrap();
    Manifest { horizon: clock.now() + DAY * 29, ..manifest }.save(&disk, folder).unwrap();
    let store = open(&disk, &clock).await.unwrap();
    put_and_find(&store, "after".to_owned()).await;
    assert_eq!(read_all(&store, ShardId(0)).await.unwrap().len(), 1);
}
