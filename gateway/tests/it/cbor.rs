//! What a client that speaks CBOR sees: the SDKs for Java, and so the Kinesis Client Library.

use http::{Request, StatusCode};
use minicbor::data::Tag;
use minicbor::encode::Encoder;

use crate::server::{Answer, Server};

async fn cbor(server: &Server, operation: &str, body: &[u8]) -> Answer {
    let request = Request::post(format!("http://{}/", server.address))
        .header("x-amz-target", format!("Kinesis_20131202.{operation}"))
        .header("content-type", "application/x-amz-cbor-1.1");
    let answer = server.send_bytes(request.body(body.to_vec()).unwrap()).await;
    assert_eq!(answer.headers["content-type"], "application/x-amz-cbor-1.1");
    answer
}

fn diagnostic(answer: &Answer) -> String {
    minicbor::display(&answer.body).to_string()
}

/// A map without a length whose values are texts, as Jackson writes it.
fn texts(members: &[(&str, &str)]) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    encoder.begin_map().unwrap();
    for (name, value) in members {
        encoder.str(name).unwrap().str(value).unwrap();
    }
    encoder.end().unwrap();
    encoder.into_writer()
}

const FIRST: &str = "49646437577108476416916876405825929425585429676275269634";
const SECOND: &str = "49646437577108476416916876405827138351405044305449975810";

async fn with_two_records() -> Server {
    let server = Server::start().await;
    let mut create = Encoder::new(Vec::new());
    create.begin_map().unwrap().str("StreamName").unwrap().str("s").unwrap();
    create.str("ShardCount").unwrap().u8(1).unwrap().end().unwrap();
    let created = cbor(&server, "CreateStream", create.writer()).await;
    assert_eq!((created.status, created.body.len()), (StatusCode::OK, 0));

    let mut put = Encoder::new(Vec::new());
    put.begin_map().unwrap().str("StreamName").unwrap().str("s").unwrap();
    put.str("Data").unwrap().bytes(&[0, 255, 1]).unwrap();
    put.str("PartitionKey").unwrap().str("k").unwrap().end().unwrap();
    let put = cbor(&server, "PutRecord", put.writer()).await;
    assert_eq!(diagnostic(&put), format!(r#"{{"SequenceNumber": "{FIRST}", "ShardId": "shardId-000000000000"}}"#));

    let mut put = Encoder::new(Vec::new());
    put.begin_map().unwrap().str("Records").unwrap().begin_array().unwrap().begin_map().unwrap();
    put.str("PartitionKey").unwrap().begin_str().unwrap().str("é").unwrap().str("\"").unwrap().end().unwrap();
    put.str("Data").unwrap().bytes(b"").unwrap().end().unwrap().end().unwrap();
    put.str("StreamName").unwrap().str("s").unwrap().end().unwrap();
    let put = cbor(&server, "PutRecords", put.writer()).await;
    let records = format!(r#"[{{"SequenceNumber": "{SECOND}", "ShardId": "shardId-000000000000"}}]"#);
    assert_eq!(diagnostic(&put), format!(r#"{{"FailedRecordCount": 0, "Records": {records}}}"#));
    server
}

/// Where the shard begins.
const OF_SHARD: [(&str, &str); 3] =
    [("StreamName", "s"), ("ShardId", "shardId-000000000000"), ("ShardIteratorType", "TRIM_HORIZON")];

/// The text that follows `"ShardIterator": ` in a map of one member.
fn iterator(answer: &Answer) -> String {
    let mut decoder = minicbor::Decoder::new(&answer.body);
    assert_eq!((decoder.map().unwrap(), decoder.str().unwrap()), (Some(1), "ShardIterator"));
    decoder.str().unwrap().to_owned()
}

#[tokio::test]
async fn records_are_put_and_read() {
    let server = with_two_records().await;
    let found = iterator(&cbor(&server, "GetShardIterator", &texts(&OF_SHARD)).await);
    let batch = diagnostic(&cbor(&server, "GetRecords", &texts(&[("ShardIterator", &found)])).await);
    let record = |number: &str, data: &str, key: &str| {
        format!(
            r#"{{"SequenceNumber": "{number}", "ApproximateArrivalTimestamp": 1(1700000000000), "Data": h'{data}', "PartitionKey": "{key}"}}"#
        )
    };
    let records = [record(FIRST, "00 ff 01", "k"), record(SECOND, "", "é\"")].join(", ");
    assert!(batch.contains(&format!(r#""Records": [{records}]"#)), "{batch}");
    assert!(batch.contains(r#""MillisBehindLatest": 0"#) && batch.contains(r#""NextShardIterator": ""#), "{batch}");
}

#[tokio::test]
async fn answers_say_that_records_are_encrypted() {
    let server = with_two_records().await;
    let begin = [("StreamName", "s"), ("EncryptionType", "KMS"), ("KeyId", "alias/one")];
    assert_eq!(cbor(&server, "StartStreamEncryption", &texts(&begin)).await.status, StatusCode::OK);
    let mut put = Encoder::new(Vec::new());
    put.map(2).unwrap().str("StreamName").unwrap().str("s").unwrap().str("Records").unwrap().array(1).unwrap();
    put.map(2).unwrap().str("PartitionKey").unwrap().str("k").unwrap().str("Data").unwrap().bytes(b"a").unwrap();
    let many = diagnostic(&cbor(&server, "PutRecords", put.writer()).await);
    assert!(many.starts_with(r#"{"EncryptionType": "KMS", "FailedRecordCount": 0, "Records": [{"#), "{many}");
    let mut put = Encoder::new(Vec::new());
    put.map(3).unwrap().str("StreamName").unwrap().str("s").unwrap();
    put.str("PartitionKey").unwrap().str("k").unwrap().str("Data").unwrap().bytes(b"a").unwrap();
    let one = diagnostic(&cbor(&server, "PutRecord", put.writer()).await);
    assert!(one.ends_with(r#""ShardId": "shardId-000000000000", "EncryptionType": "KMS"}"#), "{one}");
    let read = async || {
        let found = iterator(&cbor(&server, "GetShardIterator", &texts(&OF_SHARD)).await);
        diagnostic(&cbor(&server, "GetRecords", &texts(&[("ShardIterator", &found)])).await)
    };
    let batch = read().await;
    assert_eq!(batch.matches(r#""PartitionKey": "k", "EncryptionType": "KMS"}"#).count(), 3, "{batch}");
    assert_eq!(cbor(&server, "StopStreamEncryption", &texts(&begin)).await.status, StatusCode::OK);
    let batch = read().await;
    assert!(batch.contains(r#""PartitionKey": "k"}"#) && !batch.contains("EncryptionType"), "{batch}");
}

#[tokio::test]
async fn times_are_read_tagged_or_not_whole_or_not() {
    let server = with_two_records().await;
    for (tagged, float) in [(false, false), (false, true), (true, false), (true, true)] {
        for (millis, records) in [(1_700_000_000_000i64, 2), (1_700_000_000_001, 0)] {
            let mut input = Encoder::new(Vec::new());
            input.map(4).unwrap().str("StreamName").unwrap().str("s").unwrap();
            input.str("ShardId").unwrap().str("shardId-000000000000").unwrap();
            input.str("ShardIteratorType").unwrap().str("AT_TIMESTAMP").unwrap().str("Timestamp").unwrap();
            if tagged {
                input.tag(Tag::new(1)).unwrap();
            }
            if float { input.f64(millis as f64) } else { input.i64(millis) }.unwrap();
            let found = iterator(&cbor(&server, "GetShardIterator", input.writer()).await);
            let batch = diagnostic(&cbor(&server, "GetRecords", &texts(&[("ShardIterator", &found)])).await);
            assert_eq!(batch.matches("SequenceNumber").count(), records, "{tagged} {float} {millis}: {batch}");
        }
    }
}

#[tokio::test]
async fn descriptions_and_errors_are_cbor_too() {
    let server = with_two_records().await;
    let described = diagnostic(&cbor(&server, "DescribeStreamSummary", &texts(&[("StreamName", "s")])).await);
    assert!(described.contains(r#""StreamCreationTimestamp": 1(1700000000000)"#), "{described}");
    let listed = diagnostic(&cbor(&server, "ListShards", &texts(&[("StreamName", "s")])).await);
    assert!(listed.contains(r#""EndingHashKey": "340282366920938463463374607431768211455""#), "{listed}");
    let missing = cbor(&server, "DescribeStream", &texts(&[("StreamName", "no")])).await;
    let error =
        r#"{"__type": "ResourceNotFoundException", "message": "Stream no under account 000000000000 not found."}"#;
    assert_eq!((missing.status, diagnostic(&missing).as_str()), (StatusCode::BAD_REQUEST, error));
    assert_eq!(missing.headers["x-amzn-errortype"], "ResourceNotFoundException");
    let unknown = diagnostic(&cbor(&server, "Frobnicate", b"").await);
    assert!(unknown.contains("UnknownOperationException"), "{unknown}");
    let garbled = diagnostic(&cbor(&server, "ListStreams", b"{}").await);
    assert!(garbled.contains("SerializationException"), "{garbled}");
}
