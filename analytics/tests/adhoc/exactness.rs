//! Every record counts once, wherever the archive ends and the tail begins.

use model::query::engine::SqlErrorKind;
use model::stream::hash_key::HashKey;
use model::stream::shard::{Reshard, ShardId};
use model::stream::store::StreamStore;
use model::testing::aggregator::Aggregator;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::fixture::{Packing, World, check, lines};

/// Random records over random shards, archived in random cuts up to a random place in each shard.
async fn check_random_cuts(seed: u64) {
    let mut random = SmallRng::seed_from_u64(seed);
    let world = World::new();
    let stream = world.stream("wildrydes", random.random_range(1..4)).await;
    let (mut count, mut sum) = (0_i64, 0_i64);
    for i in 0..random.random_range(1..400) {
        if i == 100 && random.random_bool(0.5) {
            let range =
                world.store.describe(&stream).await.expect("there").shards.get(ShardId(0)).expect("there").range;
            let at = HashKey(range.start.0 + (range.end.0 - range.start.0) / 2);
            world.store.reshard(&stream, Reshard::Split { shard: ShardId(0), at }).await.expect("it splits");
        }
        let key = format!("key-{}", random.random_range(0..50));
        if random.random_bool(0.1) {
            let data = ["no JSON {", "[1]", "7", "", "{\"Value\":1e999}", "{\"Value\":\"\\ud800\"}", "{} {}"];
            world.put(&stream, &key, data[random.random_range(0..data.len())]).await;
            continue;
        }
        let mut row = || {
            let value = random.random_range(-1000..1000);
            (count, sum) = (count + 1, sum + value);
            let pad = "x".repeat(random.random_range(0..200));
            format!(r#"{{"Name":"{key}","Value":{value},"Pad":"{pad}"}}"#)
        };
        if i % 4 > 0 {
            world.put(&stream, &key, row()).await;
            continue;
        }
        let rows: Vec<String> = (0..i % 7).map(|_| row()).chain(["no JSON".to_owned()]).collect();
        world.put(&stream, &key, Aggregator::pack(rows.iter().map(|row| (&key[..], row.as_bytes())))).await;
    }
    let description = world.store.describe(&stream).await.expect("there");
    let (engine, over_objects) = (world.engine(), world.engine_over_objects());
    let expected =
        format!(r#"{{"n":{count},"total":{}}}"#, if count == 0 { "null".to_owned() } else { sum.to_string() });
    let sql = "SELECT count(*) AS n, sum(Value) AS total FROM wildrydes";
    check(&engine, sql, &[&expected]).await;
    for shard in description.shards.iter() {
        let mut from = None;
        while random.random_bool(0.8) {
            let records = world.records(&stream, shard.id, from, random.random_range(1..60)).await;
            let Some(last) = records.last() else { break };
            from = Some(last.sequence_number.next());
            world.archive(&stream, shard.id, &records, Packing::ALL[random.random_range(0..3)]);
            if random.random_bool(0.3) {
                check(&engine, sql, &[&expected]).await;
                check(&over_objects, sql, &[&expected]).await;
            }
        }
    }
    check(&engine, sql, &[&expected]).await;
    check(&over_objects, sql, &[&expected]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn archive_and_tail_together_are_every_record_once() {
    for seed in 0..30 {
        println!("seed {seed}");
        check_random_cuts(seed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_an_aggregate_are_rows_where_their_key_belongs() {
    let world = World::new();
    let stream = world.stream("s", 2).await;
    let mut packed = Aggregator::default();
    packed.push("k", Some(HashKey::MIN), br#"{"i":1}"#);
    packed.push("k", Some(HashKey::MAX), br#"{"i":2,"other":"shard"}"#);
    packed.push("k", Some(HashKey::MIN), br#"{"i":4}"#);
    // "a" hashes into the first of two shards.
    world.put(&stream, "a", packed.finish()).await;
    check(&world.engine(), "SELECT * FROM s ORDER BY i", &[r#"{"i":1}"#, r#"{"i":4}"#]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_past_retention_are_counted_from_the_archive() {
    let world = World::new();
    let stream = world.stream("s", 1).await;
    for i in 0..20 {
        world.put(&stream, "k", format!(r#"{{"i":{i}}}"#)).await;
    }
    let records = world.records(&stream, ShardId(0), None, 20).await;
    world.archive(&stream, ShardId(0), &records[..15], Packing::Zstd);
    let engine = world.engine();
    check(&engine, "SELECT count(*) AS n FROM s", &[r#"{"n":20}"#]).await;
    world.archive(&stream, ShardId(0), &records[15..], Packing::Zstd);
    world.clock.advance(std::time::Duration::from_secs(48 * 3600));
    world.store.trim(&stream).await.expect("trim");
    world.put(&stream, "k", r#"{"i":20}"#).await;
    check(&engine, "SELECT count(*) AS n, sum(i) AS total FROM s", &[r#"{"n":21,"total":210}"#]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_with_the_same_records_are_an_error() {
    let world = World::new();
    let stream = world.stream("s", 1).await;
    for i in 0..4 {
        world.put(&stream, "k", format!(r#"{{"i":{i}}}"#)).await;
    }
    let records = world.records(&stream, ShardId(0), None, 4).await;
    world.archive(&stream, ShardId(0), &records[..3], Packing::Zstd);
    world.archive(&stream, ShardId(0), &records[2..], Packing::Gzip);
    let error = lines(&world.engine(), "SELECT count(*) FROM s").await.expect_err("doubled");
    assert_eq!(error.kind, SqlErrorKind::Failed);
    assert!(error.message.contains("hold the same records"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_of_an_earlier_stream_of_that_name_is_an_error() {
    let world = World::new();
    let stream = world.stream("s", 1).await;
    for _ in 0..4 {
        world.put(&stream, "k", "{}").await;
    }
    let records = world.records(&stream, ShardId(0), None, 4).await;
    world.archive(&stream, ShardId(0), &records, Packing::Plain);
    world.store.delete(&stream).await.expect("delete");
    check(&world.engine(), "SELECT count(*) AS n FROM s", &[r#"{"n":4}"#]).await;
    world.stream("s", 1).await;
    let error = lines(&world.engine(), "SELECT count(*) FROM s").await.expect_err("two streams in one");
    assert!(error.message.contains("ahead of the stream"), "{error}");
}
