//! Streams and shards page by page, and filtered.

use std::time::Duration;

use serde_json::{Value, json};

use crate::raw::check_error;
use crate::server::Server;

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";

async fn ask(server: &Server, operation: &str, body: Value) -> Value {
    let answer = server.kinesis(operation, &body.to_string()).await;
    assert!(answer.status.is_success(), "{operation} {body}: {}", answer.json());
    if answer.body.is_empty() { Value::Null } else { answer.json() }
}

/// A stream `s` of so many shards.
async fn with_shards(shards: u32) -> Server {
    let server = Server::start().await;
    ask(&server, "CreateStream", json!({"StreamName": "s", "ShardCount": shards})).await;
    server
}

fn ids(shards: &Value) -> Vec<u32> {
    let id = |shard: &Value| shard["ShardId"].as_str().unwrap()["shardId-".len()..].parse().unwrap();
    shards.as_array().unwrap().iter().map(id).collect()
}

async fn check_shards(server: &Server, body: Value, expected: impl IntoIterator<Item = u32>) -> Value {
    let answer = ask(server, "ListShards", body.clone()).await;
    assert_eq!(ids(&answer["Shards"]), expected.into_iter().collect::<Vec<_>>(), "{body}");
    answer["NextToken"].clone()
}

#[tokio::test]
async fn shards_are_listed_page_by_page() {
    let server = with_shards(5).await;
    let token = check_shards(&server, json!({"StreamName": "s", "MaxResults": 2}), 0..2).await;
    let token = check_shards(&server, json!({"NextToken": token, "MaxResults": 2}), 2..4).await;
    // A token is good more than once, and the page's size may change.
    for last in [json!({"NextToken": token}), json!({"NextToken": token, "MaxResults": 1, "StreamARN": ARN})] {
        assert_eq!(check_shards(&server, last, 4..5).await, Value::Null);
    }
    check_shards(&server, json!({"StreamARN": ARN, "ExclusiveStartShardId": "shardId-000000000002"}), 3..5).await;
    check_shards(&server, json!({"StreamName": "s", "StreamCreationTimestamp": 1_700_000_000}), 0..5).await;

    let token = token.as_str().unwrap();
    for (body, name) in [
        (json!({"StreamName": "s", "MaxResults": 0}), "ValidationException"),
        (json!({"StreamName": "s", "MaxResults": 10_001}), "ValidationException"),
        (json!({"StreamName": "s", "ExclusiveStartShardId": "a b"}), "ValidationException"),
        (json!({"StreamName": "s", "StreamCreationTimestamp": 1_600_000_000}), "ResourceNotFoundException"),
        (json!({"StreamName": "t"}), "ResourceNotFoundException"),
        (json!({}), "InvalidArgumentException"),
        (json!({"NextToken": token, "StreamName": "s"}), "InvalidArgumentException"),
        (json!({"NextToken": token, "StreamCreationTimestamp": 1_700_000_000}), "InvalidArgumentException"),
        (json!({"NextToken": token, "ExclusiveStartShardId": "shardId-000000000000"}), "InvalidArgumentException"),
        (json!({"NextToken": token, "StreamARN": ARN.replace("/s", "/t")}), "InvalidArgumentException"),
        (json!({"NextToken": token, "ShardFilter": {"Type": "AT_LATEST"}}), "InvalidArgumentException"),
        (json!({"NextToken": token, "StreamId": "x"}), "InvalidArgumentException"),
        (json!({"NextToken": &token[4..]}), "InvalidArgumentException"),
    ] {
        check_error(&server, "ListShards", &body.to_string(), name).await;
    }
    server.clock.advance(Duration::from_secs(300));
    check_shards(&server, json!({"NextToken": token}), 4..5).await;
    server.clock.advance(Duration::from_millis(1));
    let late = json!({"NextToken": token}).to_string();
    check_error(&server, "ListShards", &late, "ExpiredNextTokenException").await;
}

/// A token leads to the stream it was made for, not to a later one of its name.
#[tokio::test]
async fn a_token_outlives_its_stream_in_vain() {
    let server = with_shards(2).await;
    let token = check_shards(&server, json!({"StreamName": "s", "MaxResults": 1}), 0..1).await;
    ask(&server, "DeleteStream", json!({"StreamName": "s"})).await;
    server.clock.advance(Duration::from_secs(1));
    ask(&server, "CreateStream", json!({"StreamName": "s", "ShardCount": 2})).await;
    let body = json!({"NextToken": token}).to_string();
    check_error(&server, "ListShards", &body, "ResourceNotFoundException").await;
}

/// Shard 0 until the 10th second, 1 and 2 until the 20th, and 3, which they were merged to, from then on.
#[tokio::test]
async fn shards_are_filtered_by_time_and_by_id() {
    let server = with_shards(1).await;
    let middle = "170141183460469231731687303715884105728";
    let split = json!({"StreamName": "s", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": middle});
    let [left, right] = ["shardId-000000000001", "shardId-000000000002"];
    let merge = json!({"StreamName": "s", "ShardToMerge": left, "AdjacentShardToMerge": right});
    server.clock.advance(Duration::from_secs(10));
    ask(&server, "SplitShard", split).await;
    server.clock.advance(Duration::from_secs(10));
    ask(&server, "MergeShards", merge).await;
    server.clock.advance(Duration::from_secs(10));
    let start = 1_700_000_000;
    let filtered = |filter: Value| json!({"StreamName": "s", "ShardFilter": filter});
    for (filter, expected) in [
        (json!({"Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000001"}), vec![2, 3]),
        (json!({"Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000003"}), vec![]),
        (json!({"Type": "AT_TRIM_HORIZON"}), vec![0]),
        (json!({"Type": "FROM_TRIM_HORIZON"}), vec![0, 1, 2, 3]),
        (json!({"Type": "AT_LATEST"}), vec![3]),
        (json!({"Type": "AT_TIMESTAMP", "Timestamp": start}), vec![0]),
        // Before the stream was there is where it begins.
        (json!({"Type": "AT_TIMESTAMP", "Timestamp": start - 1000}), vec![0]),
        (json!({"Type": "AT_TIMESTAMP", "Timestamp": start + 9}), vec![0]),
        // Both ends belong to a shard's time.
        (json!({"Type": "AT_TIMESTAMP", "Timestamp": start + 10}), vec![0, 1, 2]),
        (json!({"Type": "AT_TIMESTAMP", "Timestamp": start + 15}), vec![1, 2]),
        (json!({"Type": "AT_TIMESTAMP", "Timestamp": start + 25}), vec![3]),
        (json!({"Type": "FROM_TIMESTAMP", "Timestamp": start - 1000}), vec![0, 1, 2, 3]),
        (json!({"Type": "FROM_TIMESTAMP", "Timestamp": start + 10}), vec![0, 1, 2, 3]),
        (json!({"Type": "FROM_TIMESTAMP", "Timestamp": 1_700_000_010.001}), vec![1, 2, 3]),
        (json!({"Type": "FROM_TIMESTAMP", "Timestamp": start + 21}), vec![3]),
    ] {
        check_shards(&server, filtered(filter), expected).await;
    }
    for (filter, name) in [
        (json!({"Type": "AFTER_SHARD_ID"}), "InvalidArgumentException"),
        (json!({"Type": "AT_TIMESTAMP"}), "InvalidArgumentException"),
        (json!({"Type": "FROM_TIMESTAMP"}), "InvalidArgumentException"),
        (json!({"Type": "SOME"}), "ValidationException"),
    ] {
        check_error(&server, "ListShards", &filtered(filter).to_string(), name).await;
    }
    // The token remembers the filter.
    let filter = json!({"Type": "FROM_TIMESTAMP", "Timestamp": start + 15});
    let first = json!({"StreamName": "s", "MaxResults": 1, "ShardFilter": filter});
    let token = check_shards(&server, first, [1]).await;
    check_shards(&server, json!({"NextToken": token}), [2, 3]).await;
    check_shards(&server, json!({"NextToken": token, "ShardFilter": filter}), [2, 3]).await;
}

#[tokio::test]
async fn a_stream_is_described_page_by_page() {
    let server = with_shards(250).await;
    let mut body = json!({"StreamName": "s"});
    let mut seen = Vec::new();
    loop {
        let page = ask(&server, "DescribeStream", body.clone()).await["StreamDescription"].take();
        let shards = ids(&page["Shards"]);
        assert_eq!(shards.len(), (250 - seen.len()).min(100), "100 unless a limit is named");
        body["ExclusiveStartShardId"] = page["Shards"][shards.len() - 1]["ShardId"].clone();
        seen.extend(shards);
        if page["HasMoreShards"] == false {
            break;
        }
    }
    assert_eq!(seen, (0..250).collect::<Vec<_>>());
    for (limit, found) in [(1, 1), (249, 249), (250, 250), (10_000, 250)] {
        let page = ask(&server, "DescribeStream", json!({"StreamName": "s", "Limit": limit})).await;
        let page = &page["StreamDescription"];
        assert_eq!((ids(&page["Shards"]).len(), &page["HasMoreShards"]), (found, &json!(limit < 250)), "{limit}");
    }
    for limit in [0, 10_001] {
        let body = json!({"StreamName": "s", "Limit": limit}).to_string();
        check_error(&server, "DescribeStream", &body, "ValidationException").await;
    }
}

#[tokio::test]
async fn streams_are_listed_page_by_page() {
    let server = Server::start().await;
    let name = |i: usize| format!("stream-{i:03}");
    for i in 0..105 {
        ask(&server, "CreateStream", json!({"StreamName": name(i), "ShardCount": 1})).await;
    }
    let check = async |body: Value, expected: std::ops::Range<usize>| {
        let page = ask(&server, "ListStreams", body.clone()).await;
        assert_eq!(page["StreamNames"], json!(expected.clone().map(name).collect::<Vec<_>>()), "{body}");
        let summaries = page["StreamSummaries"].as_array().unwrap();
        let summarised: Vec<_> = summaries.iter().map(|summary| summary["StreamName"].clone()).collect();
        assert_eq!(page["StreamNames"], json!(summarised), "{body}");
        assert_eq!(page["HasMoreStreams"], expected.end < 105, "{body}");
        assert_eq!(page["NextToken"].is_string(), expected.end < 105, "{body}");
        page["NextToken"].clone()
    };
    let token = check(json!({}), 0..100).await;
    check(json!({"NextToken": token}), 100..105).await;
    let token = check(json!({"ExclusiveStartStreamName": "stream-009", "Limit": 5}), 10..15).await;
    check(json!({"NextToken": token, "Limit": 90}), 15..105).await;
    check(json!({"ExclusiveStartStreamName": "stream-104"}), 105..105).await;
    for (body, name) in [
        (json!({"Limit": 0}), "ValidationException"),
        (json!({"Limit": 10_001}), "ValidationException"),
        (json!({"NextToken": "x"}), "InvalidArgumentException"),
    ] {
        check_error(&server, "ListStreams", &body.to_string(), name).await;
    }
    server.clock.advance(Duration::from_secs(301));
    let late = json!({"NextToken": token}).to_string();
    check_error(&server, "ListStreams", &late, "ExpiredNextTokenException").await;
}
