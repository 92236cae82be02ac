//! `DryRun`: every check is made, and nothing else is.

use std::time::Duration;

use aws_sdk_kinesis::types::{ShardIteratorType, StartingPosition};
use serde_json::{Value, json};

use crate::kinesis::client;
use crate::server::Server;

const SHARD: &str = "shardId-000000000000";
const CONSUMER: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s/consumer/c:1700000000";

/// A stream `s` with a consumer `c`.
async fn start() -> Server {
    let server = Server::start().await;
    assert!(server.kinesis("CreateStream", r#"{"StreamName":"s","ShardCount":1}"#).await.status.is_success());
    let consumer = r#"{"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s","ConsumerName":"c"}"#;
    assert!(server.kinesis("RegisterStreamConsumer", consumer).await.status.is_success());
    server
}

/// The name of the error of a rehearsal, which there always is.
async fn rehearse(server: &Server, operation: &str, mut body: Value) -> String {
    body["DryRun"] = json!(true);
    let answer = server.kinesis(operation, &body.to_string()).await;
    assert_eq!(answer.status.as_u16(), 400, "{operation} {body}");
    answer.json()["__type"].as_str().unwrap().to_owned()
}

async fn iterator(server: &Server) -> String {
    let body = json!({"StreamName": "s", "ShardId": SHARD, "ShardIteratorType": "TRIM_HORIZON"});
    let answer = server.kinesis("GetShardIterator", &body.to_string()).await;
    answer.json()["ShardIterator"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_rehearsal_finds_what_the_request_would_and_does_nothing() {
    let server = start().await;
    let iterator = iterator(&server).await;
    let large = "A".repeat((1 << 20) / 3 * 4 + 8);
    let at = json!({"Type": "LATEST"});
    for (operation, body, name) in [
        ("PutRecord", json!({"StreamName": "s", "Data": "", "PartitionKey": "k"}), "DryRunOperationException"),
        ("PutRecord", json!({"StreamName": "t", "Data": "", "PartitionKey": "k"}), "ResourceNotFoundException"),
        ("PutRecord", json!({"StreamName": "s", "Data": large, "PartitionKey": "k"}), "ValidationException"),
        ("PutRecord", json!({"StreamName": "s", "Data": "%", "PartitionKey": "k"}), "SerializationException"),
        (
            "PutRecords",
            json!({"StreamName": "s", "Records": [{"Data": "", "PartitionKey": "k"}]}),
            "DryRunOperationException",
        ),
        (
            "PutRecords",
            json!({"StreamName": "s", "Records": [{"Data": large, "PartitionKey": "k"}]}),
            "ValidationException",
        ),
        ("PutRecords", json!({"StreamName": "s", "Records": []}), "ValidationException"),
        (
            "GetShardIterator",
            json!({"StreamName": "s", "ShardId": SHARD, "ShardIteratorType": "LATEST"}),
            "DryRunOperationException",
        ),
        (
            "GetShardIterator",
            json!({"StreamName": "s", "ShardId": "shardId-000000000001", "ShardIteratorType": "LATEST"}),
            "ResourceNotFoundException",
        ),
        (
            "GetShardIterator",
            json!({"StreamName": "s", "ShardId": SHARD, "ShardIteratorType": "AT_TIMESTAMP"}),
            "InvalidArgumentException",
        ),
        ("GetRecords", json!({"ShardIterator": iterator}), "DryRunOperationException"),
        ("GetRecords", json!({"ShardIterator": "garbled"}), "InvalidArgumentException"),
        (
            "SubscribeToShard",
            json!({"ConsumerARN": CONSUMER, "ShardId": SHARD, "StartingPosition": at}),
            "DryRunOperationException",
        ),
        (
            "SubscribeToShard",
            json!({"ConsumerARN": CONSUMER.replace("/c:", "/d:"), "ShardId": SHARD, "StartingPosition": at}),
            "ResourceNotFoundException",
        ),
    ] {
        assert_eq!(rehearse(&server, operation, body.clone()).await, name, "{operation}");
    }
    let read = server.kinesis("GetRecords", &json!({"ShardIterator": iterator}).to_string()).await;
    assert_eq!(read.json()["Records"], json!([]), "nothing was put");

    // A rehearsed subscription protects nobody, a real one protects itself.
    let subscribe = json!({"ConsumerARN": CONSUMER, "ShardId": SHARD, "StartingPosition": at});
    let refused_after = async |secs| {
        server.clock.advance(Duration::from_secs(secs));
        rehearse(&server, "SubscribeToShard", subscribe.clone()).await
    };
    let latest = StartingPosition::builder().r#type(ShardIteratorType::Latest).build().unwrap();
    let real = client(&server).subscribe_to_shard().consumer_arn(CONSUMER).shard_id(SHARD).starting_position(latest);
    let _subscription = real.send().await.unwrap();
    assert_eq!(refused_after(4).await, "ResourceInUseException");
    assert_eq!(refused_after(1).await, "DryRunOperationException");
    server.clock.advance(Duration::from_secs(300));
    let late = rehearse(&server, "GetRecords", json!({"ShardIterator": iterator})).await;
    assert_eq!(late, "ExpiredIteratorException");
}
