//! Shards split, merged and counted anew, as the AWS SDK for Rust sees it.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{ScalingType, Shard, ShardFilter, ShardFilterType, ShardIteratorType};
use model::stream::hash_key::{HashKey, HashKeyRange};

use crate::kinesis::client;
use crate::server::Server;

/// Shards of the stream `s`, all or those a filter leaves.
async fn shards(client: &Client, filter: Option<ShardFilterType>) -> Vec<Shard> {
    let filter = filter.map(|kind| ShardFilter::builder().r#type(kind).build().unwrap());
    client.list_shards().stream_name("s").set_shard_filter(filter).send().await.unwrap().shards.unwrap()
}

fn is_open(shard: &&Shard) -> bool {
    shard.sequence_number_range.as_ref().unwrap().ending_sequence_number.is_none()
}

/// The ranges of open shards, in order; they always tile the hash space.
async fn open_ranges(client: &Client) -> Vec<HashKeyRange> {
    let shards = shards(client, None).await;
    let range = |shard: &Shard| {
        let range = shard.hash_key_range.as_ref().unwrap();
        let key = |text: &str| text.parse().unwrap();
        HashKeyRange { start: key(&range.starting_hash_key), end: key(&range.ending_hash_key) }
    };
    let mut ranges: Vec<_> = shards.iter().filter(is_open).map(range).collect();
    ranges.sort_by_key(|range| range.start);
    assert_eq!((ranges[0].start, ranges.last().unwrap().end), (HashKey::MIN, HashKey::MAX));
    assert!(ranges.windows(2).all(|pair| pair[0].is_just_before(&pair[1])), "{ranges:?}");
    ranges
}

async fn put(client: &Client, key: &str) -> String {
    client.put_record().stream_name("s").partition_key(key).data(Blob::new(key)).send().await.unwrap().shard_id
}

const MIDDLE: &str = "170141183460469231731687303715884105728";

#[tokio::test]
async fn a_split_and_a_merge_lead_readers_from_parents_to_children() {
    let server = Server::start().await;
    let client = client(&server);
    client.create_stream().stream_name("s").shard_count(1).send().await.unwrap();
    for key in 0..20 {
        assert_eq!(put(&client, &format!("{key}")).await, "shardId-000000000000");
    }
    let split = client.split_shard().stream_name("s").shard_to_split("shardId-000000000000");
    split.new_starting_hash_key(MIDDLE).send().await.unwrap();
    assert_eq!(open_ranges(&client).await, HashKeyRange::uniform(2));
    for key in 0..20 {
        let shard = put(&client, &format!("{key}")).await;
        assert!(["shardId-000000000001", "shardId-000000000002"].contains(&shard.as_str()), "never a closed one");
    }
    let merge = client.merge_shards().stream_name("s").shard_to_merge("shardId-000000000001");
    merge.adjacent_shard_to_merge("shardId-000000000002").send().await.unwrap();
    assert_eq!(open_ranges(&client).await, [HashKeyRange::ALL]);
    let merged = shards(&client, None).await.pop().unwrap();
    assert_eq!(merged.parent_shard_id.as_deref(), Some("shardId-000000000001"));
    assert_eq!(merged.adjacent_parent_shard_id.as_deref(), Some("shardId-000000000002"));

    for (shard, children, records) in [(0, vec![1, 2], 20), (1, vec![3], 0), (3, vec![], 0)] {
        let id = format!("shardId-{shard:012}");
        let iterator = client.get_shard_iterator().stream_name("s").shard_id(&id);
        let iterator = iterator.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
        let batch = client.get_records().set_shard_iterator(iterator.shard_iterator).send().await.unwrap();
        assert!(batch.records.len() >= records, "{id}");
        assert_eq!(batch.next_shard_iterator.is_none(), !children.is_empty(), "{id}");
        let found: Vec<_> = batch.child_shards.unwrap_or_default();
        let ids: Vec<_> = found.iter().map(|child| child.shard_id.clone()).collect();
        assert_eq!(ids, children.iter().map(|child| format!("shardId-{child:012}")).collect::<Vec<_>>());
        assert!(found.iter().all(|child| child.parent_shards.contains(&id) && child.hash_key_range.is_some()));
    }
}

/// Numbers of a child are above those of its parents, however fast it came.
#[tokio::test]
async fn sequence_numbers_grow_over_reshardings_within_a_second() {
    let server = Server::start().await;
    let client = client(&server);
    client.create_stream().stream_name("s").shard_count(1).send().await.unwrap();
    let mut last = String::new();
    for _ in 0..4 {
        let put = client.put_record().stream_name("s").partition_key("k").data(Blob::new("x")).send().await.unwrap();
        let order = |number: &str| (number.len(), number.to_owned());
        assert!(order(&last) < order(&put.sequence_number));
        last = put.sequence_number;
        let count = shards(&client, None).await.iter().filter(is_open).count() as i32;
        let update = client.update_shard_count().stream_name("s").target_shard_count(count * 2);
        update.scaling_type(ScalingType::UniformScaling).send().await.unwrap();
    }
}

#[tokio::test]
async fn impossible_changes_of_shards_are_refused() {
    let server = Server::start().await;
    let client = client(&server);
    client.create_stream().stream_name("s").shard_count(3).send().await.unwrap();
    let split = |shard: &'static str, at: &'static str| {
        client.split_shard().stream_name("s").shard_to_split(shard).new_starting_hash_key(at).send()
    };
    for (shard, at, code) in [
        ("shardId-000000000009", "5", "ResourceNotFoundException"),
        ("nothing", "5", "ResourceNotFoundException"),
        ("shardId-000000000000", "0", "InvalidArgumentException"),
        ("shardId-000000000000", "1", "InvalidArgumentException"),
        ("shardId-000000000000", "113427455640312821154458202477256070484", "InvalidArgumentException"),
        ("shardId-000000000001", "5", "InvalidArgumentException"),
        ("shardId-000000000000", "05", "ValidationException"),
    ] {
        let refused = split(shard, at).await.unwrap_err().into_service_error();
        assert_eq!(refused.code(), Some(code), "{shard} {at}: {refused:?}");
    }
    let merge = |one: &'static str, other: &'static str| {
        client.merge_shards().stream_name("s").shard_to_merge(one).adjacent_shard_to_merge(other).send()
    };
    let far = merge("shardId-000000000000", "shardId-000000000002").await.unwrap_err().into_service_error();
    assert!(far.is_invalid_argument_exception(), "{far:?}");
    merge("shardId-000000000000", "shardId-000000000001").await.unwrap();
    let again = merge("shardId-000000000000", "shardId-000000000001").await.unwrap_err().into_service_error();
    assert!(again.is_invalid_argument_exception(), "{again:?}");
    assert!(again.message().unwrap().contains("already been merged or split"), "{again:?}");
    let closed = split("shardId-000000000000", "5").await.unwrap_err().into_service_error();
    assert!(closed.is_invalid_argument_exception(), "{closed:?}");

    client.create_stream().stream_name("on-demand").send().await.unwrap();
    let mode = client.split_shard().stream_name("on-demand").shard_to_split("shardId-000000000000");
    let mode = mode.new_starting_hash_key("5").send().await.unwrap_err().into_service_error();
    assert!(mode.is_validation_exception(), "{mode:?}");
}

#[tokio::test]
async fn shards_are_counted_anew_within_the_limits() {
    let server = Server::start().await;
    let client = client(&server);
    client.create_stream().stream_name("s").shard_count(4).send().await.unwrap();
    let update = |count: i32| {
        client
            .update_shard_count()
            .stream_name("s")
            .target_shard_count(count)
            .scaling_type(ScalingType::UniformScaling)
            .send()
    };
    for (count, limit) in [(9, "double"), (1, "half"), (10_001, "10000")] {
        let refused = update(count).await.unwrap_err().into_service_error();
        assert!(refused.is_limit_exceeded_exception() && refused.message().unwrap().contains(limit), "{refused:?}");
    }
    let refused = update(0).await.unwrap_err().into_service_error();
    assert!(refused.is_validation_exception(), "{refused:?}");
    let answer = update(8).await.unwrap();
    assert_eq!((answer.current_shard_count, answer.target_shard_count), (Some(4), Some(8)));
    assert_eq!(answer.stream_arn.as_deref(), Some("arn:aws:kinesis:us-east-1:000000000000:stream/s"));
    for count in [5, 7, 4, 6, 3, 2, 4, 3] {
        update(count).await.unwrap();
        assert_eq!(open_ranges(&client).await, HashKeyRange::uniform(count as u32));
    }
    update(6).await.unwrap();
    let eleventh = update(5).await.unwrap_err().into_service_error();
    assert!(eleventh.is_limit_exceeded_exception(), "{eleventh:?}");
    server.clock.advance(Duration::from_secs(24 * 3600));
    update(5).await.unwrap();
}

/// Filters that begin at the trim horizon hold shards as long as a record of theirs may be read.
#[tokio::test]
async fn filters_follow_the_lineage() {
    let server = Server::start().await;
    let client = client(&server);
    client.create_stream().stream_name("s").shard_count(1).send().await.unwrap();
    put(&client, "k").await;
    server.clock.advance(Duration::from_secs(3600));
    let update = client.update_shard_count().stream_name("s").target_shard_count(2);
    update.scaling_type(ScalingType::UniformScaling).send().await.unwrap();
    let ids = async |kind| {
        let shards = shards(&client, Some(kind)).await;
        shards.into_iter().map(|shard| shard.shard_id[20..].parse::<u32>().unwrap_or(0)).collect::<Vec<_>>()
    };
    let trim = async || server.state.streams.trim(&"s".parse().unwrap()).await.unwrap();
    trim().await;
    assert_eq!(shards(&client, None).await.len(), 3);
    assert_eq!(ids(ShardFilterType::AtTrimHorizon).await.len(), 1);
    assert_eq!(ids(ShardFilterType::AtLatest).await.len(), 2);
    assert_eq!(ids(ShardFilterType::FromTrimHorizon).await.len(), 3);
    server.clock.advance(Duration::from_secs(24 * 3600 - 1800));
    trim().await;
    assert_eq!(shards(&client, None).await.len(), 3, "closed for less than retention, though without records");
    server.clock.advance(Duration::from_secs(3600));
    trim().await;
    assert_eq!(shards(&client, None).await.len(), 2);
    assert_eq!(ids(ShardFilterType::AtTrimHorizon).await.len(), 2);
    let expired = client.get_shard_iterator().stream_name("s").shard_id("shardId-000000000000");
    let expired = expired.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap_err();
    assert!(expired.into_service_error().is_resource_not_found_exception());
}
