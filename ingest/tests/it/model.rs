//! The log and the simplest store that keeps the promises do the same, step by random step, with restarts in between.
//! And on a disk that is full now and then: what is refused for want of room has not been, in memory, on the disk, and
//! after a power cut.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ingest::log::options::LogOptions;
use ingest::log::store::LogStore;
use model::clock::{Clock, Timestamp};
use model::stream::checkpoint::Checkpoint;
use model::stream::hash_key::HashKey;
use model::stream::record::PutEntry;
use model::stream::sequence_number::SequenceNumber;
use model::stream::settings::StreamSettings;
use model::stream::shard::{Reshard, ShardId};
use model::stream::store::{ReadLimit, StartingPosition, StreamDescription, StreamError, StreamOptions, StreamStore};
use model::testing::clock::ManualClock;
use model::testing::faulty::FaultyDisk;
use model::testing::memory_store::MemoryStore;
use model::testing::power_cut::PowerCutDisk;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::common::{KEYS, NOW, clock, consumer, entry, key_ring, stream};

const SEEDS: u64 = 40;
const STEPS: usize = 100;

/// The disk under the log, and how full it is.
struct Disks {
    power: PowerCutDisk,
    faulty: FaultyDisk,
    /// Whether it is full now and then.
    scarce: bool,
    /// How often something was refused for want of room.
    refused: usize,
}

impl Disks {
    fn new(scarce: bool) -> Disks {
        Disks::holding(PowerCutDisk::default(), scarce, 0)
    }

    fn holding(power: PowerCutDisk, scarce: bool, refused: usize) -> Disks {
        Disks { faulty: FaultyDisk::new(power.clone()), power, scarce, refused }
    }

    /// Gives the disk another amount of room.
    fn change_room(&self, random: &mut StdRng) {
        if self.scarce && random.random_bool(0.3) {
            let root = Path::new("/streams");
            match self.faulty.used(root) {
                Ok(used) if random.random_bool(0.7) => self.faulty.limit(root, used + random.random_range(0..4000)),
                _ => self.faulty.heal(),
            }
        }
    }

    /// Cuts the power where room is scarce: whatever waited to be synced is kept or lost.
    fn restart(&mut self, random: &mut StdRng) {
        if self.scarce {
            let power = PowerCutDisk::with(self.power.state().after_power_cut(random.random()));
            *self = Disks::holding(power, true, self.refused);
        }
    }

    /// Has the memory store do what the log has done; both say the same. What the log had no room for has not been.
    async fn same<T>(
        &mut self,
        done: Result<T, StreamError>,
        right: impl Future<Output = Result<T, StreamError>>,
        text: impl Fn(Result<T, StreamError>) -> String,
    ) {
        match done {
            Err(StreamError::DiskFull { .. }) => {
                assert!(self.scarce, "nothing is full here");
                self.refused += 1;
            }
            done => assert_eq!(text(done), text(right.await)),
        }
    }

    /// Trims both. On a full disk that works as soon as there is room.
    async fn trim(&mut self, log: &LogStore, memory: &MemoryStore) {
        let trimmed = log.trim(&stream()).await;
        if matches!(trimmed, Err(StreamError::DiskFull { .. })) {
            self.refused += 1;
            self.faulty.heal();
            log.trim(&stream()).await.unwrap();
        } else {
            trimmed.unwrap();
        }
        memory.trim(&stream()).await.unwrap();
    }
}

async fn open(disks: &Disks, clock: &Arc<ManualClock>) -> LogStore {
    let options = LogOptions { segment_bytes_max: 6 << 10, tail_bytes_max: 3 << 10, ..LogOptions::small() };
    let (disk, folder) = (Arc::new(disks.faulty.clone()), Path::new("/streams"));
    LogStore::open_with_keys(clock.clone(), disk, key_ring(), folder, options).await.unwrap()
}

fn entries(random: &mut StdRng) -> Vec<PutEntry> {
    let one = |random: &mut StdRng| {
        let data: Vec<u8> = (0..random.random_range(0..400)).map(|_| random.random()).collect();
        let key = format!("key-{}", random.random_range(0..20));
        let explicit_hash_key = random.random_bool(0.3).then(|| HashKey(random.random()));
        PutEntry { explicit_hash_key, ..entry(&key, data) }
    };
    (0..random.random_range(1..10)).map(|_| one(random)).collect()
}

fn change(random: &mut StdRng) -> Reshard {
    let shard = ShardId(random.random_range(0..6));
    match random.random_range(0..5) {
        0..2 => Reshard::Split { shard, at: HashKey(random.random()) },
        2..4 => Reshard::Merge { shard, adjacent: ShardId(random.random_range(0..6)) },
        _ => Reshard::Uniform { shards: random.random_range(1..6) },
    }
}

/// Results compare by their text where they hold errors.
fn text<T: std::fmt::Debug>(result: Result<T, StreamError>) -> String {
    format!("{result:?}")
}

async fn compare(log: &LogStore, memory: &MemoryStore, clock: &ManualClock, random: &mut StdRng) {
    let name = stream();
    let shards = memory.describe(&name).await.unwrap().shards.clone();
    assert_eq!(log.describe(&name).await.unwrap().shards, shards);
    assert_eq!(log.describe(&name).await.unwrap().settings, memory.describe(&name).await.unwrap().settings);
    for shard in shards.iter().map(|shard| shard.id) {
        let number = shards.get(shard).unwrap().first;
        let number = SequenceNumber(number.0.saturating_sub(20) + random.random_range(0..300));
        // Numbers are far apart where the store was opened again.
        let end = memory.locate(&name, shard, StartingPosition::Latest).await.unwrap();
        let number =
            if random.random() { number } else { SequenceNumber(random.random_range(number.0..=end.0.max(number.0))) };
        let at = Timestamp::from_millis(random.random_range(NOW.as_millis()..=clock.now().as_millis() + 10));
        for position in [
            StartingPosition::TrimHorizon,
            StartingPosition::Latest,
            StartingPosition::At(number),
            StartingPosition::After(number),
            StartingPosition::AtTime(at),
        ] {
            let (found, right) =
                (log.locate(&name, shard, position).await, memory.locate(&name, shard, position).await);
            assert_eq!(text(found), text(right), "{position:?}");
        }
        let limit =
            ReadLimit { records_max: random.random_range(1..50), bytes_max: random.random_range(1..5000), wait: false };
        let mut from = log.locate(&name, shard, StartingPosition::At(number)).await.unwrap();
        loop {
            let found = log.read(&name, shard, from, limit).await.unwrap();
            // Where a segment ends the log may return less than the limit allows; never more, and never nothing.
            let same = ReadLimit { records_max: found.records.len().max(1), ..limit };
            assert_eq!(found, memory.read(&name, shard, from, same).await.unwrap());
            from = found.next;
            if found.next >= found.tip {
                break;
            }
            assert!(!found.records.is_empty());
        }
    }
    let checkpoint = log.checkpoint(&name, &consumer()).await.unwrap();
    assert_eq!(checkpoint, memory.checkpoint(&name, &consumer()).await.unwrap());
}

/// Runs random steps; returns how often something was refused for want of room.
async fn run(seed: u64, scarce: bool) -> usize {
    let mut random = StdRng::seed_from_u64(seed);
    let (mut disks, clock, name) = (Disks::new(scarce), clock(), stream());
    let memory = MemoryStore::new(clock.clone()).with_keys(&KEYS[..2]).with_numbers_by_time();
    let mut log = open(&disks, &clock).await;
    let retention = Duration::from_millis(random.random_range(500..3000));
    let options = StreamOptions { shards: random.random_range(1..4), retention, ..StreamOptions::default() };
    memory.create(&name, options.clone()).await.unwrap();
    log.create(&name, options).await.unwrap();
    let mut version = 1;
    for _ in 0..STEPS {
        clock.advance(Duration::from_millis(random.random_range(0..50)));
        disks.change_room(&mut random);
        match random.random_range(0..20) {
            0..10 => {
                let entries = entries(&mut random);
                // The two stores may have created the stream at different times: only results are compared.
                let done = log.append(&name, entries.clone()).await.map(|batch| batch.results);
                let expected = async { memory.append(&name, entries).await.map(|batch| batch.results) };
                disks.same(done, expected, text).await;
            }
            10..14 => {
                let outputs = if random.random() { entries(&mut random) } else { Vec::new() };
                let version_tried = if random.random_bool(0.8) { version } else { random.random_range(0..20) };
                let state = Bytes::from(vec![3; random.random_range(0..500)]);
                let checkpoint = Checkpoint { version: version_tried, state, ..Checkpoint::default() };
                let done = log.commit(&name, &consumer(), checkpoint.clone(), outputs.clone()).await;
                version += u64::from(done.is_ok());
                disks.same(done, memory.commit(&name, &consumer(), checkpoint, outputs), text).await;
            }
            14..16 => {
                let change = change(&mut random);
                let done = log.reshard(&name, change).await;
                let shards =
                    |done: Result<Arc<StreamDescription>, _>| format!("{:?}", done.map(|d| d.shards.clone()).ok());
                disks.same(done, memory.reshard(&name, change), shards).await;
            }
            16 => {
                if random.random() {
                    log.close().await;
                }
                drop(log);
                disks.restart(&mut random);
                log = open(&disks, &clock).await;
                memory.resume();
                // How far retention had come is only kept when something else is written too.
                disks.trim(&log, &memory).await;
            }
            17 => disks.trim(&log, &memory).await,
            18 => {
                let from = memory.describe(&name).await.unwrap().settings.clone();
                let to = StreamSettings {
                    retention: Duration::from_millis(random.random_range(200..3000)),
                    record_bytes_max: random.random_range(500..1000),
                    tags: [("version".to_owned(), version.to_string())].into(),
                    encryption_key: KEYS.get(random.random_range(0..6)).map(|&key| key.to_owned()),
                    ..from.clone()
                };
                let from = if random.random_bool(0.8) { from } else { to.clone() };
                let done = log.alter(&name, &from, to.clone()).await;
                let settings = |done: Result<Arc<StreamDescription>, _>| text(done.map(|d| d.settings.clone()));
                disks.same(done, memory.alter(&name, &from, to), settings).await;
            }
            _ => compare(&log, &memory, &clock, &mut random).await,
        }
    }
    compare(&log, &memory, &clock, &mut random).await;
    log.verify(&name).await.unwrap();
    disks.refused
}

fn run_seeds(scarce: bool) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let run = |seed| match std::panic::catch_unwind(|| runtime.block_on(run(seed, scarce))) {
        Ok(refused) => refused,
        Err(panic) => {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic)
        }
    };
    (0..SEEDS).map(run).sum()
}

#[test]
fn the_log_does_what_the_memory_store_does() {
    assert_eq!(run_seeds(false), 0);
}

#[test]
fn what_a_full_disk_refuses_has_not_been() {
    let refused = run_seeds(true);
    assert!(refused > 300, "{refused} refusals are too few to say anything");
}
