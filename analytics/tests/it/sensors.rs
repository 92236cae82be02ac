//! Continuous SQL over sensor datagrams: columns by schema, exactly once over restarts.

use std::sync::Arc;
use std::time::Duration;

use analytics::continuous::error::QueryError;
use analytics::continuous::query::{ContinuousQuery, QueryOptions};
use model::clock::{Clock, Timestamp};
use model::name::StreamName;
use model::stream::hash_key::PartitionKey;
use model::stream::record::PutEntry;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::{ReadLimit, StartingPosition, StreamOptions, StreamStore};
use model::testing::clock::ManualClock;
use model::testing::datagrams::{Engine, engine_datagram, engine_stream};
use model::testing::memory_store::MemoryStore;

const SELECT: &str =
    "CREATE PUMP p AS INSERT INTO \"out\" SELECT STREAM \"site\", COUNT(*) AS \"n\", SUM(\"rpm\") AS \"rpm\",
    SUM(\"heat\") AS \"heat\", MAX(\"seq\") AS \"seq\", COUNT(\"total\") AS \"totals\" FROM \"plant\"
    GROUP BY STEP(\"plant\".ROWTIME BY INTERVAL '10' SECOND), \"site\";";

struct World {
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
    plant: StreamName,
}

impl World {
    async fn new() -> World {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_600_000_000_000)));
        let store = Arc::new(MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>));
        let plant: StreamName = "plant".parse().unwrap();
        let options = StreamOptions { sensor: Some(engine_stream()), ..StreamOptions::default() };
        store.create(&plant, options).await.unwrap();
        store.create(&"out".parse().unwrap(), StreamOptions::default()).await.unwrap();
        World { clock, store, plant }
    }

    async fn put(&self, data: Vec<u8>) {
        let entry = PutEntry::new(PartitionKey::new("17").unwrap(), data);
        assert!(self.store.append(&self.plant, vec![entry]).await.unwrap().results[0].is_ok());
    }

    fn query(&self, sql: &str) -> ContinuousQuery {
        let options = QueryOptions { start: StartingPosition::TrimHorizon, ..QueryOptions::default() };
        ContinuousQuery::prepare(&"q".parse().unwrap(), sql, options).unwrap().remove(0)
    }

    async fn settle(&self) {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }

    async fn rows(&self) -> Vec<String> {
        let limit = ReadLimit { records_max: usize::MAX, bytes_max: usize::MAX, wait: false };
        let out = "out".parse().unwrap();
        let batch = self.store.read(&out, ShardId(0), SequenceNumber::FIRST, limit).await.unwrap();
        batch.records.iter().map(|record| String::from_utf8(record.data.to_vec()).unwrap()).collect()
    }

    /// Runs a query over 40 datagrams, dropped and started again after each of `stops`.
    async fn run(&self, sql: &str, stops: &[u64]) -> Vec<String> {
        let start = || {
            let (query, store, clock) = (self.query(sql), Arc::clone(&self.store), Arc::clone(&self.clock));
            tokio::spawn(async move { query.run(store, clock, std::future::pending()).await })
        };
        let mut running = start();
        for number in 0..40_u64 {
            let heat = if number == 7 { f32::NAN } else { 0.5 };
            let total = if number == 9 { u64::MAX } else { number };
            let engine = |site| Engine { rpm: number as u16, total, heat, site };
            self.put(engine_datagram(17, number * 3, &[engine("east"), engine("west"), engine("east")])).await;
            if number == 20 {
                self.put(b"{\"rpm\":1}".to_vec()).await;
            }
            self.clock.advance(Duration::from_millis(700));
            self.settle().await;
            if stops.contains(&number) {
                running.abort();
                running = start();
                self.settle().await;
            }
        }
        self.clock.advance(Duration::from_secs(60));
        self.settle().await;
        self.rows().await
    }
}

#[tokio::test]
async fn columns_are_summed_once_whether_declared_or_not_and_over_restarts() {
    let declared = format!(
        "CREATE STREAM \"plant\" (\"site\" VARCHAR(4), \"rpm\" INTEGER, \"heat\" DOUBLE, \"seq\" BIGINT, \"total\" BIGINT); {SELECT}"
    );
    let whole = World::new().await.run(SELECT, &[]).await;
    // Windows of ten seconds: 15, 14 and 11 datagrams; one heat is no number, and one total is above 63 bits.
    assert_eq!(whole[0], r#"{"site":"east","n":30,"rpm":210,"heat":14.0,"seq":44,"totals":28}"#, "{whole:?}");
    assert_eq!(whole.len(), 6);
    for (sql, stops) in [(&declared[..], &[][..]), (&declared, &[0, 3, 14, 15, 30]), (SELECT, &[0, 20, 21, 39])] {
        assert_eq!(World::new().await.run(sql, stops).await, whole, "{stops:?}");
    }
}

#[tokio::test]
async fn a_column_that_records_cannot_fill_ends_the_query_by_name() {
    for (column, part) in [
        ("\"rpm\" SMALLINT", "column `rpm` is u16 in schema 7: declare it INTEGER"),
        ("\"speed\" DOUBLE", "no column `speed` in schema 7; it has source, epoch, seq, time, rpm, total, heat, site"),
    ] {
        let world = World::new().await;
        let name = column.split(' ').next().unwrap();
        let sql = format!(
            "CREATE STREAM \"plant\" ({column}); CREATE PUMP p AS INSERT INTO \"out\" SELECT STREAM SUM({name}) AS s FROM \"plant\"
             GROUP BY STEP(\"plant\".ROWTIME BY INTERVAL '10' SECOND);"
        );
        world.put(engine_datagram(17, 0, &[Engine { rpm: 1, total: 1, heat: 1.0, site: "east" }])).await;
        let (query, store, clock) = (world.query(&sql), Arc::clone(&world.store), Arc::clone(&world.clock));
        let ended = query.run(store, clock, std::future::pending()).await;
        let Err(QueryError::Sql { source, .. }) = ended else { panic!("{ended:?}") };
        assert!(source.to_string().contains(part), "{source}");
    }
}
