//! Consumers behind retention and reshards, compared with a plain list of what was put.

use std::collections::BTreeSet;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::stream::hash_key::{HashKey, PartitionKey};
use crate::stream::layer::StreamLayer;
use crate::stream::record::PutEntry;
use crate::stream::shard::Reshard;
use crate::stream::store::StreamOptions;
use crate::testing::clock::ManualClock;
use crate::testing::memory_store::MemoryStore;

const BEGIN: Timestamp = Timestamp::from_millis(1_793_505_600_000);
const MINUTE: Duration = Duration::from_secs(60);
const RETENTION: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone)]
enum Step {
    Put(Vec<u8>),
    Split(u128),
    Merge(u128),
    Uniform(u32),
    /// Minutes pass, and what is then past retention goes.
    Trim(u32),
    /// The consumer takes so many batches. Before each it gives up a call after so many polls.
    Read(usize, usize),
    /// It goes on from its checkpoint.
    Restart,
}

fn any_step(merges: bool) -> impl Strategy<Value = Step> {
    let merge = if merges { 2 } else { 0 };
    prop_oneof![
        6 => prop::collection::vec(any::<u8>(), 1..6).prop_map(Step::Put),
        3 => any::<u128>().prop_map(Step::Split),
        merge => any::<u128>().prop_map(Step::Merge),
        merge => (1u32..5).prop_map(Step::Uniform),
        4 => (1u32..50).prop_map(Step::Trim),
        4 => (1usize..6, 0usize..6).prop_map(|(batches, polls)| Step::Read(batches, polls)),
        2 => Just(Step::Restart),
    ]
}

/// More than a call needs that has something to hand out.
const POLLS_MAX: usize = 20;

/// A store that lets others run before it answers.
struct Slow(Arc<MemoryStore>);

impl StreamLayer for Slow {
    fn below(&self) -> &dyn StreamStore {
        &*self.0
    }

    async fn describe(&self, stream: &StreamName) -> Result<Arc<StreamDescription>, StreamError> {
        tokio::task::yield_now().await;
        self.0.describe(stream).await
    }

    async fn read(
        &self,
        stream: &StreamName,
        shard: ShardId,
        from: SequenceNumber,
        limit: ReadLimit,
    ) -> Result<ReadBatch, StreamError> {
        tokio::task::yield_now().await;
        self.0.read(stream, shard, from, limit).await
    }
}

/// What comes next, if it comes within so many polls. Else the call is dropped.
async fn next_within(reader: &mut StreamReader, polls: usize) -> Option<ShardBatch> {
    let mut next = pin!(reader.next());
    for _ in 0..polls {
        if let Poll::Ready(batch) = futures::poll!(next.as_mut()) {
            return Some(batch.expect("a consumer goes on whatever has expired"));
        }
        tokio::task::yield_now().await;
    }
    None
}

/// A stream, its consumer, and the list that the two are compared with.
struct World {
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
    stream: StreamName,
    reader: StreamReader,
    put: BTreeSet<(ShardId, SequenceNumber)>,
    handed_out: BTreeSet<(ShardId, SequenceNumber)>,
    expired: u64,
    /// Shards that the consumer had a position in at some time.
    begun: BTreeSet<ShardId>,
    /// A shard has expired before its turn came: nobody knows exactly what it held.
    some_unread: bool,
}

impl World {
    async fn new() -> World {
        let clock = Arc::new(ManualClock::new(BEGIN));
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let stream: StreamName = "rides".parse().expect("a name");
        let options = StreamOptions { retention: RETENTION, shards: 2, ..StreamOptions::default() };
        store.create(&stream, options).await.expect("created");
        let reader = World::open(&store, &stream, Positions::new()).await;
        let (put, handed_out, begun) = (BTreeSet::new(), BTreeSet::new(), reader.active().collect());
        World { clock, store, stream, reader, put, handed_out, expired: 0, begun, some_unread: false }
    }

    async fn open(store: &Arc<MemoryStore>, stream: &StreamName, positions: Positions) -> StreamReader {
        let start = StartingPosition::TrimHorizon;
        StreamReader::open(Arc::new(Slow(store.clone())), stream.clone(), positions, start).await.expect("opened")
    }

    async fn map(&self) -> ShardMap {
        self.store.describe(&self.stream).await.expect("described").shards.clone()
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Put(keys) => self.put(keys).await,
            Step::Split(at) => {
                let shard = self.map().await.route(HashKey(*at));
                self.reshard(Reshard::Split { shard, at: HashKey(*at) }).await;
            }
            Step::Merge(at) => {
                let map = self.map().await;
                let shard = map.route(HashKey(*at));
                let after = HashKey(map.get(shard).expect("routed").range.end.0.wrapping_add(1));
                self.reshard(Reshard::Merge { shard, adjacent: map.route(after) }).await;
            }
            Step::Uniform(shards) => self.reshard(Reshard::Uniform { shards: *shards }).await,
            Step::Trim(minutes) => self.trim(*minutes).await,
            Step::Read(batches, polls) => self.read(*batches, *polls).await,
            Step::Restart => self.restart().await,
        }
    }

    async fn put(&mut self, keys: &[u8]) {
        let entry = |key: &u8| PutEntry::new(PartitionKey::new(key.to_string()).expect("short"), vec![*key]);
        let appended = self.store.append(&self.stream, keys.iter().map(entry).collect()).await.expect("taken");
        let appended = appended.results.into_iter().map(|result| result.expect("taken"));
        self.put.extend(appended.map(|appended| (appended.shard, appended.sequence_number)));
    }

    async fn reshard(&self, change: Reshard) {
        match self.store.reshard(&self.stream, change).await {
            Ok(_) | Err(StreamError::Reshard { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }

    async fn trim(&mut self, minutes: u32) {
        self.clock.advance(MINUTE * minutes);
        let before = self.map().await;
        self.store.trim(&self.stream).await.expect("trimmed");
        let after = self.map().await;
        self.some_unread |= before.iter().any(|shard| after.get(shard.id).is_none() && !self.begun.contains(&shard.id));
    }

    async fn read(&mut self, batches: usize, polls: usize) {
        for _ in 0..batches {
            let given_up = next_within(&mut self.reader, polls).await;
            let next = match given_up {
                Some(batch) => Some(batch),
                None => next_within(&mut self.reader, POLLS_MAX).await,
            };
            let Some(batch) = next else { break };
            self.expired += batch.expired;
            self.begun.extend(self.reader.active());
            for record in batch.records {
                let at = (batch.shard, record.sequence_number);
                assert!(self.put.contains(&at) && self.handed_out.insert(at), "{at:?} was never put, or comes twice");
            }
        }
    }

    async fn restart(&mut self) {
        self.reader = World::open(&self.store, &self.stream, self.reader.positions().clone()).await;
        self.begun.extend(self.reader.active());
    }

    /// Reads on to the tip, and compares.
    async fn check(mut self, merges: bool) {
        self.read(usize::MAX, 1).await;
        let map = self.map().await;
        for shard in map.iter() {
            let oldest = self.store.locate(&self.stream, shard.id, StartingPosition::TrimHorizon).await.expect("there");
            let young = self.put.range((shard.id, oldest)..=(shard.id, SequenceNumber(u64::MAX)));
            let left_out: Vec<_> = young.filter(|at| !self.handed_out.contains(at)).collect();
            assert!(left_out.is_empty(), "readable and never handed out: {left_out:?}");
        }
        // Of a quiet shard the next batch tells.
        self.expired += self.reader.expired.values().sum::<u64>();
        let lost = (self.put.len() - self.handed_out.len()) as u64;
        match (self.some_unread, merges) {
            (false, false) => assert_eq!(self.expired, lost),
            (false, true) => assert!(lost <= self.expired, "{lost} lost, {} counted", self.expired),
            (true, _) => assert!(lost == 0 || self.expired > 0, "{lost} lost in silence"),
        }
        self.restart().await;
        let known = |id: &ShardId| map.get(*id).is_some();
        assert!(self.reader.positions().keys().all(known), "positions of expired shards are dropped");
    }
}

fn run(merges: bool, steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut world = World::new().await;
        for step in steps {
            world.take(step).await;
        }
        world.check(merges).await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Every record that is readable when the consumer gets there is handed out once; all others
    /// are counted.
    #[test]
    fn no_young_record_is_missed(
        (merges, steps) in any::<bool>().prop_flat_map(|merges| {
            (Just(merges), prop::collection::vec(any_step(merges), 1..60))
        }),
    ) {
        run(merges, &steps);
    }
}

#[tokio::test]
async fn a_shard_is_followed_with_what_comes_from_it_and_nothing_else() {
    let mut world = World::new().await;
    let store: Arc<dyn StreamStore> = world.store.clone();
    world.put(&[0, 1, 2, 3, 4, 5, 6, 7]).await;
    let mut reader =
        StreamReader::follow(store, world.stream.clone(), ShardId(0), SequenceNumber::FIRST).await.expect("opened");
    // Of the first shard come 2 and 3, then 6 and 7 of 2; of the second 4 and 5.
    for at in [1 << 126, 3 << 126, 1 << 125] {
        world.take(&Step::Split(at)).await;
        world.put(&[0, 1, 2, 3, 4, 5, 6, 7]).await;
    }
    let map = world.map().await;
    let comes_of_it = |shard: ShardId| map.get(shard).expect("kept").range.end < HashKey(1 << 127);
    let wanted: BTreeSet<_> = world.put.iter().filter(|(shard, _)| comes_of_it(*shard)).copied().collect();
    let mut found = BTreeSet::new();
    while let Some(batch) = next_within(&mut reader, POLLS_MAX).await {
        found.extend(batch.records.iter().map(|record| (batch.shard, record.sequence_number)));
    }
    assert_eq!(found, wanted);
    // All of them go; the ones that come then are still only its own.
    world.trim(61).await;
    world.take(&Step::Split(3 << 125)).await;
    world.take(&Step::Split(3 << 125)).await;
    world.trim(61).await;
    while let Some(batch) = next_within(&mut reader, POLLS_MAX).await {
        assert!(batch.records.is_empty());
    }
    assert!(reader.active().all(|shard| reader.owned(shard).end < HashKey(1 << 127)));
    assert!(reader.active().next().is_some());
}

/// A quiet shard says so at once: else the consumer would seem to be behind until its next record.
#[tokio::test]
async fn what_has_expired_is_told_before_the_next_record_comes() {
    let mut world = World::new().await;
    world.put(&[0, 1, 2, 3, 4, 5, 6, 7]).await;
    world.trim(61).await;
    world.read(usize::MAX, 1).await;
    assert_eq!((world.expired, world.handed_out.len()), (8, 0));
    for (shard, position) in world.reader.positions() {
        let tip = world.store.locate(&world.stream, *shard, StartingPosition::Latest).await.expect("there");
        assert_eq!(position.next, tip, "{shard}");
    }
}

/// Shard 7 comes from a shard that is given up before its turn, and is lost with its record. The shard that
/// comes of it in the end begins where another one, wholly read, has ended.
#[test]
fn what_came_and_went_beside_a_shard_that_was_read_is_counted() {
    let splits = [1, 138472427143492395119206260641249381079, 2].map(Step::Split);
    let rest = [
        Step::Put(vec![12, 96]),
        Step::Uniform(1),
        Step::Read(5, 0),
        Step::Trim(29),
        Step::Trim(32),
        Step::Put(vec![0]),
    ];
    run(true, &[&splits[..], &rest[..]].concat());
}
