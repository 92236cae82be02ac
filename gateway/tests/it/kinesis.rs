//! What the AWS SDK for Rust sees.

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_kinesis::primitives::{Blob, DateTime};
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};
use std::time::Duration;

use crate::server::Server;

pub(crate) fn client(server: &Server) -> Client {
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
        .endpoint_url(format!("http://{}", server.address))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

const SHARD: &str = "shardId-000000000000";

async fn read(client: &Client, kind: ShardIteratorType, number: Option<&str>, at: Option<f64>) -> Vec<Vec<u8>> {
    let iterator = client.get_shard_iterator().stream_name("s").shard_id(SHARD).shard_iterator_type(kind);
    let iterator = iterator
        .set_starting_sequence_number(number.map(str::to_owned))
        .set_timestamp(at.map(DateTime::from_secs_f64))
        .send()
        .await
        .unwrap();
    let batch = client.get_records().set_shard_iterator(iterator.shard_iterator).send().await.unwrap();
    assert_eq!(batch.millis_behind_latest, Some(0));
    assert!(batch.next_shard_iterator.is_some());
    batch.records.into_iter().map(|record| record.data.into_inner()).collect()
}

#[tokio::test]
async fn records_are_put_and_read_from_every_place() {
    let server = Server::start().await;
    let client = client(&server);
    client.create_stream().stream_name("s").shard_count(1).send().await.unwrap();
    let put = |text: &'static str| client.put_record().stream_name("s").partition_key("k").data(Blob::new(text)).send();
    let first = put("a").await.unwrap();
    assert_eq!(first.shard_id, SHARD);
    server.clock.advance(Duration::from_secs(10));
    let second = put("").await.unwrap();
    let all = [b"a".to_vec(), Vec::new()];
    assert_eq!(read(&client, ShardIteratorType::TrimHorizon, None, None).await, all);
    assert_eq!(read(&client, ShardIteratorType::Latest, None, None).await, Vec::<Vec<u8>>::new());
    let number = Some(first.sequence_number.as_str());
    assert_eq!(read(&client, ShardIteratorType::AtSequenceNumber, number, None).await, all);
    assert_eq!(read(&client, ShardIteratorType::AfterSequenceNumber, number, None).await, all[1..]);
    assert_eq!(read(&client, ShardIteratorType::AtTimestamp, None, Some(1_700_000_005.0)).await, all[1..]);
    let order = |number: &str| (number.len(), number.to_owned());
    assert!(order(&first.sequence_number) < order(&second.sequence_number));

    let entry = |i: usize, data: Vec<u8>| {
        let entry = PutRecordsRequestEntry::builder().partition_key(format!("k{i}")).data(Blob::new(data));
        entry.build().unwrap()
    };
    let entries = |count: usize| (0..count).map(|i| entry(i, vec![i as u8; 10])).collect::<Vec<_>>();
    let many = client.put_records().stream_name("s").set_records(Some(entries(500))).send().await.unwrap();
    assert_eq!((many.failed_record_count, many.records.len()), (Some(0), 500));
    assert_eq!(read(&client, ShardIteratorType::TrimHorizon, None, None).await.len(), 502);

    let over = client.put_records().stream_name("s").set_records(Some(entries(501))).send().await.unwrap_err();
    assert_eq!(over.into_service_error().meta().code(), Some("ValidationException"));
    let big = entry(0, vec![0; (1 << 20) + 1]);
    let big = client.put_records().stream_name("s").records(big).send().await.unwrap_err();
    assert_eq!(big.into_service_error().meta().code(), Some("ValidationException"));
    let big = client.put_record().stream_name("s").partition_key("k").data(Blob::new(vec![0; 1 << 20]));
    assert_eq!(big.send().await.unwrap_err().into_service_error().meta().code(), Some("ValidationException"));
}

#[tokio::test]
async fn streams_are_created_listed_described_and_deleted() {
    let server = Server::start().await;
    let client = client(&server);
    for name in ["a", "b", "c"] {
        client.create_stream().stream_name(name).shard_count(2).send().await.unwrap();
    }
    let page = client.list_streams().limit(2).send().await.unwrap();
    assert_eq!((page.stream_names.as_slice(), page.has_more_streams), (&["a".to_owned(), "b".to_owned()][..], true));
    let rest = client.list_streams().set_next_token(page.next_token).send().await.unwrap();
    assert_eq!((rest.stream_names.as_slice(), rest.has_more_streams), (&["c".to_owned()][..], false));
    let described = client.describe_stream().stream_name("a").send().await.unwrap().stream_description.unwrap();
    assert_eq!(described.shards.len(), 2);
    assert_eq!(described.stream_creation_timestamp, DateTime::from_secs(1_700_000_000));
    let by_arn = client.list_shards().stream_arn(described.stream_arn).send().await.unwrap();
    assert_eq!(by_arn.shards().len(), 2);
    client.delete_stream().stream_name("a").send().await.unwrap();
    let missing = client.describe_stream_summary().stream_name("a").send().await.unwrap_err().into_service_error();
    assert!(missing.is_resource_not_found_exception(), "{missing:?}");
    let garbled = client.get_records().shard_iterator("garbled").send().await.unwrap_err().into_service_error();
    assert!(garbled.is_invalid_argument_exception(), "{garbled:?}");
}
