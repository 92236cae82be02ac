//! What a client without an SDK sees.

use http::StatusCode;
use model::testing::clock::ManualClock;
use serde_json::{Value, json};
use std::time::Duration;

use crate::server::Server;

pub(crate) async fn check_error(server: &Server, operation: &str, body: &str, name: &str) {
    let answer = server.kinesis(operation, body).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{operation} {body}");
    let error = answer.json();
    assert_eq!(error["__type"], name, "{operation} {body}: {error}");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
    assert!(answer.headers.contains_key("x-amzn-requestid") && answer.headers.contains_key("x-amz-id-2"));
}

#[tokio::test]
async fn wrong_requests_are_refused_by_name() {
    let server = Server::start().await;
    server.kinesis("CreateStream", r#"{"StreamName":"s","ShardCount":1}"#).await;
    let long_key = format!(r#"{{"StreamName":"s","Data":"","PartitionKey":"{}"}}"#, "k".repeat(257));
    for (operation, body, name) in [
        ("Frobnicate", "{}", "UnknownOperationException"),
        ("ListStreams", "{", "SerializationException"),
        ("ListStreams", "[]", "SerializationException"),
        ("PutRecord", r#"{"StreamName":5}"#, "SerializationException"),
        ("PutRecord", r#"{"StreamName":"s","Data":"%%","PartitionKey":"k"}"#, "SerializationException"),
        ("PutRecord", r#"{"StreamName":"s","PartitionKey":"k"}"#, "ValidationException"),
        ("PutRecord", r#"{"StreamName":"s","Data":""}"#, "ValidationException"),
        ("PutRecord", r#"{"StreamName":"s","Data":"","PartitionKey":""}"#, "ValidationException"),
        ("PutRecord", &long_key, "ValidationException"),
        (
            "PutRecord",
            r#"{"StreamName":"s","Data":"","PartitionKey":"k","ExplicitHashKey":"01"}"#,
            "ValidationException",
        ),
        ("PutRecord", r#"{"StreamName":"s","Data":"","PartitionKey":"k","DryRun":true}"#, "DryRunOperationException"),
        ("PutRecord", r#"{"StreamName":"no","Data":"","PartitionKey":"k"}"#, "ResourceNotFoundException"),
        ("PutRecord", r#"{"Data":"","PartitionKey":"k"}"#, "InvalidArgumentException"),
        ("PutRecords", r#"{"StreamName":"s","Records":[]}"#, "ValidationException"),
        ("CreateStream", r#"{"StreamName":"s","ShardCount":1}"#, "ResourceInUseException"),
        ("CreateStream", r#"{"StreamName":"a b"}"#, "ValidationException"),
        ("CreateStream", r#"{"StreamName":"t","ShardCount":0}"#, "ValidationException"),
        ("CreateStream", r#"{"StreamName":"t","Tags":{"a*b":"b"}}"#, "InvalidArgumentException"),
        ("CreateStream", r#"{"StreamName":"t","MaxRecordSizeInKiB":10241}"#, "ValidationException"),
        ("DescribeStream", r#"{"StreamId":"x"}"#, "InvalidArgumentException"),
        ("GetRecords", r#"{"ShardIterator":"nonsense"}"#, "InvalidArgumentException"),
        ("GetRecords", r#"{"ShardIterator":"x","Limit":10001}"#, "ValidationException"),
        (
            "GetShardIterator",
            r#"{"StreamName":"s","ShardId":"shardId-000000000009","ShardIteratorType":"LATEST"}"#,
            "ResourceNotFoundException",
        ),
        (
            "GetShardIterator",
            r#"{"StreamName":"s","ShardId":"shardId-000000000000","ShardIteratorType":"MIDDLE"}"#,
            "ValidationException",
        ),
        (
            "GetShardIterator",
            r#"{"StreamName":"s","ShardId":"shardId-000000000000","ShardIteratorType":"AT_TIMESTAMP"}"#,
            "InvalidArgumentException",
        ),
        ("ListShards", r#"{"NextToken":"x"}"#, "InvalidArgumentException"),
    ] {
        check_error(&server, operation, body, name).await;
    }
    let bare = server.post("/", "{}").await;
    assert_eq!(bare.json()["__type"], "UnknownOperationException");
}

#[tokio::test]
async fn without_a_shard_count_a_stream_is_on_demand_with_four_shards() {
    let server = Server::start().await;
    let created = server.kinesis("CreateStream", r#"{"StreamName":"s"}"#).await;
    assert_eq!((created.status, created.body.len()), (StatusCode::OK, 0));
    let summary = server.kinesis("DescribeStreamSummary", r#"{"StreamName":"s"}"#).await.json();
    let summary = &summary["StreamDescriptionSummary"];
    assert_eq!(summary["OpenShardCount"], 4);
    assert_eq!(summary["StreamModeDetails"], json!({"StreamMode": "ON_DEMAND"}));
}

async fn iterator(server: &Server, shard: u32) -> String {
    let body =
        json!({"StreamName": "s", "ShardId": format!("shardId-{shard:012}"), "ShardIteratorType": "TRIM_HORIZON"});
    let answer = server.kinesis("GetShardIterator", &body.to_string()).await.json();
    answer["ShardIterator"].as_str().unwrap().to_owned()
}

async fn read(server: &Server, iterator: &str) -> Value {
    server.kinesis("GetRecords", &json!({"ShardIterator": iterator}).to_string()).await.json()
}

#[tokio::test]
async fn iterators_expire_and_forgive_quotes() {
    let server = Server::start().await;
    server.kinesis("CreateStream", r#"{"StreamName":"s","ShardCount":1}"#).await;
    let iterator = iterator(&server, 0).await;
    assert!(read(&server, &format!("\"{iterator}\"")).await["NextShardIterator"].is_string());
    ManualClock::advance(&server.clock, Duration::from_millis(300_001));
    assert_eq!(read(&server, &iterator).await["__type"], "ExpiredIteratorException");
}

#[tokio::test]
async fn a_closed_shard_ends_with_its_children() {
    let server = Server::start().await;
    server.kinesis("CreateStream", r#"{"StreamName":"s","ShardCount":1}"#).await;
    server.kinesis("PutRecord", r#"{"StreamName":"s","Data":"aGk=","PartitionKey":"k\n\"é"}"#).await;
    let change = model::stream::shard::Reshard::Split {
        shard: model::stream::shard::ShardId(0),
        at: model::stream::hash_key::HashKey(1 << 127),
    };
    server.state.streams.reshard(&"s".parse().unwrap(), change).await.unwrap();
    let batch = read(&server, &iterator(&server, 0).await).await;
    assert_eq!(batch["Records"][0]["PartitionKey"], "k\n\"é");
    assert_eq!(batch["NextShardIterator"], Value::Null);
    assert_eq!(batch["ChildShards"].as_array().unwrap().len(), 2);
    assert_eq!(batch["ChildShards"][0]["ParentShards"], json!(["shardId-000000000000"]));
    let shards = server.kinesis("ListShards", r#"{"StreamName":"s","ShardFilter":{"Type":"AT_LATEST"}}"#).await.json();
    assert_eq!(shards["Shards"].as_array().unwrap().len(), 2);
    let first = server.kinesis("ListShards", r#"{"StreamName":"s","MaxResults":2}"#).await.json();
    let next = json!({"NextToken": first["NextToken"]}).to_string();
    let rest = server.kinesis("ListShards", &next).await.json();
    assert_eq!(rest["Shards"][0]["ShardId"], "shardId-000000000002");
    assert_eq!(rest["NextToken"], Value::Null);
}

/// One request must not take the process down, however it is nested.
#[tokio::test]
async fn bodies_nested_beyond_any_stack_are_refused() {
    let server = Server::start().await;
    for open in [r#"{"x":"#, r#"{"x":["#] {
        check_error(&server, "ListStreams", &open.repeat(200_000), "SerializationException").await;
    }
    let unknown = format!(r#"{{"x":{}{}}}"#, "[".repeat(15), "]".repeat(15));
    assert_eq!(server.kinesis("ListStreams", &unknown).await.status, StatusCode::OK);
    let keys = r#"{"Data":"","PartitionKey":"[{[{[{"},"#.repeat(499);
    server.kinesis("CreateStream", r#"{"StreamName":"s","ShardCount":1}"#).await;
    let body = format!(r#"{{"StreamName":"s","Records":[{}]}}"#, keys.trim_end_matches(','));
    assert_eq!(server.kinesis("PutRecords", &body).await.json()["FailedRecordCount"], 0);
}

/// The end of a closed shard is a place too: its reader goes on with the children.
#[tokio::test]
async fn a_reader_may_begin_at_the_end_of_a_closed_shard() {
    let server = Server::start().await;
    server.kinesis("CreateStream", r#"{"StreamName":"s","ShardCount":1}"#).await;
    let change = model::stream::shard::Reshard::Split {
        shard: model::stream::shard::ShardId(0),
        at: model::stream::hash_key::HashKey(1 << 127),
    };
    server.state.streams.reshard(&"s".parse().unwrap(), change).await.unwrap();
    let shards = server.kinesis("ListShards", r#"{"StreamName":"s"}"#).await.json();
    let range = &shards["Shards"][0]["SequenceNumberRange"];
    for kind in ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"] {
        for end in ["StartingSequenceNumber", "EndingSequenceNumber"] {
            let body = json!({
                "StreamName": "s", "ShardId": "shardId-000000000000",
                "ShardIteratorType": kind, "StartingSequenceNumber": range[end],
            });
            let answer = server.kinesis("GetShardIterator", &body.to_string()).await.json();
            let batch = read(&server, answer["ShardIterator"].as_str().unwrap()).await;
            assert_eq!(batch["ChildShards"].as_array().map(Vec::len), Some(2), "{kind} {end}: {batch}");
        }
    }
}
