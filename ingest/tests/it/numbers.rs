//! No number is given out twice, whatever becomes of a stream's name, its folder and the clock; and
//! of every record that was put a consumer knows that it read it, or that it was deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ingest::log::options::LogOptions;
use ingest::log::segments::manifest::Manifest;
use ingest::log::store::LogStore;
use model::clock::{Clock, Timestamp};
use model::disk::Disk;
use model::stream::checkpoint::{Checkpoint, Positions};
use model::stream::consumer::StreamReader;
use model::stream::hash_key::HashKey;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::{Reshard, ShardId};
use model::stream::store::{StartingPosition, StreamError, StreamOptions, StreamStore};
use model::testing::clock::ManualClock;
use model::testing::disk_state::State;
use model::testing::power_cut::PowerCutDisk;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::common::{NOW, clock, consumer, entry, put, read_all, stream};

const SEEDS: u64 = 60;
const STEPS: usize = 60;
/// A reader that has nothing for so long is at the tip, or tries again.
const TIP_WAIT: Duration = Duration::from_millis(5);

type Place = (ShardId, SequenceNumber);

/// What a step may do besides putting, reading, deleting, creating and opening again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// The folder becomes an older copy of itself.
    Restores,
    /// The clock is set forwards and back.
    ClockSteps,
}

/// A copy of the folder, and what is in it.
struct Copy {
    disk: State,
    records: Option<BTreeMap<Place, Bytes>>,
}

struct World {
    trouble: Trouble,
    random: StdRng,
    clock: Arc<ManualClock>,
    disk: PowerCutDisk,
    store: LogStore,
    /// All that were ever given out, also those that a restore has taken back.
    given: BTreeSet<Place>,
    /// What is in the stream; none while there is no stream.
    records: Option<BTreeMap<Place, Bytes>>,
    copies: Vec<Copy>,
    puts: u64,
    positions: Positions,
    /// Records that the consumer has read, and those that it was told were deleted unread.
    read: u64,
    deleted: u64,
}

async fn open(disk: &PowerCutDisk, clock: &Arc<ManualClock>) -> LogStore {
    let options = LogOptions { segment_bytes_max: 3 << 10, tail_bytes_max: 1 << 10, ..LogOptions::small() };
    LogStore::open(clock.clone(), Arc::new(disk.clone()), Path::new("/streams"), options).await.unwrap()
}

impl World {
    async fn new(seed: u64, trouble: Trouble) -> World {
        let (clock, disk) = (clock(), PowerCutDisk::default());
        let store = open(&disk, &clock).await;
        World {
            trouble,
            random: StdRng::seed_from_u64(seed),
            store,
            clock,
            disk,
            given: BTreeSet::new(),
            records: None,
            copies: Vec::new(),
            puts: 0,
            positions: Positions::new(),
            read: 0,
            deleted: 0,
        }
    }

    async fn step(&mut self) {
        self.clock.advance(Duration::from_millis(self.random.random_range(1..2000)));
        if self.records.is_none() {
            let shards = self.random.random_range(1..4);
            self.store.create(&stream(), StreamOptions { shards, ..StreamOptions::default() }).await.unwrap();
            self.records = Some(BTreeMap::new());
            if self.positions.is_empty() {
                self.consume().await;
            }
        }
        match self.random.random_range(0..20) {
            0..8 => self.put().await,
            8..11 => self.consume().await,
            11 => {
                let (key, map) = (HashKey(self.random.random()), self.store.describe(&stream()).await.unwrap());
                let shard = map.shards.route(key);
                let _ = self.store.reshard(&stream(), Reshard::Split { shard, at: key }).await;
            }
            12..14 => {
                self.store.delete(&stream()).await.unwrap();
                self.records = None;
            }
            14..17 => self.restart().await,
            _ if self.trouble == Trouble::ClockSteps => {
                let by = Duration::from_secs(self.random.random_range(1..30 * 24 * 3600));
                let now = self.clock.now();
                self.clock.set(if self.random.random() { now + by } else { now - by });
            }
            17 => self.copy().await,
            _ => self.restore().await,
        }
    }

    async fn put(&mut self) {
        let entries: Vec<_> = (0..self.random.random_range(1..20))
            .map(|_| {
                self.puts += 1;
                entry(&format!("key-{}", self.puts), format!("{} ", self.puts).repeat(9))
            })
            .collect();
        for (appended, entry) in put(&self.store, entries.clone()).await.into_iter().zip(entries) {
            let place = (appended.shard, appended.sequence_number);
            assert!(self.given.insert(place), "{place:?} was given out twice");
            self.records.as_mut().unwrap().insert(place, entry.data);
        }
    }

    /// Opens the store again, after a clean end or none.
    async fn restart(&mut self) {
        if self.random.random() {
            self.store.close().await;
        }
        // Whatever is in its place, the old one ends before its folder is opened.
        self.store = open(&PowerCutDisk::default(), &self.clock).await;
        self.store = open(&self.disk, &self.clock).await;
        self.check().await;
    }

    async fn copy(&mut self) {
        self.store.close().await;
        self.copies.push(Copy { disk: self.disk.state(), records: self.records.clone() });
        self.restart().await;
    }

    async fn restore(&mut self) {
        if self.copies.is_empty() {
            return;
        }
        let copy = &self.copies[self.random.random_range(0..self.copies.len())];
        (self.disk, self.records) = (PowerCutDisk::with(copy.disk.clone()), copy.records.clone());
        self.restart().await;
    }

    /// Everything that is in the stream is read, from the beginning and from any place.
    async fn check(&mut self) {
        let description = match self.store.describe(&stream()).await {
            Err(StreamError::NotFound(_)) => return assert!(self.records.is_none()),
            described => described.unwrap(),
        };
        let (mut found, mut count) = (BTreeMap::new(), 0);
        for shard in description.shards.iter() {
            let records = read_all(&self.store, shard.id).await.unwrap();
            let end = self.store.locate(&stream(), shard.id, StartingPosition::Latest).await.unwrap();
            count += shard.records_between(SequenceNumber::FIRST, end);
            found.extend(records.into_iter().map(|record| ((shard.id, record.sequence_number), record.data)));
        }
        assert_eq!(Some(&found), self.records.as_ref());
        assert_eq!(count, found.len() as u64, "records are counted by their numbers");
        self.store.verify(&stream()).await.unwrap();
        if let Some((shard, number)) = self.given.iter().nth(self.random.random_range(0..self.given.len().max(1)))
            && let Ok(batch) = self.store.read(&stream(), *shard, *number, crate::common::ALL).await
        {
            let next = found.range((*shard, *number)..).next().filter(|((found, _), _)| found == shard);
            let first = batch.records.first().map(|record| (*shard, record.sequence_number));
            assert_eq!(first, next.map(|(place, _)| *place), "the first record from {number} on");
        }
    }

    /// A consumer goes on where it was, for a while.
    async fn consume(&mut self) {
        let store: Arc<dyn StreamStore> = Arc::new(self.store.clone());
        let positions = std::mem::take(&mut self.positions);
        let opened = StreamReader::open(store, stream(), positions, StartingPosition::TrimHorizon).await;
        let mut reader = opened.unwrap();
        self.deleted += reader.deleted().unwrap_or(0);
        let enough = self.random.random_range(0..9);
        for _ in 0..enough {
            let Ok(batch) = tokio::time::timeout(TIP_WAIT, reader.next()).await else { break };
            let batch = batch.unwrap();
            assert!(batch.expired == 0 || self.trouble == Trouble::Restores);
            self.read += batch.records.len() as u64;
        }
        self.positions = reader.positions().clone();
    }

    /// Reads on to the tip.
    async fn consume_all(&mut self) {
        loop {
            self.consume().await;
            let map = self.store.describe(&stream()).await.unwrap().shards.clone();
            let mut is_done = true;
            for shard in map.iter() {
                let end = self.store.locate(&stream(), shard.id, StartingPosition::Latest).await.unwrap();
                is_done &= self.positions.get(&shard.id).is_some_and(|at| shard.first_from(at.next) >= end);
            }
            if is_done {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

fn run(trouble: Trouble) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for seed in 0..SEEDS {
        let lived = std::panic::AssertUnwindSafe(|| {
            runtime.block_on(async {
                let mut world = World::new(seed, trouble).await;
                for _ in 0..STEPS {
                    world.step().await;
                }
                if trouble == Trouble::ClockSteps {
                    if world.records.is_none() {
                        world.store.create(&stream(), StreamOptions::default()).await.unwrap();
                    }
                    world.consume_all().await;
                    assert_eq!(world.read + world.deleted, world.puts, "read and deleted, of all that were put");
                }
            });
        });
        if let Err(panic) = std::panic::catch_unwind(lived) {
            eprintln!("seed {seed}, {trouble:?}");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn no_number_is_given_out_twice_by_older_copies_of_a_folder() {
    run(Trouble::Restores);
}

#[test]
fn no_number_is_given_out_twice_while_the_clock_is_set_and_nothing_is_uncounted() {
    run(Trouble::ClockSteps);
}

/// A stream of an older version begins at zero, and goes on in this one above what a lost future of
/// it can have had.
#[tokio::test]
async fn streams_of_older_versions_keep_their_numbers_and_go_on_above_them() {
    let (clock, disk, folder) = (clock(), PowerCutDisk::default(), Path::new("/streams/rides"));
    let store = open(&disk, &clock).await;
    clock.set(Timestamp::from_millis(0));
    store.create(&stream(), StreamOptions::default()).await.unwrap();
    let old = put(&store, (0..5).map(|n| entry("k", format!("{n}"))).collect()).await;
    assert_eq!(old[0].sequence_number, SequenceNumber(1), "a clock that shows 1970");
    store.close().await;
    drop(store);
    let mut json = serde_json::to_value(Manifest::load(&disk, folder).unwrap()).unwrap();
    json.as_object_mut().unwrap().remove("lives").expect("it is there");
    let mut manifest: Manifest = serde_json::from_value(json).unwrap();
    manifest.save(&disk, folder).unwrap();
    clock.set(NOW);
    let store = open(&disk, &clock).await;
    let new = put(&store, vec![entry("k", "5")]).await;
    assert!(new[0].sequence_number >= model::stream::lives::first_number_at(NOW));
    let data = |records: Vec<model::stream::record::Record>| -> Vec<Bytes> {
        records.into_iter().map(|record| record.data).collect()
    };
    assert_eq!(data(read_all(&store, ShardId(0)).await.unwrap()), ["0", "1", "2", "3", "4", "5"]);
}

/// What is known of deleted streams is a help, not a need: without it, and with a damaged one,
/// streams are created.
#[tokio::test]
async fn deleted_streams_may_be_forgotten() {
    let (clock, disk, lives) = (clock(), PowerCutDisk::default(), Path::new("/streams/~lives"));
    let store = open(&disk, &clock).await;
    store.create(&stream(), StreamOptions::default()).await.unwrap();
    put(&store, vec![entry("k", "first")]).await;
    let checkpoint = Checkpoint { version: 1, ..Checkpoint::default() };
    store.commit(&stream(), &consumer(), checkpoint, Vec::new()).await.unwrap();
    store.delete(&stream()).await.unwrap();
    drop(store);
    disk.create(lives).unwrap().write_at(0, b"no such file").unwrap();
    clock.advance(Duration::from_millis(1));
    let store = open(&disk, &clock).await;
    let created = store.create(&stream(), StreamOptions::default()).await.unwrap();
    assert!(created.lives.earlier.is_empty());
    assert!(put(&store, vec![entry("k", "second")]).await[0].sequence_number >= created.lives.first);
    assert_eq!(store.list().await.unwrap(), [stream()]);
}
