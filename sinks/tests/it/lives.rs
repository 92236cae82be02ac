//! A source that is deleted and created anew, or restored from an older copy, under deliveries.

use std::future::pending;
use std::time::Duration;

use model::archive::name::RecordRange;
use model::stream::checkpoint::Checkpoint;
use model::stream::store::{StreamError, StreamOptions, StreamStore};
use sinks::delivery::options::DeliveryOptions;
use sinks::delivery::stream::DeliveryError;

use crate::world::{BEGIN, World};

fn options() -> DeliveryOptions {
    DeliveryOptions { seed: Some(1), ..DeliveryOptions::for_archive() }
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort_unstable();
    lines
}

fn lines(numbers: std::ops::Range<u32>) -> Vec<String> {
    sorted(numbers.map(|n| format!("{{\"n\":{n}}}")).collect())
}

async fn put(world: &World, numbers: std::ops::Range<u32>) {
    for n in numbers {
        world.put(&[(&format!("key-{n}"), &format!("{{\"n\":{n}}}"))]).await;
    }
}

/// No two objects of a shard hold the same numbers.
async fn check_ranges(world: &World) {
    let names = world.objects("wildrydes/").await.into_keys();
    let mut ranges: Vec<RecordRange> = names.map(|name| RecordRange::of_object(&name).unwrap()).collect();
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        assert!(pair[0].shard != pair[1].shard || pair[0].last < pair[1].first, "{pair:?}");
    }
    assert_eq!(world.lines("conflicts/").await, Vec::<String>::new());
}

/// The clock was set back in between, so the numbers of a later life are not above by themselves.
#[tokio::test]
async fn what_was_deleted_undelivered_is_counted_and_the_new_stream_is_delivered_from_its_beginning() {
    let world = World::new(1, 2).await;
    put(&world, 0..5).await;
    world.run_to_the_end(world.to_archive(options())).await;
    put(&world, 5..8).await;
    for life in 1..4 {
        world.store.delete(&world.stream).await.unwrap();
        world.clock.set(BEGIN);
        let settings = StreamOptions { shards: life, ..StreamOptions::default() };
        world.store.create(&world.stream, settings).await.unwrap();
        put(&world, life * 10..life * 10 + 4).await;
        let delivery = world.to_archive(options());
        let status = delivery.status();
        world.run_to_the_end(delivery).await;
        assert_eq!(status.get().deleted, if life == 1 { 3 } else { 0 });
        check_ranges(&world).await;
    }
    let expected = [lines(0..5), lines(10..14), lines(20..24), lines(30..34)].concat();
    assert_eq!(sorted(world.lines("wildrydes/").await), sorted(expected));
}

#[tokio::test]
async fn what_was_read_is_delivered_though_its_stream_is_gone() {
    let world = World::new(1, 1).await;
    let delivery = world.to_archive(options());
    let status = delivery.status();
    let again = delivery.clone();
    let test = async {
        world.settle().await;
        put(&world, 0..6).await;
        world.settle().await;
        world.store.delete(&world.stream).await.unwrap();
        for _ in 0..20 {
            world.settle().await;
            world.advance_millis(1000);
        }
    };
    let (ended, ()) = tokio::join!(delivery.run(pending()), test);
    let gone = matches!(ended, Err(DeliveryError::Stream { source: StreamError::NotFound(_), .. }));
    assert!(gone, "{ended:?}");
    assert_eq!(sorted(world.lines("wildrydes/").await), lines(0..6));
    world.store.create(&world.stream, StreamOptions::default()).await.unwrap();
    put(&world, 6..9).await;
    let run = tokio::time::timeout(Duration::from_secs(60), world.run_to_the_end(again));
    run.await.expect("it goes on with the new stream");
    assert_eq!(sorted(world.lines("wildrydes/").await), lines(0..9));
    assert_eq!(status.get().deleted, 0, "all was delivered");
}

/// A delivery that begins anew over an archive which has the records already, as after a restore.
#[tokio::test]
async fn records_that_the_archive_has_are_not_archived_again_in_other_objects() {
    for before in [1, 3, 100] {
        for after in [2, 7, 100] {
            let world = World::new(1, 2).await;
            put(&world, 0..20).await;
            world.put(&[("key-1", "no JSON")]).await;
            put(&world, 20..25).await;
            let cuts_of = |cut_records_max| DeliveryOptions { cut_records_max, ..options() };
            world.run_to_the_end(world.to_archive(cuts_of(before))).await;
            let version = world.store.checkpoint(&world.stream, &world.delivery).await.unwrap().unwrap().version;
            let blank = Checkpoint::blank(version + 1);
            world.store.commit(&world.stream, &world.delivery, blank, Vec::new()).await.unwrap();
            world.store.resume();
            put(&world, 25..40).await;
            world.run_to_the_end(world.to_archive(cuts_of(after))).await;
            assert_eq!(sorted(world.lines("wildrydes/").await), lines(0..40), "cuts of {before}, then of {after}");
            assert_eq!(world.dead_letters().await, ["no JSON"]);
            check_ranges(&world).await;
        }
    }
}
