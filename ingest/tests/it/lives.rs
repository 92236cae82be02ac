//! Many lives of a process on one machine: syncs fail as on Linux, the process starts again, and
//! now and then the power is cut. What was acknowledged in any of them is still there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ingest::log::store::LogStore;
use model::clock::{Clock, Timestamp};
use model::stream::checkpoint::Checkpoint;
use model::stream::hash_key::HashKey;
use model::stream::record::PutEntry;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::{Reshard, ShardId};
use model::stream::store::{StreamError, StreamOptions, StreamStore};
use model::testing::clock::ManualClock;
use model::testing::faulty::{Fault, FaultyDisk, Operation};
use model::testing::power_cut::PowerCutDisk;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::common::{clock, consumer, entry, read_all, stream};
use crate::failed_syncs::{RETENTION, open};

const SEEDS: u64 = 200;
const LIVES: usize = 6;
const STEPS_PER_LIFE: usize = 12;

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
