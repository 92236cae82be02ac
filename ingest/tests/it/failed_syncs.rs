//! Syncs fail as on Linux, the process starts again on the same machine, and only later is the power cut: what was
//! acknowledged in between is still there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ingest::log::options::LogOptions;
use ingest::log::store::LogStore;
use ingest::testing::faulty::{Fault, FaultyDisk, Operation};
use ingest::testing::power_cut::PowerCutDisk;
use model::clock::{Clock, Timestamp};
use model::name::StreamName;
use model::stream::checkpoint::Checkpoint;
use model::stream::hash_key::HashKey;
use model::stream::record::PutEntry;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::{Reshard, ShardId};
use model::stream::store::{StreamError, StreamOptions, StreamStore};
use model::testing::clock::ManualClock;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::common::{clock, consumer, entry, key_ring, put, read_all, stream};

const SEEDS: u64 = 400;
const LIVES: usize = 6;
const STEPS_PER_LIFE: usize = 12;
const RETENTION: Duration = Duration::from_secs(60);

fn options() -> LogOptions {
    LogOptions { segment_bytes_max: 4 << 10, tail_bytes_max: 2 << 10, ..LogOptions::small() }
}

async fn open(disk: &FaultyDisk, clock: &Arc<ManualClock>) -> Result<LogStore, StreamError> {
    let (disk, folder) = (Arc::new(disk.clone()), Path::new("/data/streams"));
    LogStore::open_with_keys(clock.clone(), disk, key_ring(), folder, options()).await
}

/// A machine, and what was acknowledged on it.
struct Machine {
    random: StdRng,
    clock: Arc<ManualClock>,
    power: PowerCutDisk,
    disk: FaultyDisk,
    is_created: bool,
    acknowledged: BTreeMap<(ShardId, SequenceNumber), (Timestamp, Bytes)>,
    /// The last version that was committed for sure.
    version: u64,
    /// Older records may be gone.
    horizon: Timestamp,
    puts: u64,
}

impl Machine {
    fn new(seed: u64) -> Machine {
        let power = PowerCutDisk::default();
        Machine {
            random: StdRng::seed_from_u64(seed),
            clock: clock(),
            disk: FaultyDisk::new(power.clone()),
            power,
            is_created: false,
            acknowledged: BTreeMap::new(),
            version: 0,
            horizon: Timestamp::MIN,
            puts: 0,
        }
    }

    /// Takes the power away. What was not durable is lost.
    fn cut_power(&mut self) {
        self.power = PowerCutDisk::with(self.power.state().after_power_cut(self.random.random()));
        self.disk = FaultyDisk::new(self.power.clone());
    }

    /// Lets one of the next syncs fail.
    fn plan_fault(&mut self) {
        let operation = if self.random.random_bool(0.6) { Operation::Sync } else { Operation::SyncFolder };
        let name = ["", "", ".log", "manifest"][self.random.random_range(0..4)];
        let name = if operation == Operation::Sync { name } else { "" };
        self.disk.fail(Fault { after: self.random.random_range(0..12), ..Fault::once(operation, name) });
    }

    /// Starts until nothing fails: a start that meets a failure may refuse, the next one may not.
    async fn start(&mut self) -> LogStore {
        loop {
            let before = self.disk.failures();
            let opened = open(&self.disk, &self.clock).await;
            let failed = self.disk.failures() > before;
            let store = match opened {
                Ok(store) => store,
                Err(error) => {
                    assert!(failed, "the store does not open: {error}");
                    continue;
                }
            };
            match store.describe(&stream()).await {
                Ok(_) => return store,
                Err(StreamError::NotFound(_)) if !self.is_created => return store,
                Err(error) => assert!(failed, "the stream does not open: {error}"),
            }
            drop(store);
            if self.random.random_bool(0.5) {
                self.cut_power();
            }
        }
    }

    /// One life of the process, until its steps are done or a sync fails.
    async fn live(&mut self) {
        let store = self.start().await;
        self.check(&store).await;
        for _ in 0..STEPS_PER_LIFE {
            if self.step(&store).await.is_err() {
                assert!(self.disk.failures() > 0, "nothing but a failed sync stops a stream");
                break;
            }
        }
        if self.random.random_bool(0.3) {
            store.close().await;
        }
    }

    async fn step(&mut self, store: &LogStore) -> Result<(), StreamError> {
        self.clock.advance(Duration::from_millis(self.random.random_range(0..4000)));
        if !self.is_created {
            let options = StreamOptions { shards: 2, retention: RETENTION, ..StreamOptions::default() };
            match store.create(&stream(), options).await {
                Ok(_) | Err(StreamError::Exists(_)) => self.is_created = true,
                Err(error) => return Err(error),
            }
        }
        match self.random.random_range(0..14) {
            0..6 => self.put(store).await,
            6..8 => self.commit(store).await,
            8..10 => {
                let map = store.describe(&stream()).await?.shards.clone();
                let (key, split) = (HashKey(self.random.random()), self.random.random_bool(0.5));
                let shard = map.route(key);
                let change = match (split, map.get(shard).unwrap().range.end) {
                    (false, end) if end < HashKey::MAX => {
                        Reshard::Merge { shard, adjacent: map.route(HashKey(end.0 + 1)) }
                    }
                    _ => Reshard::Split { shard, at: key },
                };
                match store.reshard(&stream(), change).await {
                    Ok(_) | Err(StreamError::Reshard { .. }) => Ok(()),
                    Err(error) => Err(error),
                }
            }
            10..12 => {
                let from = store.describe(&stream()).await?.settings.clone();
                let mut to = from.clone();
                to.tags.insert("puts".to_owned(), format!("{}", self.puts));
                store.alter(&stream(), &from, to).await.map(drop)
            }
            _ => {
                self.horizon = self.horizon.max(self.clock.now() - RETENTION);
                store.trim(&stream()).await
            }
        }
    }

    fn entries(&mut self) -> Vec<PutEntry> {
        let count = self.random.random_range(1..6);
        let mut entry = |_| {
            self.puts += 1;
            let data = format!("{} ", self.puts).repeat(self.random.random_range(1..200));
            entry(&format!("key-{}", self.puts % 9), data)
        };
        (0..count).map(&mut entry).collect()
    }

    async fn put(&mut self, store: &LogStore) -> Result<(), StreamError> {
        let entries = self.entries();
        let appended = store.append(&stream(), entries.clone()).await?.results;
        for (appended, entry) in appended.into_iter().zip(entries) {
            let appended = appended.unwrap();
            let place = (appended.shard, appended.sequence_number);
            let twice = self.acknowledged.insert(place, (appended.arrived_at, entry.data));
            assert_eq!(twice, None, "a number was given twice");
        }
        Ok(())
    }

    async fn commit(&mut self, store: &LogStore) -> Result<(), StreamError> {
        let found = store.checkpoint(&stream(), &consumer()).await?.map_or(0, |checkpoint| checkpoint.version);
        let (checkpoint, entries) = (checkpoint(found + 1), self.entries());
        let appended = store.commit(&stream(), &consumer(), checkpoint, entries.clone()).await?;
        self.version = found + 1;
        for (appended, entry) in appended.into_iter().zip(entries) {
            let place = (appended.shard, appended.sequence_number);
            let twice = self.acknowledged.insert(place, (appended.arrived_at, entry.data));
            assert_eq!(twice, None, "a number was given twice");
        }
        Ok(())
    }

    /// Everything that was acknowledged is readable, but for what is past retention.
    async fn check(&self, store: &LogStore) {
        let description = match store.describe(&stream()).await {
            Err(StreamError::NotFound(_)) if !self.is_created => return,
            described => described.unwrap(),
        };
        let mut found = BTreeMap::new();
        for shard in description.shards.iter() {
            for record in read_all(store, shard.id).await.unwrap() {
                found.insert((shard.id, record.sequence_number), record.data);
            }
        }
        let young = self.acknowledged.iter().filter(|(_, (arrived_at, _))| *arrived_at >= self.horizon);
        for (place, (_, data)) in young {
            assert_eq!(found.get(place), Some(data), "a record that was acknowledged, at {place:?}");
        }
        let checkpoint = store.checkpoint(&stream(), &consumer()).await.unwrap();
        let version = checkpoint.as_ref().map_or(0, |found| found.version);
        assert!(version >= self.version, "checkpoint {version}, acknowledged was {}", self.version);
        assert_eq!(checkpoint, (version > 0).then(|| self::checkpoint(version)), "a checkpoint is whole");
        store.verify(&stream()).await.unwrap();
    }
}

fn checkpoint(version: u64) -> Checkpoint {
    Checkpoint { version, state: Bytes::from(format!("state {version}").repeat(40)), ..Checkpoint::default() }
}

async fn lives(seed: u64) {
    let mut machine = Machine::new(seed);
    for _ in 0..LIVES {
        if machine.random.random_bool(0.8) {
            machine.plan_fault();
        }
        machine.live().await;
        if machine.random.random_bool(0.3) {
            machine.cut_power();
        } else {
            // What was to fail later in that life does not fail in the next.
            machine.disk.heal();
        }
    }
    for _ in 0..2 {
        machine.cut_power();
        let store = machine.start().await;
        machine.check(&store).await;
        machine.is_created = true;
        if store.list().await.unwrap().is_empty() {
            store.create(&stream(), StreamOptions::default()).await.unwrap();
        }
        machine.put(&store).await.unwrap();
    }
}

#[test]
fn nothing_acknowledged_is_lost_after_a_failed_sync() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for seed in 0..SEEDS {
        let lived = std::panic::AssertUnwindSafe(|| runtime.block_on(lives(seed)));
        if let Err(panic) = std::panic::catch_unwind(lived) {
            eprintln!("lives of seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// What the cache shows after a failed sync is not on the disk: a start that believes it loses the next record too.
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

/// A group for which there was no room is cut off, and the sync of that fails: the file may be longer on the disk than
/// it looks. The next group is as long as the first frame of the old one, so that the frame behind it would verify.
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

/// Files that the visible manifest no longer names are needed by the one on the disk, until it is replaced for sure.
#[tokio::test]
async fn dropped_segments_stay_until_the_manifest_is_durable() {
    for (after, cut) in (0..4).flat_map(|after| (0..16).map(move |cut| (after, cut))) {
        let (power, clock) = (PowerCutDisk::default(), clock());
        let disk = FaultyDisk::new(power.clone());
        let store = open(&disk, &clock).await.unwrap();
        let options = StreamOptions { retention: RETENTION, ..StreamOptions::default() };
        store.create(&stream(), options).await.unwrap();
        for _ in 0..10 {
            put(&store, vec![entry("k", vec![0; 1000])]).await;
        }
        clock.advance(RETENTION + Duration::from_secs(1));
        disk.fail(Fault { after, ..Fault::once(Operation::SyncFolder, "rides") });
        let _ = store.trim(&stream()).await;
        drop(store);
        disk.heal();
        disk.fail(Fault::once(Operation::Sync, "manifest"));
        drop(open(&disk, &clock).await.unwrap());
        let disk = FaultyDisk::new(PowerCutDisk::with(power.state().after_power_cut(cut)));
        let store = open(&disk, &clock).await.unwrap();
        store.verify(&stream()).await.unwrap();
        put(&store, vec![entry("k", "after")]).await;
    }
}

/// A stream that could not be created or deleted is there whole or not at all, and the name can be used again.
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
                store.append(&name, vec![entry("k", "old")]).await.unwrap();
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
            if cut % 3 > 0 {
                drop(open(&disk, &clock).await.unwrap());
            }
            let disk = FaultyDisk::new(PowerCutDisk::with(power.state().after_power_cut(cut)));
            let store = open(&disk, &clock).await.unwrap();
            match store.describe(&name).await {
                Ok(_) => store.verify(&name).await.unwrap(),
                Err(StreamError::NotFound(_)) => drop(store.create(&name, StreamOptions::default()).await.unwrap()),
                Err(error) => panic!("{operation:?} {after}, deletes {deletes}, cut {cut}: {error}"),
            }
        }
    }
}
