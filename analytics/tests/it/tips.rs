//! Shards whose tips take long to ask: a query that begins far behind reads on in between.

use std::sync::Arc;
use std::time::Duration;

use analytics::continuous::query::{ContinuousQuery, QueryOptions};
use model::clock::{Clock, Timestamp};
use model::name::StreamName;
use model::stream::hash_key::PartitionKey;
use model::stream::layer::StreamLayer;
use model::stream::record::PutEntry;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::{ReadBatch, ReadLimit, StartingPosition, StreamError, StreamOptions, StreamStore};
use model::testing::clock::ManualClock;
use model::testing::memory_store::MemoryStore;

use crate::rig::settle;

const SHARDS: u32 = 8;
const RECORDS: u64 = 200;

/// Whoever does not want to wait gets an answer after a while.
struct Far {
    store: MemoryStore,
    clock: Arc<ManualClock>,
}

impl StreamLayer for Far {
    fn below(&self) -> &dyn StreamStore {
        &self.store
    }

    async fn read(
        &self,
        stream: &StreamName,
        shard: ShardId,
        from: SequenceNumber,
        limit: ReadLimit,
    ) -> Result<ReadBatch, StreamError> {
        if !limit.wait {
            self.clock.advance(Duration::from_millis(50));
        }
        tokio::task::yield_now().await;
        self.store.read(stream, shard, from, limit).await
    }
}

#[tokio::test]
async fn a_query_reads_on_though_asking_for_tips_takes_longer_than_its_delay() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_600_000_000_000)));
    let store: Arc<dyn StreamStore> = Arc::new(Far { store: MemoryStore::new(clock.clone()), clock: clock.clone() });
    for (stream, shards) in [("in", SHARDS), ("out", 1)] {
        let options = StreamOptions { shards, ..StreamOptions::default() };
        store.create(&stream.parse().unwrap(), options).await.unwrap();
    }
    for number in 0..RECORDS {
        let entry = PutEntry::new(PartitionKey::new(number.to_string()).unwrap(), r#"{"v":1}"#);
        store.append(&"in".parse().unwrap(), vec![entry]).await.unwrap();
        clock.advance(Duration::from_secs(1));
    }
    clock.advance(Duration::from_secs(3600));

    let sql = "CREATE OR REPLACE STREAM \"in\" (\"v\" BIGINT);
        CREATE OR REPLACE STREAM \"out\" (\"n\" BIGINT);
        CREATE OR REPLACE PUMP p AS INSERT INTO \"out\"
        SELECT STREAM COUNT(*) AS \"n\" FROM \"in\" GROUP BY FLOOR(\"in\".ROWTIME TO SECOND);";
    let options = QueryOptions { start: StartingPosition::TrimHorizon, ..QueryOptions::default() };
    let query = ContinuousQuery::prepare(&"q".parse().unwrap(), sql, options).unwrap().remove(0);
    let run = {
        let (query, clock) = (query.clone(), Arc::clone(&clock) as Arc<dyn Clock>);
        tokio::spawn(async move { query.run(store, clock, std::future::pending()).await })
    };
    for _ in 0..20 {
        settle().await;
        clock.advance(Duration::from_secs(1));
    }
    assert!(!run.is_finished(), "the query has ended");
    let status = query.status().get();
    assert_eq!((status.records, status.rows, status.open_windows), (RECORDS, RECORDS, 0), "{status:?}");
}
