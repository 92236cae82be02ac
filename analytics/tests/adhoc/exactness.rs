//! Every record counts once, wherever the archive ends and the tail begins.

use model::name::StreamName;
use model::query::engine::SqlErrorKind;
use model::stream::hash_key::HashKey;
use model::stream::record::Record;
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
            let data = ["no JSON {", "[1]", "7", "", "{\"Value\":1e999}", "{\"Value\":\"\\ud800\"}", "{} {"];
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
async fn earlier_streams_of_a_name_and_openings_leave_no_gap_and_nothing_twice() {
    let world = World::new();
    let mut expected = 0;
    for shards in [1, 3, 2] {
        let stream = world.stream("s", shards).await;
        for n in 0..12 {
            world.put(&stream, &format!("k{n}"), "{}").await;
            if n == 6 {
                world.clock.advance(std::time::Duration::from_secs(1));
                world.store.resume();
            }
        }
        for shard in (0..shards).map(ShardId) {
            let records = world.records(&stream, shard, None, 3).await;
            world.archive(&stream, shard, &records, Packing::Plain);
            expected += records.len();
        }
        check(
            &world.engine(),
            "SELECT count(*) AS n FROM s",
            &[&format!(r#"{{"n":{}}}"#, expected + 12 - of(&world, &stream).await)],
        )
        .await;
        world.store.delete(&stream).await.expect("delete");
        check(&world.engine(), "SELECT count(*) AS n FROM s", &[&format!(r#"{{"n":{expected}}}"#)]).await;
    }
}

/// How many records of the stream are archived: of each shard up to three.
async fn of(world: &World, stream: &StreamName) -> usize {
    let mut archived = 0;
    for shard in world.store.describe(stream).await.expect("describe").shards.iter() {
        archived += world.records(stream, shard.id, None, 3).await.len();
    }
    archived
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_with_later_records_than_its_stream_is_an_error() {
    let world = World::new();
    let stream = world.stream("s", 1).await;
    world.put(&stream, "k", "{}").await;
    let records = world.records(&stream, ShardId(0), None, 1).await;
    let later = |record: &Record| Record { sequence_number: record.sequence_number.plus(1000), ..record.clone() };
    world.archive(&stream, ShardId(0), &[later(&records[0])], Packing::Plain);
    let error = lines(&world.engine(), "SELECT count(*) FROM s").await.expect_err("a clock that was behind");
    assert!(error.message.contains("later than the stream's"), "{error}");
}
