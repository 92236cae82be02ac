//! Valid requests of every operation, in both forms: what mutations begin with.

use minicbor::Encoder;
use serde_json::{Value, json};

use super::wire::{Connection, Head};

pub(super) const JSON: &str = "application/x-amz-json-1.1";
pub(super) const CBOR: &str = "application/x-amz-cbor-1.1";

/// `{}`, packed.
const GZIP: [u8; 22] = [31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 171, 174, 5, 0, 67, 191, 166, 163, 2, 0, 0, 0];

const STREAM: &str = "unicorns";
const SHARD: &str = "shardId-000000000000";
const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/unicorns";

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) operation: &'static str,
    pub(super) content_type: &'static str,
    pub(super) gzip: bool,
    pub(super) body: Vec<u8>,
}

/// Every operation in both forms, and a packed body.
pub(super) fn calls() -> Vec<Call> {
    let both = |(operation, value): (&'static str, Value)| {
        let mut encoder = Encoder::new(Vec::new());
        cbor(&mut encoder, &value);
        let json = Call { operation, content_type: JSON, gzip: false, body: value.to_string().into_bytes() };
        [Call { content_type: CBOR, body: encoder.into_writer(), ..json.clone() }, json]
    };
    let packed = Call { operation: "ListStreams", content_type: JSON, gzip: true, body: GZIP.to_vec() };
    inputs().into_iter().flat_map(both).chain([packed]).collect()
}

/// Gives the server the one stream it had at first.
pub(super) async fn clean(connection: &mut Connection) {
    let (_, listed) = connection.call(&call("ListStreams", &json!({ "Limit": 10_000 }))).await;
    let listed: Value = serde_json::from_slice(&listed).expect("JSON");
    for name in listed["StreamNames"].as_array().expect("names") {
        connection.call(&call("DeleteStream", &json!({ "StreamName": name, "EnforceConsumerDeletion": true }))).await;
    }
    // Another connection may have been quicker.
    connection.call(&call("CreateStream", &json!({ "StreamName": STREAM, "ShardCount": 2 }))).await;
}

fn call(operation: &'static str, input: &Value) -> Vec<u8> {
    let call = Call { operation, content_type: JSON, gzip: false, body: input.to_string().into_bytes() };
    Head::of(&call).with(&call.body)
}

fn cbor(encoder: &mut Encoder<Vec<u8>>, value: &Value) {
    let written = match value {
        Value::Null => encoder.null(),
        Value::Bool(yes) => encoder.bool(*yes),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => encoder.i64(whole),
            None => encoder.f64(number.as_f64().expect("a number")),
        },
        Value::String(text) => encoder.str(text),
        Value::Array(values) => encoder.array(values.len() as u64),
        Value::Object(members) => encoder.map(members.len() as u64),
    };
    written.expect("memory takes it");
    match value {
        Value::Array(values) => values.iter().for_each(|value| cbor(encoder, value)),
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            encoder.str(name).expect("memory takes it");
            cbor(encoder, value);
        }),
        _ => {}
    }
}

fn inputs() -> Vec<(&'static str, Value)> {
    let record = json!({ "PartitionKey": "Shadowfax", "Data": "eyJOYW1lIjoiU2hhZG93ZmF4In0=", "ExplicitHashKey": "7" });
    let mut with_stream = record.clone();
    with_stream["StreamName"] = json!(STREAM);
    let position = json!({ "Type": "AT_TIMESTAMP", "Timestamp": 1_700_000_000.5 });
    let consumer = format!("{ARN}/consumer/map:1700000000");
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kinesis:GetRecords","Resource":"*"}]}"#;
    let key = "arn:aws:kms:us-east-1:000000000000:key/1";
    vec![
        ("AddTagsToStream", json!({ "StreamName": STREAM, "Tags": { "team": "blue", "stage": "test" } })),
        ("CreateStream", json!({ "StreamName": "zebras", "ShardCount": 1, "Tags": { "a": "b" } })),
        ("CreateStream", json!({ "StreamName": "zebras", "StreamModeDetails": { "StreamMode": "ON_DEMAND" } })),
        ("DecreaseStreamRetentionPeriod", json!({ "StreamName": STREAM, "RetentionPeriodHours": 24 })),
        ("DeleteResourcePolicy", json!({ "ResourceARN": ARN })),
        ("DeleteStream", json!({ "StreamName": "zebras", "EnforceConsumerDeletion": true })),
        ("DeregisterStreamConsumer", json!({ "StreamARN": ARN, "ConsumerName": "map" })),
        ("DescribeAccountSettings", json!({})),
        ("DescribeLimits", json!({})),
        ("DescribeStream", json!({ "StreamName": STREAM, "Limit": 10, "ExclusiveStartShardId": SHARD })),
        ("DescribeStreamConsumer", json!({ "ConsumerARN": consumer })),
        ("DescribeStreamSummary", json!({ "StreamARN": ARN })),
        ("DisableEnhancedMonitoring", json!({ "StreamName": STREAM, "ShardLevelMetrics": ["ALL"] })),
        ("EnableEnhancedMonitoring", json!({ "StreamName": STREAM, "ShardLevelMetrics": ["IncomingBytes"] })),
        ("GetRecords", json!({ "ShardIterator": "AAAAAAAAAAFd0000", "Limit": 10, "StreamARN": ARN })),
        ("GetResourcePolicy", json!({ "ResourceARN": ARN })),
        (
            "GetShardIterator",
            json!({ "StreamName": STREAM, "ShardId": SHARD, "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 1_700_000_000 }),
        ),
        (
            "GetShardIterator",
            json!({
                "StreamName": STREAM, "ShardId": SHARD, "ShardIteratorType": "AFTER_SEQUENCE_NUMBER",
                "StartingSequenceNumber": "49646437577108476416916876405825929425585429676275269634"
            }),
        ),
        ("IncreaseStreamRetentionPeriod", json!({ "StreamName": STREAM, "RetentionPeriodHours": 48 })),
        (
            "ListShards",
            json!({ "StreamName": STREAM, "MaxResults": 10, "ShardFilter": { "Type": "FROM_TIMESTAMP", "Timestamp": 1.5e9 } }),
        ),
        ("ListStreamConsumers", json!({ "StreamARN": ARN, "MaxResults": 5 })),
        ("ListStreams", json!({ "Limit": 10, "ExclusiveStartStreamName": "a" })),
        ("ListTagsForResource", json!({ "ResourceARN": ARN })),
        ("ListTagsForStream", json!({ "StreamName": STREAM, "Limit": 10, "ExclusiveStartTagKey": "a" })),
        (
            "MergeShards",
            json!({ "StreamName": STREAM, "ShardToMerge": SHARD, "AdjacentShardToMerge": "shardId-000000000001" }),
        ),
        ("PutRecord", with_stream),
        ("PutRecords", json!({ "StreamName": STREAM, "Records": [record.clone(), record.clone(), record] })),
        ("PutResourcePolicy", json!({ "ResourceARN": ARN, "Policy": policy })),
        ("RegisterStreamConsumer", json!({ "StreamARN": ARN, "ConsumerName": "map" })),
        ("RemoveTagsFromStream", json!({ "StreamName": STREAM, "TagKeys": ["team", "stage"] })),
        (
            "SplitShard",
            json!({ "StreamName": STREAM, "ShardToSplit": SHARD, "NewStartingHashKey": "85070591730234615865843651857942052864" }),
        ),
        ("StartStreamEncryption", json!({ "StreamName": STREAM, "EncryptionType": "KMS", "KeyId": key })),
        ("StopStreamEncryption", json!({ "StreamName": STREAM, "EncryptionType": "KMS", "KeyId": key })),
        ("SubscribeToShard", json!({ "ConsumerARN": consumer, "ShardId": SHARD, "StartingPosition": position })),
        ("TagResource", json!({ "ResourceARN": ARN, "Tags": { "team": "red" } })),
        ("UntagResource", json!({ "ResourceARN": ARN, "TagKeys": ["team"] })),
        ("UpdateMaxRecordSize", json!({ "StreamARN": ARN, "MaxRecordSizeInKiB": 2048 })),
        ("UpdateShardCount", json!({ "StreamName": STREAM, "TargetShardCount": 3, "ScalingType": "UNIFORM_SCALING" })),
        ("UpdateStreamMode", json!({ "StreamARN": ARN, "StreamModeDetails": { "StreamMode": "PROVISIONED" } })),
        ("UpdateStreamWarmThroughput", json!({ "StreamARN": ARN, "WarmThroughputMiBps": 10 })),
    ]
}
