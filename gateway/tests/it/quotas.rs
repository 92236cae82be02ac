//! Shards that have no more throughput than those of Kinesis, when that is asked for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gateway::quota::{PUT_RECORDS, READ_BYTES, READS, ShardQuotas};
use model::clock::Timestamp;
use model::name::StreamName;
use model::stream::hash_key::{HashKey, PartitionKey};
use model::stream::layer::StreamLayer;
use model::stream::put_run::{PutRun, RunEntry, RunKeys};
use model::stream::record::PutEntry;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::{
    AppendError, AppendedBatch, ReadLimit, StartingPosition, StreamError, StreamOptions, StreamStore,
};
use model::testing::clock::ManualClock;
use model::testing::memory_store::MemoryStore;

struct World {
    clock: Arc<ManualClock>,
    store: Arc<dyn StreamStore>,
    stream: StreamName,
}

impl World {
    /// A stream of two shards.
    async fn new() -> World {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
        let below = Arc::new(MemoryStore::new(clock.clone()));
        let store: Arc<dyn StreamStore> = Arc::new(ShardQuotas::new(below, clock.clone()));
        let stream = StreamName::new("s").unwrap();
        store.create(&stream, StreamOptions { shards: 2, ..StreamOptions::default() }).await.unwrap();
        World { clock, store, stream }
    }

    fn entry(shard: u32, bytes: usize) -> PutEntry {
        let key = PartitionKey::new("k").unwrap();
        let hash = HashKey(if shard == 0 { 0 } else { u128::MAX });
        PutEntry { explicit_hash_key: Some(hash), ..PutEntry::new(key, vec![7; bytes - 1]) }
    }

    /// How many of `count` records of `bytes` a shard takes.
    async fn put(&self, shard: u32, count: usize, bytes: usize) -> usize {
        let entries = vec![World::entry(shard, bytes); count];
        let results = self.store.append(&self.stream, entries).await.unwrap().results;
        for refused in results.iter().filter_map(|result| result.as_ref().err()) {
            assert_eq!(*refused, AppendError::Throttled { shard: ShardId(shard) });
        }
        results.iter().filter(|result| result.is_ok()).count()
    }

    /// Bytes of one read of shard 0, or nothing where it is refused.
    async fn read(&self, from: u64) -> Option<usize> {
        let limit = ReadLimit { records_max: 10_000, bytes_max: 10 << 20, wait: false };
        match self.store.read(&self.stream, ShardId(0), SequenceNumber(from), limit).await {
            Ok(batch) => Some(batch.records.iter().map(|record| record.size_bytes()).sum()),
            Err(StreamError::Throttled(_)) => None,
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn a_shard_takes_a_thousand_records_a_second_and_its_neighbour_as_many() {
    let world = World::new().await;
    let most = PUT_RECORDS as usize;
    assert_eq!(world.put(0, most + 200, 10).await, most);
    assert_eq!(world.put(1, most + 200, 10).await, most);
    world.clock.advance(Duration::from_millis(250));
    assert_eq!(world.put(0, most, 10).await, most / 4);
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.put(0, most + 200, 10).await, most);
}

#[tokio::test]
async fn a_shard_takes_a_mebibyte_a_second_and_a_larger_record_is_owed() {
    let world = World::new().await;
    assert_eq!(world.put(0, 12, 100 << 10).await, 10);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.put(0, 1, 1 << 20).await, 1);
    world.clock.advance(Duration::from_millis(999));
    assert_eq!(world.put(0, 1, 1 << 20).await, 0);
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(world.put(0, 1, 1 << 20).await, 1);
}

#[tokio::test]
async fn entries_that_fit_are_taken_in_order_beside_those_that_do_not() {
    let world = World::new().await;
    let mut entries = vec![World::entry(0, 1000 << 10), World::entry(0, 1000 << 10), World::entry(1, 10)];
    entries.push(World::entry(0, 10 << 10));
    let results = world.store.append(&world.stream, entries).await.unwrap().results;
    let taken: Vec<bool> = results.iter().map(Result::is_ok).collect();
    assert_eq!(taken, [true, false, true, true]);
    assert_eq!(results[2].as_ref().unwrap().shard, ShardId(1));
}

/// Keeps the sizes of the runs that come through. Entries that come one by one are a mistake here.
struct RunsOnly {
    store: MemoryStore,
    runs: Arc<Mutex<Vec<usize>>>,
}

impl StreamLayer for RunsOnly {
    fn below(&self) -> &dyn StreamStore {
        &self.store
    }

    async fn append(&self, _: &StreamName, entries: Vec<PutEntry>) -> Result<AppendedBatch, StreamError> {
        panic!("a run was taken apart into {} entries", entries.len())
    }

    async fn append_run(&self, stream: &StreamName, run: PutRun) -> Result<Vec<(usize, AppendError)>, StreamError> {
        self.runs.lock().unwrap().push(run.entries().len());
        self.below().append_run(stream, run).await
    }
}

#[tokio::test]
async fn a_run_counts_as_its_records_do_and_goes_on_as_a_run() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
    let runs = Arc::default();
    let below = RunsOnly { store: MemoryStore::new(clock.clone()), runs: Arc::clone(&runs) };
    let store: Arc<dyn StreamStore> = Arc::new(ShardQuotas::new(Arc::new(below), clock.clone()));
    let stream = StreamName::new("s").unwrap();
    let description = store.create(&stream, StreamOptions { shards: 2, ..StreamOptions::default() }).await.unwrap();
    let mut keys = RunKeys::default();
    let mut key_of = |shard: u32| {
        let owned = |key: &PartitionKey| description.shards.route(key.hash_key()) == ShardId(shard);
        let mut keys_of_shard = (0..).map(|n: u32| PartitionKey::new(n.to_string()).unwrap()).filter(owned);
        keys.add(keys_of_shard.next().unwrap())
    };
    let keys_of = [key_of(0), key_of(1)];
    let keys = Arc::new(keys);
    let run = |shards: Vec<usize>| {
        let entries: Vec<RunEntry> = shards.iter().map(|shard| RunEntry { key: keys_of[*shard], bytes: 1 }).collect();
        let data: Vec<u8> = (0..entries.len()).map(|n| n as u8).collect();
        PutRun::new(Arc::clone(&keys), entries, data.into())
    };
    let second = PUT_RECORDS as usize;

    // Every fourth record goes to the second shard, which has room for all of its own.
    let shards: Vec<usize> = (0..second).map(|n| usize::from(n % 4 == 3)).collect();
    assert_eq!(store.append_run(&stream, run(shards.clone())).await.unwrap(), []);
    let refused = store.append_run(&stream, run(shards.clone())).await.unwrap();
    assert!(!refused.is_empty() && refused.is_sorted_by_key(|(place, _)| *place));
    for (place, error) in &refused {
        assert_eq!((shards[*place], error), (0, &AppendError::Throttled { shard: ShardId(0) }));
    }
    let first_shard = shards.iter().filter(|shard| **shard == 0).count();
    assert_eq!(refused.len(), 2 * first_shard - second, "what is over one second's worth");
    assert_eq!(*runs.lock().unwrap(), [shards.len(), shards.len() - refused.len()]);

    // What was let through was stored as it was, in order.
    let limit = ReadLimit { records_max: 10_000, bytes_max: usize::MAX, wait: false };
    let batch = store.read(&stream, ShardId(0), SequenceNumber::FIRST, limit).await.unwrap();
    let places = (0..shards.len()).filter(|place| shards[*place] == 0);
    let again = places.clone().filter(|place| refused.iter().all(|(refused, _)| refused != place));
    let expected: Vec<Vec<u8>> = places.clone().chain(again).map(|place| vec![place as u8]).collect();
    assert_eq!(batch.records.iter().map(|record| record.data.to_vec()).collect::<Vec<_>>(), expected);

    // A run of which nothing is let through does not reach the store.
    assert_eq!(store.append_run(&stream, run(vec![0; 3])).await.unwrap().len(), 3);
    assert_eq!(runs.lock().unwrap().len(), 2);
    clock.advance(Duration::from_secs(1));
    assert_eq!(store.append_run(&stream, run(vec![0; 3])).await.unwrap(), []);
}

#[tokio::test]
async fn reads_are_counted_and_a_large_one_delays_the_next() {
    let world = World::new().await;
    for _ in 0..READS as usize {
        assert_eq!(world.read(0).await, Some(0));
    }
    assert_eq!(world.read(0).await, None);
    let bytes = 1 << 20;
    for _ in 0..6 {
        world.clock.advance(Duration::from_secs(1));
        assert_eq!(world.put(0, 1, bytes).await, 1);
    }
    assert_eq!(world.read(0).await, Some(6 * bytes));
    let owed = Duration::from_secs_f64(6.0 * bytes as f64 / f64::from(READ_BYTES) - 1.0);
    world.clock.advance(owed);
    assert_eq!(world.read(0).await, None, "what was read beyond the first second is not paid off yet");
    world.clock.advance(Duration::from_millis(1));
    assert!(world.read(5).await.is_some());
}

#[tokio::test]
async fn places_are_looked_up_five_times_a_second() {
    let world = World::new().await;
    let locate = || world.store.locate(&world.stream, ShardId(0), StartingPosition::Latest);
    for _ in 0..5 {
        locate().await.unwrap();
    }
    assert!(matches!(locate().await, Err(StreamError::Throttled(_))));
    world.clock.advance(Duration::from_millis(200));
    locate().await.unwrap();
}
