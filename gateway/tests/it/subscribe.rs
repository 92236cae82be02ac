//! Records pushed to registered consumers.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::operation::subscribe_to_shard::SubscribeToShardOutput;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::error::SubscribeToShardEventStreamError;
use aws_sdk_kinesis::types::{
    EncryptionType, ShardIteratorType, StartingPosition, SubscribeToShardEvent, SubscribeToShardEventStream as Event,
};
use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioExecutor;
use model::stream::hash_key::HashKey;
use model::stream::settings::RegisteredConsumer;
use model::stream::shard::{Reshard, ShardId};

use crate::kinesis::client;
use crate::server::Server;

const SHARD: &str = "shardId-000000000000";
const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";

/// A stream of one shard, and a consumer of it.
async fn start() -> (Server, Client) {
    let server = Server::start().await;
    let client = client(&server);
    client.create_stream().stream_name("s").shard_count(1).send().await.unwrap();
    register(&server, true).await;
    (server, client)
}

/// Registers or deregisters the consumer `c`.
async fn register(server: &Server, registered: bool) {
    let stream = "s".parse().unwrap();
    let before = server.state.streams.describe(&stream).await.unwrap();
    let mut after = before.settings.clone();
    let created_at = model::clock::Clock::now(&*server.clock);
    let consumer = RegisteredConsumer { created_at, tags: Default::default(), policy: None };
    match registered {
        true => after.consumers.insert("c".parse().unwrap(), consumer),
        false => after.consumers.remove("c"),
    };
    server.state.streams.alter(&stream, &before.settings, after).await.unwrap();
}

fn at(kind: ShardIteratorType, number: Option<&str>) -> StartingPosition {
    StartingPosition::builder().r#type(kind).set_sequence_number(number.map(str::to_owned)).build().unwrap()
}

async fn subscribe(client: &Client, position: StartingPosition) -> Result<SubscribeToShardOutput, String> {
    let call = client.subscribe_to_shard().consumer_arn(format!("{ARN}/consumer/c:1700000000")).shard_id(SHARD);
    let called = call.starting_position(position).send().await;
    called.map_err(|error| error.into_service_error().meta().code().unwrap().to_owned())
}

async fn next(subscription: &mut SubscribeToShardOutput) -> Option<SubscribeToShardEvent> {
    match subscription.event_stream.recv().await.unwrap()? {
        Event::SubscribeToShardEvent(event) => Some(event),
        other => panic!("{other:?}"),
    }
}

async fn failure(subscription: &mut SubscribeToShardOutput) -> SubscribeToShardEventStreamError {
    loop {
        match subscription.event_stream.recv().await {
            Ok(event) => assert!(event.is_some(), "the stream ends without an error"),
            Err(error) => return error.into_service_error(),
        }
    }
}

async fn put(client: &Client, text: &str) {
    client.put_record().stream_name("s").partition_key("k").data(Blob::new(text)).send().await.unwrap();
}

fn texts(event: &SubscribeToShardEvent) -> Vec<&str> {
    event.records.iter().map(|record| std::str::from_utf8(record.data.as_ref()).unwrap()).collect()
}

#[tokio::test]
async fn records_are_pushed_until_the_shard_ends_with_its_children() {
    let (server, client) = start().await;
    put(&client, "before").await;
    let mut subscription = subscribe(&client, at(ShardIteratorType::Latest, None)).await.unwrap();
    let first = next(&mut subscription).await.unwrap();
    assert_eq!((texts(&first), first.millis_behind_latest), (vec![], 0));
    for text in ["a", "b"] {
        put(&client, text).await;
        let event = next(&mut subscription).await.unwrap();
        assert_eq!(texts(&event), [text]);
        assert_eq!(event.records[0].partition_key.as_deref(), Some("k"));
        assert!(event.child_shards().is_empty());
    }
    let change = Reshard::Split { shard: ShardId(0), at: HashKey(1 << 127) };
    server.state.streams.reshard(&"s".parse().unwrap(), change).await.unwrap();
    let last = next(&mut subscription).await.unwrap();
    let children: Vec<_> = last.child_shards().iter().map(|child| (child.shard_id(), child.parent_shards())).collect();
    assert_eq!(children.len(), 2);
    assert!(children.iter().all(|(_, parents)| *parents == [SHARD]), "{children:?}");
    assert_eq!(last.continuation_sequence_number, "", "no number is how KCL knows the end");
    assert!(next(&mut subscription).await.is_none());
}

#[tokio::test]
async fn pushed_records_of_an_encrypted_stream_say_so() {
    let (_server, client) = start().await;
    let mut subscription = subscribe(&client, at(ShardIteratorType::Latest, None)).await.unwrap();
    next(&mut subscription).await.unwrap();
    let (begin, end) = (client.start_stream_encryption(), client.stop_stream_encryption());
    let (begin, end) = (begin.stream_name("s").key_id("alias/one"), end.stream_name("s").key_id("alias/one"));
    let mut pushed = async || {
        put(&client, "a").await;
        next(&mut subscription).await.unwrap().records[0].encryption_type.clone()
    };
    assert_eq!(pushed().await, None);
    begin.encryption_type(EncryptionType::Kms).send().await.unwrap();
    assert_eq!(pushed().await, Some(EncryptionType::Kms));
    end.encryption_type(EncryptionType::Kms).send().await.unwrap();
    assert_eq!(pushed().await, None);
}

/// What a client does that lost its connection: on with the number of the last event it got.
#[tokio::test]
async fn a_continuation_loses_and_repeats_nothing() {
    let (server, client) = start().await;
    for kind in [ShardIteratorType::AtSequenceNumber, ShardIteratorType::AfterSequenceNumber] {
        let mut position = at(ShardIteratorType::TrimHorizon, None);
        let mut seen = Vec::new();
        for round in 0..3 {
            let mut subscription = subscribe(&client, position).await.unwrap();
            let event = next(&mut subscription).await.unwrap();
            seen.extend(texts(&event).into_iter().map(str::to_owned));
            position = at(kind.clone(), Some(&event.continuation_sequence_number));
            drop(subscription);
            put(&client, &format!("{kind:?} {round}")).await;
            server.clock.advance(Duration::from_secs(5));
        }
        let expected: Vec<_> = (0..2).map(|round| format!("{kind:?} {round}")).collect();
        assert!(seen.ends_with(&expected), "{seen:?}");
        let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len(), "{seen:?}");
    }
}

#[tokio::test]
async fn a_second_call_is_refused_for_five_seconds_and_then_takes_over() {
    let (server, client) = start().await;
    let latest = || at(ShardIteratorType::Latest, None);
    let mut first = subscribe(&client, latest()).await.unwrap();
    assert!(next(&mut first).await.is_some());
    server.clock.advance(Duration::from_millis(4999));
    assert_eq!(subscribe(&client, latest()).await.unwrap_err(), "ResourceInUseException");
    server.clock.advance(Duration::from_millis(1));
    let mut second = subscribe(&client, latest()).await.unwrap();
    assert!(failure(&mut first).await.is_resource_in_use_exception());
    assert!(next(&mut second).await.is_some());
    put(&client, "a").await;
    assert_eq!(texts(&next(&mut second).await.unwrap()), ["a"]);
    drop(second);
    assert_eq!(subscribe(&client, latest()).await.unwrap_err(), "ResourceInUseException", "though nobody listens");
}

#[tokio::test]
async fn silence_is_broken_every_five_seconds_and_five_minutes_end_it() {
    let (server, client) = start().await;
    let mut subscription = subscribe(&client, at(ShardIteratorType::Latest, None)).await.unwrap();
    for _ in 0..3 {
        assert_eq!(texts(&next(&mut subscription).await.unwrap()), Vec::<&str>::new());
        server.clock.advance(Duration::from_secs(5));
    }
    server.clock.advance(Duration::from_secs(284));
    assert!(next(&mut subscription).await.is_some(), "a second is left");
    server.clock.advance(Duration::from_secs(1));
    while next(&mut subscription).await.is_some() {}
}

#[tokio::test]
async fn what_is_gone_ends_its_subscriptions() {
    let (server, client) = start().await;
    let mut deregistered = subscribe(&client, at(ShardIteratorType::Latest, None)).await.unwrap();
    assert!(next(&mut deregistered).await.is_some());
    register(&server, false).await;
    server.clock.advance(Duration::from_secs(5));
    assert!(failure(&mut deregistered).await.is_resource_not_found_exception());
    assert_eq!(subscribe(&client, at(ShardIteratorType::Latest, None)).await.unwrap_err(), "ResourceNotFoundException");

    let (_server, client) = start().await;
    let mut deleted = subscribe(&client, at(ShardIteratorType::Latest, None)).await.unwrap();
    assert!(next(&mut deleted).await.is_some());
    client.delete_stream().stream_name("s").enforce_consumer_deletion(true).send().await.unwrap();
    assert!(failure(&mut deleted).await.is_resource_not_found_exception());
}

#[tokio::test]
async fn a_server_that_goes_down_ends_its_subscriptions() {
    let (server, client) = start().await;
    let mut subscription = subscribe(&client, at(ShardIteratorType::Latest, None)).await.unwrap();
    assert!(next(&mut subscription).await.is_some());
    drop(server);
    assert!(next(&mut subscription).await.is_none());
}

#[tokio::test]
async fn wrong_calls_are_refused_by_name() {
    let (server, _client) = start().await;
    let (consumer, shard, place) = (
        format!(r#""ConsumerARN":"{ARN}/consumer/c:1700000000""#),
        format!(r#""ShardId":"{SHARD}""#),
        r#""StartingPosition""#,
    );
    for (body, error) in [
        (format!("{{{shard},{place}:{{\"Type\":\"LATEST\"}}}}"), "ValidationException"),
        (format!("{{{consumer},{place}:{{\"Type\":\"LATEST\"}}}}"), "ValidationException"),
        (format!("{{{consumer},{shard}}}"), "ValidationException"),
        (format!("{{{consumer},{shard},{place}:{{}}}}"), "ValidationException"),
        (format!("{{{consumer},{shard},{place}:{{\"Type\":\"MIDDLE\"}}}}"), "ValidationException"),
        (format!("{{{consumer},{shard},{place}:{{\"Type\":\"AT_TIMESTAMP\"}}}}"), "InvalidArgumentException"),
        (format!("{{{consumer},{shard},{place}:{{\"Type\":\"AT_SEQUENCE_NUMBER\"}}}}"), "InvalidArgumentException"),
        (
            format!("{{{consumer},{shard},{place}:{{\"Type\":\"AT_SEQUENCE_NUMBER\",\"SequenceNumber\":\"5\"}}}}"),
            "InvalidArgumentException",
        ),
        (
            format!("{{{consumer},\"ShardId\":\"shardId-000000000009\",{place}:{{\"Type\":\"LATEST\"}}}}"),
            "ResourceNotFoundException",
        ),
        (
            format!("{{\"ConsumerARN\":\"{ARN}/consumer/d:1\",{shard},{place}:{{\"Type\":\"LATEST\"}}}}"),
            "ResourceNotFoundException",
        ),
        (
            format!("{{\"ConsumerARN\":\"{ARN}/consumer/c:1\",{shard},{place}:{{\"Type\":\"LATEST\"}}}}"),
            "ResourceNotFoundException",
        ),
        (format!("{{\"ConsumerARN\":\"{ARN}\",{shard},{place}:{{\"Type\":\"LATEST\"}}}}"), "ValidationException"),
    ] {
        let answer = server.kinesis("SubscribeToShard", &body).await;
        assert_eq!(answer.json()["__type"], error, "{body}: {}", answer.json());
    }
}

/// Frames as they come, over HTTP/2 without TLS and in CBOR.
#[tokio::test]
async fn frames_come_over_http_2_and_in_cbor() {
    let (server, client) = start().await;
    put(&client, "a").await;
    let mut input = minicbor::Encoder::new(Vec::new());
    input.begin_map().unwrap().str("ConsumerARN").unwrap().str(&format!("{ARN}/consumer/c:1700000000")).unwrap();
    input.str("ShardId").unwrap().str(SHARD).unwrap().str("StartingPosition").unwrap();
    input.begin_map().unwrap().str("Type").unwrap().str("TRIM_HORIZON").unwrap().end().unwrap().end().unwrap();
    let request = Request::post(format!("http://{}/", server.address))
        .header("x-amz-target", "Kinesis_20131202.SubscribeToShard")
        .header("content-type", "application/x-amz-cbor-1.1")
        .body(Full::new(Bytes::from(input.into_writer())))
        .unwrap();
    let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let response = http.request(request).await.unwrap();
    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!(response.headers()["content-type"], "application/vnd.amazon.eventstream");
    let mut body = response.into_body();
    let mut decoder = MessageFrameDecoder::new();
    let mut buffer = bytes::BytesMut::new();
    let mut messages = Vec::new();
    while messages.len() < 2 {
        buffer.extend_from_slice(&body.frame().await.unwrap().unwrap().into_data().unwrap());
        while let DecodedFrame::Complete(message) = decoder.decode_frame(&mut buffer).unwrap() {
            messages.push(message);
        }
    }
    let header = |i: usize, name: &str| {
        let found = messages[i].headers().iter().find(|header| header.name().as_str() == name).unwrap();
        found.value().as_string().unwrap().as_str().to_owned()
    };
    assert_eq!(header(0, ":event-type"), "initial-response");
    assert_eq!((header(1, ":event-type"), header(1, ":content-type")).0, "SubscribeToShardEvent");
    assert_eq!(header(1, ":content-type"), "application/cbor");
    assert_eq!(minicbor::display(messages[0].payload()).to_string(), "{}");
    let event = minicbor::display(messages[1].payload()).to_string();
    assert!(
        event.contains(r#""ApproximateArrivalTimestamp": 1(1700000000000), "Data": h'61', "PartitionKey": "k"}]"#),
        "{event}"
    );
    assert!(event.contains(r#""MillisBehindLatest": 0, "ContinuationSequenceNumber": "4964"#), "{event}");
}

/// One that does not read, and one that does: the second gets all, and no put waits.
#[tokio::test]
async fn a_consumer_that_stopped_reading_delays_nobody() {
    let (server, client) = start().await;
    let asleep = subscribe(&client, at(ShardIteratorType::TrimHorizon, None)).await.unwrap();
    let text = "x".repeat(250_000);
    for _ in 0..40 {
        put(&client, &text).await;
    }
    server.clock.advance(Duration::from_secs(5));
    let mut awake = subscribe(&client, at(ShardIteratorType::TrimHorizon, None)).await.unwrap();
    let (mut records, mut events) = (0, 0);
    while records < 40 {
        let event = next(&mut awake).await.unwrap();
        let bytes: usize = event.records.iter().map(|record| record.data.as_ref().len()).sum();
        assert!(bytes <= 1 << 20, "{bytes}");
        assert_eq!(event.millis_behind_latest > 0, records + event.records.len() < 40);
        records += event.records.len();
        events += 1;
    }
    assert!(events >= 10, "{events}");
    drop(asleep);
}
