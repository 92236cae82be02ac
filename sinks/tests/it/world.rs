//! A stream, an archive and a table in memory, with a clock that the test moves, and what to ask of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64_simd::STANDARD;
use model::archive::format::ObjectFormat;
use model::archive::store::Archive;
use model::clock::Timestamp;
use model::flow::destination::{ArchiveOptions, Destination};
use model::name::{ConsumerName, StreamName, TableName};
use model::stream::hash_key::{HashKeyRange, PartitionKey};
use model::stream::record::PutEntry;
use model::stream::store::{StartingPosition, StreamOptions, StreamStore};
use model::table::store::{KeyAttribute, KeyType, TableSchema, TableStore};
use model::testing::aggregator::Aggregator;
use model::testing::clock::ManualClock;
use model::testing::memory_archive::MemoryArchive;
use model::testing::memory_store::MemoryStore;
use model::testing::memory_table::MemoryTables;
use serde_json::Value;
use sinks::delivery::options::DeliveryOptions;
use sinks::delivery::stream::DeliveryStream;
use sinks::destination::connect::Parts;
use sinks::object::compressed::decompress;
use tokio::sync::oneshot;

use crate::faults::{Faults, FaultyArchive, FaultyStore, FaultyTables};

/// 2026-11-01T03:59:59Z: an hour ends soon.
pub(crate) const BEGIN: Timestamp = Timestamp::from_millis(1_793_505_599_000);

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) archive: Arc<MemoryArchive>,
    pub(crate) tables: Arc<MemoryTables>,
    pub(crate) stream: StreamName,
    pub(crate) delivery: ConsumerName,
    pub(crate) table: TableName,
}

impl World {
    pub(crate) async fn new(seed: u64, shards: u32) -> World {
        let clock = Arc::new(ManualClock::new(BEGIN));
        let world = World {
            faults: Faults::none(seed),
            store: Arc::new(MemoryStore::new(clock.clone())),
            archive: Arc::default(),
            tables: Arc::default(),
            stream: StreamName::new("wildrydes").unwrap(),
            delivery: ConsumerName::new("keep").unwrap(),
            table: TableName::new("unicorns").unwrap(),
            clock,
        };
        world.store.create(&world.stream, StreamOptions { shards, ..StreamOptions::default() }).await.unwrap();
        let partition_key = KeyAttribute { name: "Name".into(), key_type: KeyType::String };
        world.tables.create(TableSchema { name: world.table.clone(), partition_key, sort_key: None }).await.unwrap();
        world
    }

    pub(crate) async fn put(&self, entries: &[(&str, &str)]) {
        let entry = |(key, data): &(&str, &str)| PutEntry::new(PartitionKey::new(*key).unwrap(), data.to_string());
        let results = self.store.append(&self.stream, entries.iter().map(entry).collect()).await.unwrap().results;
        assert!(results.iter().all(Result::is_ok));
    }

    /// Puts one record with all entries packed into it; says which hash keys the shard owns that took it.
    pub(crate) async fn put_packed(&self, entries: &[(&str, &str)]) -> HashKeyRange {
        let data = Aggregator::pack(entries.iter().map(|(key, data)| (*key, data.as_bytes())));
        let entry = PutEntry::new(PartitionKey::new(entries[0].0).unwrap(), data);
        let appended = self.store.append(&self.stream, vec![entry]).await.unwrap().results.remove(0).unwrap();
        self.store.describe(&self.stream).await.unwrap().shards.get(appended.shard).unwrap().range
    }

    pub(crate) fn to_archive(&self, options: DeliveryOptions) -> DeliveryStream {
        self.deliver_to(&Destination::Archive(ArchiveOptions::default()), options)
    }

    pub(crate) fn to_table(&self, options: DeliveryOptions) -> DeliveryStream {
        self.deliver_to(&Destination::Table(self.table.clone()), options)
    }

    fn deliver_to(&self, destination: &Destination, options: DeliveryOptions) -> DeliveryStream {
        let parts = Parts {
            streams: Arc::new(FaultyStore(self.store.clone(), self.faults.clone())),
            clock: self.clock.clone(),
            tables: Arc::new(FaultyTables(self.tables.clone(), self.faults.clone())),
            archive: Arc::new(FaultyArchive(self.archive.clone(), self.faults.clone())),
        };
        let (name, source) = (self.delivery.clone(), self.stream.clone());
        DeliveryStream::connect(name, source, StartingPosition::TrimHorizon, destination, parts, options)
    }

    /// Lets others run, with the clock standing still.
    pub(crate) async fn settle(&self) {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }

    /// Runs `delivery` until everything in the stream is behind its checkpoint, then shuts it down.
    pub(crate) async fn run_to_the_end(&self, delivery: DeliveryStream) {
        let (stop, stopped) = oneshot::channel();
        let mut stop = Some(stop);
        // The clock goes on after the shutdown too: whoever waits for another try then needs it.
        let time = async {
            loop {
                self.settle().await;
                self.clock.advance(Duration::from_millis(100));
                if self.is_all_behind_the_checkpoint().await
                    && let Some(stop) = stop.take()
                {
                    stop.send(()).unwrap();
                }
            }
        };
        let shutdown = async { stopped.await.unwrap() };
        tokio::select! {
            ended = delivery.run(shutdown) => ended.unwrap(),
            () = time => {}
        }
    }

    async fn is_all_behind_the_checkpoint(&self) -> bool {
        let Some(checkpoint) = self.store.checkpoint(&self.stream, &self.delivery).await.unwrap() else { return false };
        let shards = self.store.describe(&self.stream).await.unwrap().shards.clone();
        for shard in shards.iter() {
            let tip = self.store.locate(&self.stream, shard.id, StartingPosition::Latest).await.unwrap();
            if checkpoint.positions.get(&shard.id).is_none_or(|position| position.next < tip) {
                return false;
            }
        }
        checkpoint.state.is_empty()
    }

    /// Names and lines of all objects below `folder`.
    pub(crate) async fn objects(&self, folder: &str) -> BTreeMap<String, Vec<String>> {
        let mut objects = BTreeMap::new();
        for object in self.archive.list(folder).await.unwrap() {
            let body = self.archive.get(&object.name, None).await.unwrap();
            let extension = object.name.as_str().split_once('.').unwrap().1;
            let ObjectFormat::Lines(compression) = extension.parse().unwrap() else {
                panic!("{} holds no lines", object.name)
            };
            let lines = decompress(compression, &body, 1 << 30).unwrap();
            let lines = String::from_utf8(lines).unwrap().lines().map(str::to_owned).collect();
            objects.insert(object.name.as_str().to_owned(), lines);
        }
        objects
    }

    pub(crate) async fn lines(&self, folder: &str) -> Vec<String> {
        self.objects(folder).await.into_values().flatten().collect()
    }

    /// The data of all dead letters.
    pub(crate) async fn dead_letters(&self) -> Vec<String> {
        let data = |line: String| {
            let letter: Value = serde_json::from_str(&line).unwrap();
            assert!(!letter["reason"].as_str().unwrap().is_empty());
            let data = STANDARD.decode_to_vec(letter["data_base64"].as_str().unwrap()).unwrap();
            String::from_utf8(data).unwrap()
        };
        self.lines("errors/").await.into_iter().map(data).collect()
    }

    pub(crate) fn advance_millis(&self, millis: u64) {
        self.clock.advance(Duration::from_millis(millis));
    }
}
