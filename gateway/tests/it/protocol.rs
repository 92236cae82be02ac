//! The frame around operations: what is true of every request.

use std::io::Write;

use gateway::state::GatewayOptions;
use http::{Method, Request, StatusCode};
use model::stream::record::Record;
use model::stream::shard::ShardId;
use model::stream::store::ReadLimit;

use crate::server::{Answer, Server};

fn request(server: &Server, operation: &str) -> http::request::Builder {
    Request::post(format!("http://{}/", server.address)).header("x-amz-target", format!("Kinesis_20131202.{operation}"))
}

#[tokio::test]
async fn every_answer_has_ids_and_errors_their_name() {
    let server = Server::start().await;
    let mut ids = std::collections::BTreeSet::new();
    for (operation, body, error) in [
        ("ListStreams", "{}", None),
        ("CreateStream", r#"{"StreamName":"s","ShardCount":1}"#, None),
        ("CreateStream", r#"{"StreamName":"s","ShardCount":1}"#, Some("ResourceInUseException")),
        ("ListStreams", "{", Some("SerializationException")),
        ("Nothing", "", Some("UnknownOperationException")),
    ] {
        let answer = server.kinesis(operation, body).await;
        let header = |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("x-amzn-errortype").as_deref(), error, "{operation} {body}");
        assert_eq!(header("content-type").as_deref(), Some("application/x-amz-json-1.1"));
        assert!(header("date").is_some());
        assert!(ids.insert(header("x-amzn-requestid")) && ids.insert(header("x-amz-id-2")), "ids are never repeated");
    }
}

const OPERATIONS: &str = "AddTagsToStream CreateStream DecreaseStreamRetentionPeriod DeleteResourcePolicy DeleteStream \
    DeregisterStreamConsumer DescribeAccountSettings DescribeLimits DescribeStream DescribeStreamConsumer \
    DescribeStreamSummary DisableEnhancedMonitoring EnableEnhancedMonitoring GetRecords GetResourcePolicy GetShardIterator \
    IncreaseStreamRetentionPeriod ListShards ListStreamConsumers ListStreams ListTagsForResource ListTagsForStream \
    MergeShards PutRecord PutRecords PutResourcePolicy RegisterStreamConsumer RemoveTagsFromStream SplitShard \
    StartStreamEncryption StopStreamEncryption SubscribeToShard TagResource UntagResource UpdateAccountSettings \
    UpdateMaxRecordSize UpdateShardCount UpdateStreamMode UpdateStreamRecordDistributionStrategy \
    UpdateStreamWarmThroughput";

/// What `docs/COMPATIBILITY.md` says of each is there to be read, and no operation is unknown.
#[tokio::test]
async fn all_regular_operations_are_known_and_written_about() {
    let server = Server::start().await;
    let written = include_str!("../../../docs/COMPATIBILITY.md");
    let rows: Vec<_> = written.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" |")).collect();
    assert_eq!(OPERATIONS.split(' ').count(), 40);
    for operation in OPERATIONS.split(' ') {
        let answer = server.kinesis(operation, "{}").await;
        assert!(answer.status.is_success() || answer.json()["__type"] != "UnknownOperationException", "{operation}");
        assert!(rows.iter().any(|(names, _)| names.split(", ").any(|name| name == operation)), "{operation}");
    }
}

/// What AWS has since 2026 and this server does not.
#[tokio::test]
async fn channels_and_queues_are_unknown_operations() {
    let server = Server::start().await;
    let channels = ["CreateChannel", "DeleteChannel", "DescribeChannel", "ListChannels", "UpdateChannel"];
    let queues = [
        "CreateQueue",
        "DeleteQueue",
        "DescribeQueue",
        "ListQueues",
        "UpdateQueue",
        "ReceiveQueueRecords",
        "AcknowledgeQueueRecords",
        "UpdateQueueRecordsVisibility",
        "ReceiveDeadLetterQueueRecords",
        "AcknowledgeDeadLetterQueueRecords",
        "UpdateDeadLetterQueueRecordsVisibility",
        "RestoreDeadLetterQueueRecords",
    ];
    for operation in channels.iter().chain(&queues) {
        let answer = server.kinesis(operation, "{}").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.json()["__type"], "UnknownOperationException", "{operation}");
        assert!(include_str!("../../../docs/COMPATIBILITY.md").contains(&format!("`{operation}`")), "{operation}");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn bodies_may_be_gzip_and_bombs_are_not_unpacked() {
    let server = Server::start().await;
    server.kinesis("CreateStream", r#"{"StreamName":"s","ShardCount":1}"#).await;
    let put = request(&server, "PutRecord").header("content-encoding", "gzip");
    let body = gzip(br#"{"StreamName":"s","Data":"aGk=","PartitionKey":"k"}"#);
    assert_eq!(server.send_bytes(put.body(body).unwrap()).await.status, StatusCode::OK);
    let limit = ReadLimit { records_max: 10, bytes_max: 1000, wait: false };
    let stream = "s".parse().unwrap();
    let read =
        server.state.streams.read(&stream, ShardId(0), model::stream::sequence_number::SequenceNumber::FIRST, limit);
    let data: Vec<_> = read.await.unwrap().records.iter().map(|record: &Record| record.data.clone()).collect();
    assert_eq!(data, ["hi"]);

    for (encoding, body, status) in [
        ("gzip", gzip(&vec![b' '; 64 << 20]), StatusCode::PAYLOAD_TOO_LARGE),
        ("gzip", b"{}".to_vec(), StatusCode::BAD_REQUEST),
        ("br", b"{}".to_vec(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ] {
        let list = request(&server, "ListStreams").header("content-encoding", encoding);
        assert_eq!(server.send_bytes(list.body(body).unwrap()).await.status, status, "{encoding}");
    }
}

#[tokio::test]
async fn content_types_are_json_cbor_or_refused() {
    let server = Server::start().await;
    for (content_type, status) in [
        ("application/x-amz-json-1.1", StatusCode::OK),
        ("Application/JSON; charset=utf-8", StatusCode::OK),
        ("application/x-amz-cbor-1.1", StatusCode::BAD_REQUEST),
        ("application/x-amz-json-1.0", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("text/plain", StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ] {
        let list = request(&server, "ListStreams").header("content-type", content_type);
        let answer = server.send(list.body("{}".to_owned()).unwrap()).await;
        assert_eq!(answer.status, status, "{content_type}");
    }
}

#[tokio::test]
async fn bodies_over_the_bound_are_refused() {
    let server = Server::start().await;
    let answer = server.send_bytes(request(&server, "PutRecords").body(vec![b' '; (20 << 20) + 1]).unwrap()).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.json()["__type"], "RequestEntityTooLargeException");
}

async fn from_origin(server: &Server, method: Method, origin: &str) -> Answer {
    let request = request(server, "ListStreams")
        .method(method)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "x-amz-target,authorization,content-type");
    server.send(request.body("{}".to_owned()).unwrap()).await
}

#[tokio::test]
async fn pages_call_from_allowed_origins_only() {
    let options = GatewayOptions { origins: vec!["https://app.example".to_owned()], ..GatewayOptions::default() };
    let server = Server::with(options).await;
    for allowed in ["http://localhost:3000", "https://app.example"] {
        let preflight = from_origin(&server, Method::OPTIONS, allowed).await;
        assert_eq!((preflight.status, preflight.body.len()), (StatusCode::OK, 0), "{allowed}");
        assert_eq!(preflight.headers["access-control-allow-origin"], allowed);
        assert_eq!(preflight.headers["access-control-allow-methods"], "POST");
        let headers = preflight.headers["access-control-allow-headers"].to_str().unwrap();
        assert!(["x-amz-target", "authorization", "content-type"].iter().all(|name| headers.contains(name)));
        let answer = from_origin(&server, Method::POST, allowed).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.headers["access-control-allow-origin"], allowed);
        assert_eq!(answer.headers["vary"], "origin");
        assert!(answer.headers["access-control-expose-headers"].to_str().unwrap().contains("x-amzn-requestid"));
    }
    for foreign in ["http://evil.example", "http://app.example", "https://app.example.evil", "null"] {
        for method in [Method::OPTIONS, Method::POST] {
            let refused = from_origin(&server, method, foreign).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{foreign}");
            assert_eq!(refused.json()["__type"], "AccessDeniedException");
            assert!(!refused.headers.keys().any(|name| name.as_str().starts_with("access-control")), "{foreign}");
        }
    }
    let no_browser = server.kinesis("ListStreams", "{}").await;
    assert!(!no_browser.headers.contains_key("access-control-allow-origin"));
}
