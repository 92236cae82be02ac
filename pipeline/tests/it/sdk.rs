//! What the AWS SDK for Rust sees. The steps are those of `../clients/README.md`, where the other languages' scripts stand.

#![expect(clippy::unwrap_used, reason = "a failure says which call")]

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_sdk_kinesis::operation::put_record::PutRecordOutput;
use aws_sdk_kinesis::primitives::{Blob, DateTime};
use aws_sdk_kinesis::types::ShardIteratorType::{
    AfterSequenceNumber, AtSequenceNumber, AtTimestamp, Latest, TrimHorizon,
};
use aws_sdk_kinesis::types::{
    ChildShard, ConsumerStatus, EncryptionType, HashKeyRange, PutRecordsRequestEntry, Record, Shard, ShardIteratorType,
    StartingPosition, StreamStatus, SubscribeToShardEventStream,
};

use crate::server::{Server, eventually, folder_with};

const FIRST: &str = "shardId-000000000000";
const SECOND: &str = "shardId-000000000001";
/// Where two even shards meet.
const MIDDLE: u128 = 1 << 127;
const QUARTER: u128 = MIDDLE / 2;
const STREAM: &str = "rust";

#[tokio::test]
async fn rust() {
    let (_keep, data) = folder_with(&[]);
    let server = Server::start_guarded(&data);
    let client = server.kinesis();
    create(&client).await;
    let arn = describe(&client).await;
    put_and_iterate(&client).await;
    let merged = split_and_merge(&client).await;
    subscribe(&client, &arn, &merged).await;
    errors(&client).await;
    delete(&client).await;
}

async fn create(client: &Client) {
    let create = || client.create_stream().stream_name(STREAM).shard_count(2).send();
    create().await.unwrap();
    active(client).await;
    refused("ResourceInUseException", create().await);
    let mut pages = client.list_streams().into_paginator().send();
    let mut names = Vec::new();
    while let Some(page) = pages.next().await {
        names.extend(page.unwrap().stream_names);
    }
    assert_eq!(names, [STREAM]);
}

async fn describe(client: &Client) -> String {
    let described = client.describe_stream().stream_name(STREAM).send().await.unwrap().stream_description.unwrap();
    assert_eq!(described.retention_period_hours, 24);
    assert_eq!(described.encryption_type, Some(EncryptionType::None));
    assert!(!described.has_more_shards);
    let ranges: Vec<_> = described.shards.iter().map(|shard| range(shard.hash_key_range.as_ref())).collect();
    assert_eq!(ranges, [(0, MIDDLE - 1), (MIDDLE, u128::MAX)]);
    let summary = client.describe_stream_summary().stream_arn(&described.stream_arn).send().await.unwrap();
    let summary = summary.stream_description_summary.unwrap();
    assert_eq!((summary.stream_name.as_str(), summary.open_shard_count), (STREAM, 2));
    assert_eq!(client.list_shards().stream_name(STREAM).send().await.unwrap().shards.unwrap(), described.shards);
    described.stream_arn
}

async fn put_and_iterate(client: &Client) {
    let first = put(client, b"\x00one\xff", "clé").await;
    let second = put(client, b"", "k").await;
    assert_eq!([&first.shard_id, &second.shard_id], [FIRST, FIRST]);
    let (records, end) = read(client, FIRST).await;
    assert!(end.next_shard_iterator.is_some());
    assert_eq!(data(&records), [&b"\x00one\xff"[..], b""]);
    assert_eq!((records[0].partition_key(), records[0].encryption_type()), (Some("clé"), None));
    assert_eq!(records[0].sequence_number, first.sequence_number);
    let arrival = records[0].approximate_arrival_timestamp;
    for (kind, number, time, expected) in [
        (AtSequenceNumber, Some(&second.sequence_number), None, 1..),
        (AfterSequenceNumber, Some(&first.sequence_number), None, 1..),
        (AtTimestamp, None, arrival, 0..),
    ] {
        let place = iterator(client, FIRST, kind, number, time).await;
        assert_eq!(read_from(client, place).await.0, records[expected]);
    }
    let latest = iterator(client, FIRST, Latest, None, None).await;
    let third = put(client, b"three", "k").await;
    let (late, _) = read_from(client, latest).await;
    assert_eq!((late.len(), &late[0].sequence_number), (1, &third.sequence_number));

    let entries: Vec<_> = (0..500).map(|i| entry(i.to_string().as_bytes(), &format!("key-{i}"))).collect();
    let many = client.put_records().stream_name(STREAM).set_records(Some(entries.clone())).send().await.unwrap();
    assert_eq!((many.failed_record_count, many.records.len()), (Some(0), 500));
    for (shard, skip) in [(FIRST, 3), (SECOND, 0)] {
        let (found, _) = read(client, shard).await;
        rising(&found);
        let there = found[skip..].iter().map(|r| (Some(r.sequence_number()), r.partition_key(), &r.data));
        let sent = entries.iter().zip(&many.records).filter(|(_, result)| result.shard_id.as_deref() == Some(shard));
        let sent = sent.map(|(entry, result)| (result.sequence_number(), entry.partition_key(), &entry.data));
        assert!(there.len() > 200 && there.eq(sent), "records of {shard} differ from what was put");
    }
}

async fn split_and_merge(client: &Client) -> String {
    put(client, b"before", "k").await;
    let split = client.split_shard().stream_name(STREAM).shard_to_split(FIRST);
    split.new_starting_hash_key(QUARTER.to_string()).send().await.unwrap();
    assert_eq!(active(client).await, 3);
    put(client, b"between", "k").await;
    let (mut all, end) = read(client, FIRST).await;
    assert_eq!(all.last().unwrap().data.as_ref(), b"before");
    let children = ends_with(end, &[FIRST], &[(0, QUARTER - 1), (QUARTER, MIDDLE - 1)]);
    let (low, high) = (children[0].shard_id.as_str(), children[1].shard_id.as_str());
    assert!(shard(client, FIRST).await.sequence_number_range.unwrap().ending_sequence_number.is_some());
    assert_eq!(shard(client, low).await.parent_shard_id.as_deref(), Some(FIRST));
    assert_eq!(shard(client, high).await.parent_shard_id.as_deref(), Some(FIRST));

    let merge = |a: &str, b: &str| {
        client.merge_shards().stream_name(STREAM).shard_to_merge(a).adjacent_shard_to_merge(b).send()
    };
    merge(low, high).await.unwrap();
    assert_eq!(active(client).await, 2);
    let after = put(client, b"after", "k").await;
    let (between, end) = read(client, low).await;
    let merged = ends_with(end, &[low, high], &[(0, MIDDLE - 1)]).remove(0).shard_id;
    let known = shard(client, &merged).await;
    assert_eq!((&after.shard_id, known.parent_shard_id()), (&merged, Some(low)));
    assert_eq!(known.adjacent_parent_shard_id(), Some(high));
    all.extend(between);
    all.extend(read(client, &merged).await.0);
    all.retain(|record| record.partition_key() == Some("k"));
    rising(&all);
    assert_eq!(data(&all[all.len() - 3..]), [&b"before"[..], b"between", b"after"]);
    refused("InvalidArgumentException", merge(&merged, low).await);
    merged
}

async fn subscribe(client: &Client, arn: &str, merged: &str) {
    let registered = client.register_stream_consumer().stream_arn(arn).consumer_name("c").send().await.unwrap();
    let consumer = registered.consumer.unwrap().consumer_arn;
    let described = || client.describe_stream_consumer().consumer_arn(&consumer).send();
    eventually("the consumer is active", async || {
        let status = described().await.unwrap().consumer_description.unwrap().consumer_status;
        (status == ConsumerStatus::Active).then_some(())
    })
    .await;
    let listed = client.list_stream_consumers().stream_arn(arn).send().await.unwrap().consumers.unwrap();
    assert_eq!(listed.iter().map(|found| found.consumer_name.as_str()).collect::<Vec<_>>(), ["c"]);

    let events = |shard: &str, from: ShardIteratorType| {
        let position = StartingPosition::builder().r#type(from).build().unwrap();
        client.subscribe_to_shard().consumer_arn(&consumer).shard_id(shard).starting_position(position).send()
    };
    let mut closed = events(FIRST, TrimHorizon).await.unwrap().event_stream;
    let (mut pushed, mut children) = (Vec::new(), Vec::new());
    while let Some(event) = closed.recv().await.unwrap() {
        let SubscribeToShardEventStream::SubscribeToShardEvent(event) = event else { panic!("unknown: {event:?}") };
        pushed.extend(event.records);
        children = event.child_shards.unwrap_or_default();
    }
    assert_eq!(pushed, read(client, FIRST).await.0);
    assert_eq!(children.len(), 2);
    for child in children {
        assert_eq!(shard(client, &child.shard_id).await.parent_shard_id.as_deref(), Some(FIRST));
    }

    let mut open = events(merged, Latest).await.unwrap().event_stream;
    let sent = put(client, b"pushed", "k").await;
    let records = loop {
        let event = open.recv().await.unwrap().expect("it goes on for five minutes");
        let SubscribeToShardEventStream::SubscribeToShardEvent(event) = event else { panic!("unknown: {event:?}") };
        assert!(!event.continuation_sequence_number.is_empty());
        if !event.records.is_empty() {
            break event.records;
        }
    };
    assert_eq!((data(&records), &records[0].sequence_number), (vec![&b"pushed"[..]], &sent.sequence_number));
    refused("ResourceInUseException", events(merged, Latest).await); // a second one within 5 s
    client.deregister_stream_consumer().consumer_arn(&consumer).send().await.unwrap();
    eventually("the consumer is gone", async || {
        let failure = described().await.err()?.into_service_error();
        assert!(failure.is_resource_not_found_exception(), "{failure}");
        Some(())
    })
    .await;
}

async fn errors(client: &Client) {
    let missing = client.put_record().stream_name("rust-no").data(Blob::new("")).partition_key("k");
    refused("ResourceNotFoundException", missing.send().await);
    refused("InvalidArgumentException", client.get_records().shard_iterator("garbled").send().await);
    let many = client.put_records().stream_name(STREAM).set_records(Some(vec![entry(b"x", "k"); 501]));
    refused("ValidationException", many.send().await);
    let big = client.put_record().stream_name(STREAM).data(Blob::new(vec![0; 1 << 20])).partition_key("k");
    refused("ValidationException", big.send().await);
}

async fn delete(client: &Client) {
    client.delete_stream().stream_name(STREAM).enforce_consumer_deletion(true).send().await.unwrap();
    eventually("the stream is gone", async || {
        let failure = client.describe_stream().stream_name(STREAM).send().await.err()?.into_service_error();
        assert!(failure.is_resource_not_found_exception(), "{failure}");
        Some(())
    })
    .await;
}

/// Waits until the stream can be used and returns the number of open shards.
async fn active(client: &Client) -> i32 {
    eventually("the stream is active", async || {
        let answer = client.describe_stream_summary().stream_name(STREAM).send().await.unwrap();
        let summary = answer.stream_description_summary.unwrap();
        (summary.stream_status == StreamStatus::Active).then_some(summary.open_shard_count)
    })
    .await
}

async fn shard(client: &Client, id: &str) -> Shard {
    let shards = client.list_shards().stream_name(STREAM).send().await.unwrap().shards.unwrap();
    shards.into_iter().find(|shard| shard.shard_id == id).expect("the shard is listed")
}

async fn put(client: &Client, data: &[u8], key: &str) -> PutRecordOutput {
    let put = client.put_record().stream_name(STREAM).data(Blob::new(data)).partition_key(key);
    put.explicit_hash_key("0").send().await.unwrap()
}

fn entry(data: &[u8], key: &str) -> PutRecordsRequestEntry {
    PutRecordsRequestEntry::builder().data(Blob::new(data)).partition_key(key).build().unwrap()
}

async fn iterator(
    client: &Client,
    shard: &str,
    kind: ShardIteratorType,
    number: Option<&String>,
    time: Option<DateTime>,
) -> String {
    let get = client.get_shard_iterator().stream_name(STREAM).shard_id(shard).shard_iterator_type(kind);
    let answer = get.set_starting_sequence_number(number.cloned()).set_timestamp(time).send().await.unwrap();
    answer.shard_iterator.unwrap()
}

/// What is there now, and how the last batch ended.
async fn read_from(client: &Client, mut place: String) -> (Vec<Record>, GetRecordsOutput) {
    let mut records = Vec::new();
    loop {
        let batch = client.get_records().shard_iterator(&place).limit(300).send().await.unwrap();
        records.extend(batch.records.clone());
        match &batch.next_shard_iterator {
            Some(next) if batch.millis_behind_latest != Some(0) => place = next.clone(),
            _ => return (records, batch),
        }
    }
}

async fn read(client: &Client, shard: &str) -> (Vec<Record>, GetRecordsOutput) {
    read_from(client, iterator(client, shard, TrimHorizon, None, None).await).await
}

/// A closed shard ends with its children, and names their parents and hash ranges.
fn ends_with(batch: GetRecordsOutput, parents: &[&str], ranges: &[(u128, u128)]) -> Vec<ChildShard> {
    assert_eq!(batch.next_shard_iterator, None);
    let mut children = batch.child_shards.unwrap();
    children.sort_by_key(|child| range(child.hash_key_range.as_ref()));
    assert_eq!(children.iter().map(|child| range(child.hash_key_range.as_ref())).collect::<Vec<_>>(), ranges);
    for child in &mut children {
        child.parent_shards.sort();
        assert_eq!(child.parent_shards, parents);
    }
    children
}

fn range(range: Option<&HashKeyRange>) -> (u128, u128) {
    let range = range.expect("every shard has one");
    (range.starting_hash_key.parse().unwrap(), range.ending_hash_key.parse().unwrap())
}

fn data(records: &[Record]) -> Vec<&[u8]> {
    records.iter().map(|record| record.data.as_ref()).collect()
}

/// Sequence numbers are integers of any length: the longer is the larger.
fn rising(records: &[Record]) {
    let order = |record: &Record| (record.sequence_number.len(), record.sequence_number.clone());
    assert!(records.is_sorted_by(|a, b| order(a) < order(b)));
}

#[track_caller]
fn refused<T: std::fmt::Debug, E: ProvideErrorMetadata, R>(code: &str, answer: Result<T, SdkError<E, R>>) {
    let failure = answer.expect_err(code);
    assert_eq!(failure.code(), Some(code), "{:?}", failure.message());
}
