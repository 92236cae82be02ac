//! A query that is dropped and started again writes what one that ran through writes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use analytics::continuous::query::{ContinuousQuery, QueryOptions};
use model::clock::{Clock, Timestamp};
use model::name::StreamName;
use model::stream::hash_key::{HashKey, PartitionKey};
use model::stream::record::PutEntry;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::{Reshard, ShardId};
use model::stream::store::{ReadLimit, StartingPosition, StreamOptions, StreamStore};
use model::testing::aggregator::Aggregator;
use model::testing::clock::ManualClock;
use model::testing::memory_store::MemoryStore;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::golden::Case;

const SQL: &str = "
    CREATE OR REPLACE STREAM \"out\" (\"until\" TIMESTAMP, \"k\" VARCHAR(8), \"n\" BIGINT, \"sum\" BIGINT);
    CREATE OR REPLACE PUMP p AS INSERT INTO \"out\"
    SELECT STREAM ROWTIME, \"k\", COUNT(*), SUM(\"v\") FROM \"in\" GROUP BY STEP(\"in\".ROWTIME BY INTERVAL '10' SECOND), \"k\";";

async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

async fn rows(store: &MemoryStore, stream: &StreamName) -> Vec<String> {
    let limit = ReadLimit { records_max: usize::MAX, bytes_max: usize::MAX, wait: false };
    let batch = store.read(stream, ShardId(0), SequenceNumber::FIRST, limit).await.unwrap();
    batch.records.iter().map(|record| String::from_utf8(record.data.to_vec()).unwrap()).collect()
}

/// Feeds seeded records, over a reshard too; drops the query with this probability after each step. Returns the rows and the records' count.
async fn scenario(seed: u64, drop_chance: f64) -> (Vec<String>, u64) {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_600_000_000_000)));
    let store = Arc::new(MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>));
    let (source, output): (StreamName, StreamName) = ("in".parse().unwrap(), "out".parse().unwrap());
    store.create(&source, StreamOptions { shards: 3, ..StreamOptions::default() }).await.unwrap();
    store.create(&output, StreamOptions::default()).await.unwrap();
    let options = QueryOptions { start: StartingPosition::TrimHorizon, ..QueryOptions::default() };
    let query = ContinuousQuery::prepare(&"q".parse().unwrap(), SQL, options).unwrap().remove(0);
    let start = || {
        let (query, store, clock) = (query.clone(), Arc::clone(&store), Arc::clone(&clock));
        tokio::spawn(async move { query.run(store, clock, std::future::pending()).await })
    };
    let (mut records, mut drops) = (StdRng::seed_from_u64(seed), StdRng::seed_from_u64(!seed));
    let mut running = start();
    let mut sent = 0;
    for step in 0..120 {
        if step == 60 {
            store.reshard(&source, Reshard::Merge { shard: ShardId(0), adjacent: ShardId(1) }).await.unwrap();
        }
        let count = records.random_range(0..6_u64);
        let mut one = || {
            let key = format!("k{}", records.random_range(0..4));
            let data = format!("{{\"k\":\"{key}\",\"v\":{}}}\n", records.random_range(0..100));
            (key, data)
        };
        let some: Vec<(String, String)> = (0..count).map(|_| one()).collect();
        let entry = |key: &str, data: Vec<u8>| PutEntry::new(PartitionKey::new(key).unwrap(), data);
        let entries = match step % 3 {
            // As producer libraries do: what goes to one shard, in one record.
            0 => {
                let map = store.describe(&source).await.unwrap().shards.clone();
                let mut packs: BTreeMap<ShardId, Vec<(&str, &[u8])>> = BTreeMap::new();
                for (key, data) in &some {
                    packs.entry(map.route(HashKey::of(key))).or_default().push((key, data.as_bytes()));
                }
                packs.into_values().map(|pack| entry(pack[0].0, Aggregator::pack(pack))).collect()
            }
            _ => some.iter().map(|(key, data)| entry(key, data.clone().into_bytes())).collect(),
        };
        store.append(&source, entries).await.unwrap();
        sent += count;
        for _ in 0..drops.random_range(0..12) {
            tokio::task::yield_now().await;
        }
        if drops.random_bool(drop_chance) {
            running.abort();
            let _ = running.await;
            running = start();
        }
        // The query keeps up, so that both runs see every record before its window can close.
        settle().await;
        clock.advance(Duration::from_millis(records.random_range(100..1500)));
        settle().await;
    }
    clock.advance(Duration::from_secs(30));
    settle().await;
    clock.advance(Duration::from_secs(1));
    settle().await;
    assert!(!running.is_finished(), "{:?}", running.await);
    running.abort();
    (rows(&store, &output).await, sent)
}

#[tokio::test]
async fn restarts_change_nothing_and_every_record_counts_once() {
    for seed in 0..6 {
        let (through, sent) = scenario(seed, 0.0).await;
        let (restarted, _) = scenario(seed, 0.3).await;
        assert!(!through.is_empty());
        assert_eq!(through, restarted, "seed {seed}");
        let count = |row: &String| serde_json::from_str::<serde_json::Value>(row).unwrap()["n"].as_u64().unwrap();
        assert_eq!(restarted.iter().map(count).sum::<u64>(), sent, "seed {seed}");
    }
}

#[tokio::test]
async fn a_changed_query_is_refused_and_shutdown_keeps_what_was_read() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
    let store = Arc::new(MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>));
    for stream in ["in", "out"] {
        store.create(&stream.parse().unwrap(), StreamOptions::default()).await.unwrap();
    }
    let prepare =
        |sql: &str| ContinuousQuery::prepare(&"q".parse().unwrap(), sql, QueryOptions::default()).unwrap().remove(0);
    prepare(SQL).run(Arc::clone(&store) as _, Arc::clone(&clock) as _, async {}).await.unwrap();
    let changed = prepare(&SQL.replace("COUNT(*)", "COUNT(\"v\")"));
    let error = changed.run(Arc::clone(&store) as _, Arc::clone(&clock) as _, async {}).await.unwrap_err();
    assert!(error.to_string().contains("was changed since its checkpoint"), "{error}");
}

#[tokio::test]
async fn unfit_records_are_left_out_and_the_minute_closes_without_later_records() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_521_343_200_000)));
    let store = Arc::new(MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>));
    let (source, output): (StreamName, StreamName) =
        ("SOURCE_SQL_STREAM_001".parse().unwrap(), "DESTINATION_SQL_STREAM".parse().unwrap());
    store.create(&source, StreamOptions { shards: 2, ..StreamOptions::default() }).await.unwrap();
    store.create(&output, StreamOptions::default()).await.unwrap();
    let case = Case::named("per-minute");
    let sql = case.section("sql");
    let query = ContinuousQuery::prepare(&"rides".parse().unwrap(), sql, QueryOptions::default()).unwrap().remove(0);
    let running = {
        let (store, clock) = (Arc::clone(&store), Arc::clone(&clock));
        tokio::spawn(async move { query.run(store, clock, std::future::pending()).await })
    };
    settle().await;
    let ride = r#"{"Name":"Shadowfax","StatusTime":"2018-03-18 03:19:59.000","Distance":180.6,"MagicPoints":170,"HealthPoints":149}"#;
    let mut packed = Aggregator::default();
    packed.push("Shadowfax", None, b"no JSON");
    packed.push("Shadowfax", None, ride.as_bytes());
    // The other shard's: its producer will send it again, to there.
    packed.push("Shadowfax", Some(HashKey::MAX), ride.as_bytes());
    let data = ["", "null", "[1]", "{\"Name\":", ride].map(|data| data.as_bytes().to_vec());
    let entry = |data| PutEntry::new(PartitionKey::new("Shadowfax").unwrap(), data);
    store.append(&source, data.into_iter().chain([packed.finish()]).map(entry).collect()).await.unwrap();
    settle().await;
    clock.advance(Duration::from_secs(59));
    settle().await;
    assert!(rows(&store, &output).await.is_empty());
    clock.advance(Duration::from_secs(1));
    settle().await;
    assert_eq!(
        rows(&store, &output).await,
        [
            r#"{"Name":"Shadowfax","StatusTime":"2018-03-18 03:21:00.000","Distance":361,"MinMagicPoints":170,"MaxMagicPoints":170,"MinHealthPoints":149,"MaxHealthPoints":149}"#
        ]
    );
    running.abort();
}
