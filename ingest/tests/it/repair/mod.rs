//! Repair after damage of every kind: what is outside of it is readable, what is lost is listed, and
//! the log goes on.

mod cases;
mod harm;
mod truth;
mod world;

use ingest::log::repair::plan::Plan;
use ingest::log::repair::{apply, examine};
use model::name::StreamName;
use model::stream::shard::ShardId;
use model::stream::store::{AppendError, ReadLimit, StartingPosition, StreamStore};
use model::testing::power_cut::PowerCutDisk;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::common::{consumer, entry, key_ring};
use harm::harm;
use truth::Truth;
use world::{STREAMS, World, folder_of, name, originals};

/// How many times the log is damaged and repaired: `REPAIRS` says it.
const REPAIRS: u64 = 300;
/// A log is made anew after so many.
const REPAIRS_OF_A_LOG: u64 = 40;
/// Places that are damaged at once, at most.
const HARMS_MAX: usize = 4;

fn plan(disk: &PowerCutDisk, stream: &StreamName) -> Plan {
    let planned = examine::examine(disk, &folder_of(stream), stream, &key_ring());
    planned.unwrap_or_else(|error| panic!("{stream} cannot be examined: {error}"))
}

#[tokio::test]
async fn whatever_is_outside_the_damage_is_readable_after_a_repair() {
    let repairs = std::env::var("REPAIRS").map_or(REPAIRS, |repairs| repairs.parse().unwrap());
    let first = std::env::var("SEED").map_or(0, |seed| seed.parse().unwrap());
    let mut world = World::new(first - first % REPAIRS_OF_A_LOG).await;
    for seed in first..first + repairs {
        if seed % REPAIRS_OF_A_LOG == 0 {
            world = World::new(seed).await;
        }
        // The last one of a failed test repeats it.
        println!("SEED={seed} REPAIRS=1");
        damage_and_repair(&world, seed).await;
    }
}

async fn damage_and_repair(world: &World, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let disk = PowerCutDisk::with(world.disk.state());
    let harms: Vec<String> = (0..random.random_range(1..=HARMS_MAX)).map(|_| harm(&disk, &mut random)).collect();
    let mut losses = Vec::new();
    for stream in STREAMS.map(name) {
        let damaged = PowerCutDisk::with(disk.state());
        let plan = plan(&damaged, &stream);
        losses.push(plan.losses.clone());
        let is_whole = plan.is_whole();
        let kept = apply::apply(&disk, plan, &originals()).unwrap();
        assert!(!is_whole || kept.is_none(), "what is whole stays as it is");
        let again = self::plan(&disk, &stream);
        assert!(again.is_whole(), "{harms:?}: a second repair finds {:?}", again.damage);
    }
    let store = world::open(&disk).await;
    for (stream, losses) in STREAMS.map(name).into_iter().zip(losses) {
        let truth = &world.truth[&stream];
        let missing = truth.check(&store, &world.disk, &disk_before(world, seed), &losses).await;
        goes_on(&store, &stream, truth).await;
        let version = store.checkpoint(&stream, &consumer()).await.unwrap().map_or(0, |found| found.version);
        assert!(version <= truth.version && (missing || version == truth.version), "{harms:?}: version {version}");
    }
}

/// The log as it was damaged, before it was repaired.
fn disk_before(world: &World, seed: u64) -> PowerCutDisk {
    let mut random = StdRng::seed_from_u64(seed);
    let disk = PowerCutDisk::with(world.disk.state());
    (0..random.random_range(1..=HARMS_MAX)).for_each(|_| drop(harm(&disk, &mut random)));
    disk
}

/// Appends go on with numbers that nobody has had, and are readable.
async fn goes_on(store: &ingest::log::store::LogStore, stream: &StreamName, truth: &Truth) {
    for i in 0..12 {
        let put = entry(&format!("key-{i}"), format!("new {i}"));
        let batch = store.append(stream, vec![put]).await.unwrap_or_else(|error| panic!("{stream}: {error}"));
        let appended: Result<_, AppendError> = batch.results[0].clone();
        let at = appended.unwrap();
        assert!(truth.next(at.shard) <= at.sequence_number, "{stream}: {at:?} was given before");
        let limit = ReadLimit { records_max: 1, bytes_max: 1, wait: false };
        let read = store.read(stream, at.shard, at.sequence_number, limit).await.unwrap();
        assert_eq!(read.records[0].data, format!("new {i}"));
    }
    for shard in truth.shards.keys().copied().collect::<Vec<ShardId>>() {
        store.locate(stream, shard, StartingPosition::TrimHorizon).await.unwrap();
    }
}
