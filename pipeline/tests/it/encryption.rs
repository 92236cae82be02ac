//! A server with a key file: what its streams leave on the disk, and what a server without the right key says.

#![expect(clippy::unwrap_used, reason = "a failure says which call")]

use std::path::Path;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::EncryptionType;

use crate::server::Server;

const KEY: &str = "3q2+796tvu/erb7v3q2+796tvu/erb7v3q2+796tvu8=";
const OTHER: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// A server whose key file holds `keys`, or that has none.
fn start(data: &Path, keys: Option<&str>) -> Server {
    let settings = if keys.is_some() { "[encryption]\nkey_file = \"keys\"\n" } else { "" };
    std::fs::write(data.join("gallop.toml"), settings).unwrap();
    std::fs::write(data.join("keys"), keys.unwrap_or_default()).unwrap();
    Server::start(data)
}

fn is_on_disk(data: &Path, text: &str) -> bool {
    let files = std::fs::read_dir(data.join("streams/rides")).unwrap();
    files.into_iter().any(|file| {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

async fn put(client: &Client, text: &str) {
    client.put_record().stream_name("rides").partition_key("k").data(Blob::new(text)).send().await.unwrap();
}

async fn read(client: &Client) -> Vec<String> {
    let iterator = client.get_shard_iterator().stream_name("rides").shard_id("shardId-000000000000");
    let iterator = iterator.shard_iterator_type("TRIM_HORIZON".into()).send().await.unwrap().shard_iterator;
    let batch = client.get_records().set_shard_iterator(iterator).send().await.unwrap();
    batch.records.into_iter().map(|record| String::from_utf8(record.data.into_inner()).unwrap()).collect()
}

#[tokio::test]
async fn encrypted_streams_are_read_with_their_key_and_no_other() {
    let data = tempfile::tempdir().unwrap();
    let keys = format!("# ours\nalias/rides = {KEY}\n");
    let server = start(data.path(), Some(&keys));
    let client = server.kinesis();
    for stream in ["rides", "trips"] {
        client.create_stream().stream_name(stream).shard_count(1).send().await.unwrap();
    }
    put(&client, "before the key").await;
    let encrypt = client.start_stream_encryption().stream_name("rides").encryption_type(EncryptionType::Kms);
    let unknown = encrypt.clone().key_id("alias/nobody").send().await.unwrap_err().into_service_error();
    assert!(unknown.is_kms_not_found_exception(), "{unknown:?}");
    encrypt.key_id("alias/rides").send().await.unwrap();
    put(&client, "under the key").await;
    assert!(is_on_disk(data.path(), "before the key") && !is_on_disk(data.path(), "under the key"));
    server.kill();

    let server = start(data.path(), Some(&keys));
    assert_eq!(read(&server.kinesis()).await, ["before the key", "under the key"]);
    put(&server.kinesis(), "after a restart").await;
    assert!(!is_on_disk(data.path(), "after a restart"));
    server.kill();

    for (keys, code) in
        [(None, "KMSNotFoundException"), (Some(format!("alias/rides = {OTHER}")), "KMSInvalidStateException")]
    {
        let server = start(data.path(), keys.as_deref());
        let client = server.kinesis();
        let put = client.put_record().stream_name("rides").partition_key("k").data(Blob::new("x")).send().await;
        let refused = put.unwrap_err().into_service_error();
        assert_eq!(refused.code(), Some(code), "{refused:?}");
        let message = refused.message().unwrap();
        assert!(message.contains("`rides`") && message.contains("`alias/rides`"), "{message}");
        client.put_record().stream_name("trips").partition_key("k").data(Blob::new("x")).send().await.unwrap();
        server.kill();
    }

    let server = start(data.path(), Some(&keys));
    let client = server.kinesis();
    assert_eq!(read(&client).await, ["before the key", "under the key", "after a restart"]);
    let end = client.stop_stream_encryption().stream_name("rides").encryption_type(EncryptionType::Kms);
    end.key_id("alias/rides").send().await.unwrap();
    put(&client, "without a key").await;
    assert!(is_on_disk(data.path(), "without a key"));
    assert_eq!(read(&client).await.len(), 4);
}

/// A key is added to the file, and then another one, while the server runs.
#[tokio::test]
async fn a_key_that_is_added_to_the_file_works_without_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let one = format!("alias/one = {KEY}\n");
    let server = start(data.path(), Some(&one));
    let client = server.kinesis();
    client.create_stream().stream_name("rides").shard_count(1).send().await.unwrap();
    let encrypt = client.start_stream_encryption().stream_name("rides").encryption_type(EncryptionType::Kms);
    encrypt.clone().key_id("alias/one").send().await.unwrap();
    put(&client, "under one").await;
    let rotate = || encrypt.clone().key_id("alias/two").send();
    let used = async || client.describe_stream_summary().stream_name("rides").send().await.unwrap();
    let used = async || used().await.stream_description_summary.unwrap().key_id.unwrap();

    let unknown = rotate().await.unwrap_err().into_service_error();
    assert!(unknown.is_kms_not_found_exception(), "{unknown:?}");
    for (broken, reason) in [
        (format!("{one}alias/two = canary\n"), "line 2: key `alias/two` is not 32 bytes"),
        (format!("{one}alias/two = {OTHER}\n{one}"), "line 3: key `alias/one` is defined twice"),
    ] {
        std::fs::write(data.path().join("keys"), broken).unwrap();
        let refused = rotate().await.unwrap_err().into_service_error();
        assert_eq!(refused.code(), Some("KMSInvalidStateException"), "{refused:?}");
        let message = refused.message().unwrap();
        assert!(message.contains(reason) && !message.contains("canary") && !message.contains(OTHER), "{message}");
        assert_eq!(used().await, "alias/one");
        put(&client, "still under one").await;
    }
    std::fs::remove_file(data.path().join("keys")).unwrap();
    let refused = rotate().await.unwrap_err().into_service_error();
    assert_eq!(refused.code(), Some("KMSInvalidStateException"), "{refused:?}");
    encrypt.clone().key_id("alias/one").send().await.unwrap();

    let both = format!("{one}alias/two = {OTHER}\n");
    std::fs::write(data.path().join("keys"), &both).unwrap();
    rotate().await.unwrap();
    assert_eq!(used().await, "alias/two");
    put(&client, "under two").await;
    // A file that has lost a key, or has another one of the name, takes nothing from a server that
    // runs.
    std::fs::write(data.path().join("keys"), format!("alias/one = {OTHER}\nalias/three = {KEY}\n")).unwrap();
    encrypt.clone().key_id("alias/three").send().await.unwrap();
    encrypt.clone().key_id("alias/one").send().await.unwrap();
    put(&client, "under one again").await;
    let all = ["under one", "still under one", "still under one", "under two", "under one again"];
    assert_eq!(read(&client).await, all);
    assert!(all.iter().all(|text| !is_on_disk(data.path(), text)));
    server.kill();

    let server = start(data.path(), Some(&format!("{both}alias/three = {KEY}\n")));
    assert_eq!(read(&server.kinesis()).await, all);
}
