//! Stream to archive: what stands where, when it is cut, and what happens when things fail.

use std::future::pending;
use std::time::Duration;

use model::archive::format::{Compression, ObjectFormat};
use model::archive::store::Archive;
use model::stream::hash_key::HashKey;
use model::stream::shard::{Reshard, ShardId};
use model::stream::store::{StreamError, StreamStore};
use sinks::delivery::options::DeliveryOptions;
use sinks::delivery::stream::DeliveryError;
use tokio::sync::oneshot;

use crate::faults::Block;
use crate::world::World;

fn options() -> DeliveryOptions {
    DeliveryOptions { seed: Some(1), ..DeliveryOptions::for_archive() }
}

const FIRST: &str = "wildrydes/dt=2026-11-01/hour=03/shardId-000000000000-00000000000000000000";

#[tokio::test]
async fn records_become_lines_of_named_objects() {
    for compression in [Compression::Zstd, Compression::Gzip, Compression::None] {
        let format = ObjectFormat::Lines(compression);
        let world = World::new(1, 1).await;
        world.put(&[("a", "{\"n\":0}"), ("a", "{\n\"n\": 1\n}\n"), ("a", "hello"), ("b", "{\"n\":3}")]).await;
        world.run_to_the_end(world.to_archive(DeliveryOptions { compression, ..options() })).await;
        let objects = world.objects("").await;
        let names: Vec<_> = objects.keys().map(String::as_str).collect();
        let name = format!("{FIRST}-00000000000000000003.{format}");
        assert_eq!(names, [format!("errors/{name}"), name.clone()]);
        assert_eq!(objects[&name], ["{\"n\":0}", "{\"n\":1}", "{\"n\":3}"]);
        assert_eq!(
            objects[&format!("errors/{name}")],
            [
                "{\"reason\":\"not a JSON document: expected value at line 1 column 1\",\"shard\":\"shardId-000000000000\",\
              \"sequence_number\":2,\"arrived_at\":\"2026-11-01T03:59:59.000Z\",\"partition_key\":\"a\",\"data_base64\":\"aGVsbG8=\"}"
            ]
        );
    }
}

#[tokio::test]
async fn aggregates_are_lines_one_by_one_and_never_cut_apart() {
    let world = World::new(1, 2).await;
    // "a" hashes into the first of two shards, "d" into the second.
    let parts = [("a", "{\"n\":1}"), ("a", "{\"n\":2}"), ("d", "{\"n\":3}"), ("a", "no JSON"), ("a", "{\"n\":4}")];
    world.put(&[("a", "{\"n\":0}")]).await;
    world.put_packed(&parts).await;
    world.put(&[("a", "{\"n\":5}")]).await;
    let delivery =
        world.to_archive(DeliveryOptions { cut_records_max: 2, compression: Compression::None, ..options() });
    let status = delivery.status();
    world.run_to_the_end(delivery).await;
    let objects = world.objects("").await;
    let first = format!("{FIRST}-00000000000000000001.json");
    assert_eq!(objects[&first], ["{\"n\":0}", "{\"n\":1}", "{\"n\":2}", "{\"n\":4}"]);
    let letter = |sub, key, reason: &str, data| {
        format!(
            "{{\"reason\":\"{reason}\",\"shard\":\"shardId-000000000000\",\"sequence_number\":1,\
             \"sub_sequence_number\":{sub},\"arrived_at\":\"2026-11-01T03:59:59.000Z\",\"partition_key\":\"{key}\",\
             \"data_base64\":\"{data}\"}}"
        )
    };
    let misplaced = "its hash key belongs to another shard: its producer sends it again";
    let not_json = "not a JSON document: expected ident at line 1 column 2";
    assert_eq!(
        objects[&format!("errors/{first}")],
        [letter(2, "d", misplaced, "eyJuIjozfQ=="), letter(3, "a", not_json, "bm8gSlNPTg==")]
    );
    assert_eq!(world.lines("wildrydes/").await.len(), 5);
    assert_eq!((status.get().delivered_records, status.get().dead_letters), (5, 2));
}

#[tokio::test]
async fn a_cut_of_nothing_but_errors_has_no_data_object() {
    let world = World::new(1, 1).await;
    world.put(&[("a", ""), ("a", "[]")]).await;
    world.run_to_the_end(world.to_archive(options())).await;
    let names: Vec<_> = world.objects("").await.into_keys().collect();
    assert_eq!(names, [format!("errors/{FIRST}-00000000000000000001.json.zst")]);
}

#[tokio::test]
async fn a_minute_after_the_first_record_the_object_is_there_though_nothing_more_comes() {
    let world = World::new(1, 1).await;
    let delivery = world.to_archive(options());
    let status = delivery.status();
    let test = async {
        world.settle().await;
        world.put(&[("a", "{}")]).await;
        world.settle().await;
        world.advance_millis(59_999);
        world.settle().await;
        assert!(world.objects("").await.is_empty());
        assert_eq!((status.get().lag_millis, status.get().running), (59_999, true));
        world.advance_millis(1);
        world.settle().await;
        assert_eq!(world.objects("").await.len(), 1);
        assert_eq!((status.get().lag_millis, status.get().delivered_records), (0, 1));
    };
    tokio::select! {
        ended = delivery.run(pending()) => panic!("{ended:?}"),
        () = test => {}
    }
}

#[tokio::test]
async fn a_shutdown_delivers_what_is_buffered() {
    let world = World::new(1, 2).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let test = async {
        world.put(&[("a", "{\"n\":1}"), ("b", "{\"n\":2}"), ("c", "{\"n\":3}")]).await;
        world.settle().await;
        assert!(world.objects("").await.is_empty());
        stop.send(()).unwrap();
    };
    let shutdown = async { stopped.await.unwrap() };
    let (ended, ()) = tokio::join!(world.to_archive(options()).run(shutdown), test);
    ended.unwrap();
    assert_eq!(world.lines("wildrydes/").await.len(), 3);
    let checkpoint = world.store.checkpoint(&world.stream, &world.delivery).await.unwrap().unwrap();
    assert!(checkpoint.state.is_empty(), "nothing is promised any more");
}

#[tokio::test]
async fn an_archive_that_is_away_is_waited_for_and_a_shutdown_meanwhile_ends_in_time() {
    let world = World::new(1, 1).await;
    world.put(&[("a", "{\"n\":1}")]).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let delivery = world.to_archive(DeliveryOptions { cut_interval: Duration::ZERO, ..options() });
    let status = delivery.status();
    let test = async {
        world.settle().await;
        world.put(&[("a", "{\"n\":2}")]).await;
        world.faults.set(None, 100);
        for _ in 0..20 {
            world.settle().await;
            world.advance_millis(1000);
        }
        let now = status.get();
        assert!(now.retries > 0 && now.last_error.unwrap().message.contains("a fault"));
        stop.send(()).unwrap();
        world.settle().await;
        world.advance_millis(10_000);
    };
    let shutdown = async { stopped.await.unwrap() };
    let (ended, ()) = tokio::join!(delivery.run(shutdown), test);
    ended.unwrap();
    assert!(!status.get().running);
    world.faults.set(None, 0);
    world.run_to_the_end(world.to_archive(options())).await;
    assert_eq!(world.lines("wildrydes/").await, ["{\"n\":1}", "{\"n\":2}"]);
}

#[tokio::test]
async fn a_commit_that_failed_for_a_while_leaves_no_error_behind() {
    let world = World::new(1, 1).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let checkpoint_interval = Duration::from_secs(60);
    let delivery = world.to_archive(DeliveryOptions { cut_interval: Duration::ZERO, checkpoint_interval, ..options() });
    let status = delivery.status();
    let pass = async |times: u32, millis: u64| {
        for _ in 0..times {
            world.settle().await;
            world.advance_millis(millis);
        }
    };
    let test = async {
        world.settle().await;
        world.put(&[("a", "{\"n\":1}")]).await;
        pass(5, 100).await;
        assert_eq!(world.lines("wildrydes/").await.len(), 1);
        world.faults.set(None, 100);
        pass(20, 10_000).await;
        assert!(status.get().last_error.is_some(), "the commit fails");
        world.faults.set(None, 0);
        pass(20, 10_000).await;
        assert!(status.get().last_error.is_none(), "nothing is left to be done: {:?}", status.get());
        stop.send(()).unwrap();
        pass(1, 10_000).await;
    };
    let shutdown = async { stopped.await.unwrap() };
    let (ended, ()) = tokio::join!(delivery.run(shutdown), test);
    ended.unwrap();
}

#[tokio::test]
async fn whoever_lost_its_name_to_a_second_holder_ends_and_goes_on_when_it_runs_again() {
    let world = World::new(1, 1).await;
    let first = world.to_archive(options());
    let again = first.clone();
    let second = async {
        world.put(&[("a", "{\"n\":1}")]).await;
        world.settle().await;
        world.run_to_the_end(world.to_archive(options())).await;
        world.advance_millis(60_000);
        world.settle().await;
    };
    let (ended, ()) = tokio::join!(first.run(pending()), second);
    let conflict = matches!(ended, Err(DeliveryError::Stream { source: StreamError::CheckpointConflict { .. }, .. }));
    assert!(conflict, "{ended:?}");
    assert_eq!(world.lines("wildrydes/").await, ["{\"n\":1}"], "fenced before anything is written twice");
    world.put(&[("a", "{\"n\":2}")]).await;
    world.run_to_the_end(again).await;
    assert_eq!(world.lines("wildrydes/").await, ["{\"n\":1}", "{\"n\":2}"]);
}

#[tokio::test]
async fn records_that_fell_to_retention_are_counted() {
    let world = World::new(1, 1).await;
    world.run_to_the_end(world.to_archive(options())).await;
    world.put(&[("a", "{\"n\":1}"), ("a", "{\"n\":2}")]).await;
    world.advance_millis(25 * 3_600_000);
    world.put(&[("a", "{\"n\":3}")]).await;
    world.store.trim(&world.stream).await.unwrap();
    let delivery = world.to_archive(options());
    let status = delivery.status();
    world.run_to_the_end(delivery).await;
    assert_eq!(status.get().expired, 2);
    assert_eq!(world.lines("wildrydes/").await, ["{\"n\":3}"]);
}

#[tokio::test]
async fn an_object_whose_name_is_taken_by_other_content_goes_aside() {
    let world = World::new(1, 1).await;
    let name = format!("{FIRST}-00000000000000000000.json");
    let name = model::archive::store::ObjectName::new(name).unwrap();
    world.archive.put_if_absent(&name, "{\"n\":\"old\"}\n".into()).await.unwrap();
    world.put(&[("a", "{\"n\":\"new\"}")]).await;
    world.run_to_the_end(world.to_archive(DeliveryOptions { compression: Compression::None, ..options() })).await;
    assert_eq!(world.lines("wildrydes/").await, ["{\"n\":\"old\"}"]);
    assert_eq!(world.lines("conflicts/").await, ["{\"n\":\"new\"}"]);
}

#[tokio::test]
async fn objects_of_a_shard_appear_in_order_and_hold_up_no_other_shard() {
    const BLOCKED: &str = "shardId-000000000000-00000000000000000000-";
    for block in [Block::Hangs(BLOCKED), Block::Fails(BLOCKED)] {
        let world = World::new(1, 2).await;
        let compression = Compression::None;
        let delivery = world.to_archive(DeliveryOptions { cut_records_max: 2, compression, ..options() });
        let test = async {
            // "a" hashes into the first of two shards, "d" into the second.
            world.put(&[("a", "{}"), ("d", "{}")]).await;
            world.settle().await;
            world.faults.block(Some(block));
            world.advance_millis(60_000);
            world.put(&[("a", "{}"); 6]).await;
            for _ in 0..20 {
                world.settle().await;
                world.advance_millis(1000);
                let there = world.objects("").await.into_keys().collect::<Vec<_>>();
                assert!(
                    there.len() == 1 && there[0].contains("shardId-000000000001"),
                    "only the other shard's: {there:?}"
                );
            }
            world.faults.block(None);
            for _ in 0..100 {
                world.settle().await;
                world.advance_millis(1000);
            }
            assert_eq!(world.objects("").await.len(), 5);
            assert_eq!(world.lines("wildrydes/").await.len(), 8);
        };
        tokio::select! {
            ended = delivery.run(pending()) => panic!("{ended:?}"),
            () = test => {}
        }
    }
}

#[tokio::test]
async fn a_delivery_that_was_off_past_retention_and_reshards_misses_no_young_record() {
    let world = World::new(1, 1).await;
    world.put(&[("a", "{\"n\":1}")]).await;
    world.run_to_the_end(world.to_archive(options())).await;
    world.put(&[("a", "{\"n\":2}"), ("b", "{\"n\":3}")]).await;
    for shard in 0..3 {
        let at = HashKey([1 << 127, 1 << 126, 3 << 126][shard as usize]);
        world.store.reshard(&world.stream, Reshard::Split { shard: ShardId(shard), at }).await.unwrap();
        world.advance_millis(60_000);
    }
    world.advance_millis(25 * 3_600_000);
    let young: Vec<String> = (0..40).map(|n| format!("{{\"young\":{n}}}")).collect();
    for record in &young {
        world.put(&[(record.as_str(), record.as_str())]).await;
    }
    world.store.trim(&world.stream).await.unwrap();
    assert_eq!(world.store.describe(&world.stream).await.unwrap().shards.iter().count(), 4, "only the open ones");
    let delivery = world.to_archive(options());
    let status = delivery.status();
    let run = tokio::time::timeout(Duration::from_secs(60), world.run_to_the_end(delivery));
    run.await.expect("the delivery reaches the end of every shard");
    let mut lines = world.lines("wildrydes/").await;
    lines.retain(|line| line.contains("young"));
    lines.sort_unstable();
    let mut wanted = young.clone();
    wanted.sort_unstable();
    assert_eq!(lines, wanted);
    assert_eq!(status.get().expired, 2);
}
