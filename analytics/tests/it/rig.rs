//! A query that runs over a store in memory, with a clock that stands until a test moves it.

use std::sync::Arc;
use std::time::Duration;

use analytics::continuous::query::{ContinuousQuery, QueryOptions};
use analytics::continuous::status::QueryStatus;
use model::clock::{Clock, Timestamp};
use model::name::StreamName;
use model::stream::hash_key::PartitionKey;
use model::stream::record::PutEntry;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::{ReadLimit, StartingPosition, StreamOptions, StreamStore};
use model::testing::clock::ManualClock;
use model::testing::memory_store::MemoryStore;

pub(crate) async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// A query over `in` that writes to `out`, with a clock that stands.
pub(crate) struct Rig {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<MemoryStore>,
    query: ContinuousQuery,
    pub(crate) running: tokio::task::JoinHandle<Result<(), analytics::continuous::error::QueryError>>,
}

impl Rig {
    pub(crate) async fn new(sql: &str) -> Rig {
        Rig::with(sql, QueryOptions::default()).await
    }

    pub(crate) async fn with(sql: &str, options: QueryOptions) -> Rig {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_600_000_000_000)));
        let store = Arc::new(MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>));
        for stream in ["in", "out"] {
            store.create(&stream.parse().unwrap(), StreamOptions::default()).await.unwrap();
        }
        let options = QueryOptions { start: StartingPosition::TrimHorizon, ..options };
        let query = ContinuousQuery::prepare(&"q".parse().unwrap(), sql, options).unwrap().remove(0);
        let running = start(&query, &store, &clock);
        Rig { clock, store, query, running }
    }

    /// The clock, in milliseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now().as_millis()
    }

    pub(crate) async fn restart(&mut self) {
        self.running.abort();
        let _ = (&mut self.running).await;
        self.running = start(&self.query, &self.store, &self.clock);
        settle().await;
    }

    /// Puts records, one call each.
    pub(crate) async fn put(&self, records: &[&str]) {
        for record in records {
            let entry = PutEntry::new(PartitionKey::new("k").unwrap(), record.as_bytes().to_vec());
            self.store.append(&"in".parse().unwrap(), vec![entry]).await.unwrap();
            settle().await;
        }
    }

    /// Puts records in one call.
    pub(crate) async fn put_together(&self, records: &[String]) {
        let entry = |record: &String| PutEntry::new(PartitionKey::new("k").unwrap(), record.as_bytes().to_vec());
        let put = self.store.append(&"in".parse().unwrap(), records.iter().map(entry).collect()).await.unwrap();
        assert!(put.results.iter().all(Result::is_ok));
        settle().await;
    }

    /// Lets all windows end; the rows so far.
    pub(crate) async fn rows(&self) -> Vec<String> {
        for seconds in [10, 1, 1] {
            self.clock.advance(Duration::from_secs(seconds));
            settle().await;
        }
        assert!(!self.running.is_finished(), "the query has ended");
        let limit = ReadLimit { records_max: usize::MAX, bytes_max: usize::MAX, wait: false };
        let out: StreamName = "out".parse().unwrap();
        let batch = self.store.read(&out, ShardId(0), SequenceNumber::FIRST, limit).await.unwrap();
        batch.records.iter().map(|record| String::from_utf8(record.data.to_vec()).unwrap()).collect()
    }

    pub(crate) fn status(&self) -> QueryStatus {
        self.query.status().get()
    }
}

fn start(
    query: &ContinuousQuery,
    store: &Arc<MemoryStore>,
    clock: &Arc<ManualClock>,
) -> tokio::task::JoinHandle<Result<(), analytics::continuous::error::QueryError>> {
    let (query, store, clock) = (query.clone(), Arc::clone(store), Arc::clone(clock));
    tokio::spawn(async move { query.run(store, clock, std::future::pending()).await })
}
