//! `gallop inspect`: what a data folder holds, beside a running server and after damage; it never writes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{EncryptionType, PutRecordsRequestEntry};
use serde_json::Value;

use crate::server::{Server, gallop};

const STREAM: &str = "rides";
const RECORDS: usize = 300;

fn inspect(path: &Path, more: &[&str]) -> Output {
    gallop().arg("inspect").arg(path).args(["--output", "json"]).args(more).output().expect("the binary starts")
}

fn rows(output: &Output) -> Vec<Value> {
    let lines = String::from_utf8(output.stdout.clone()).expect("text");
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

async fn put(server: &Server) {
    let kinesis = server.kinesis();
    for first in (0..RECORDS).step_by(100) {
        let entry = |n: usize| {
            let data = Blob::new(format!("{{\"Name\":\"u{n}\",\"n\":{n}}}"));
            PutRecordsRequestEntry::builder().partition_key(format!("u{n}")).data(data).build().expect("an entry")
        };
        let records = (first..first + 100).map(entry).collect();
        let put = kinesis.put_records().stream_name(STREAM).set_records(Some(records)).send().await.expect("put");
        assert_eq!(put.failed_record_count(), Some(0));
    }
}

/// Every file of a folder, to see that none is changed.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("readable").flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.insert(entry.path(), std::fs::read(entry.path()).expect("readable"));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_running_server_keeps_is_verified_and_printed() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    server.kinesis().create_stream().stream_name(STREAM).shard_count(2).send().await.expect("created");
    put(&server).await;

    let beside = inspect(data.path(), &[]);
    let said = String::from_utf8_lossy(&beside.stderr).into_owned();
    assert!(beside.status.success(), "{said}");
    assert!(
        said.contains("✓ rides: 300 records of 2 shards in 1 segments of ") && said.contains("every checksum fits"),
        "{said}"
    );
    assert!(said.contains(&format!("process {} (", server.id())), "the tables are in use: {said}");

    let printed = rows(&inspect(&data.path().join("streams/rides"), &["--records", "--limit", "1000"]));
    assert_eq!(printed.len(), RECORDS);
    let mut numbers: Vec<u64> = printed.iter().map(|row| row["data"]["n"].as_u64().expect("decoded")).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..RECORDS as u64).collect::<Vec<_>>());
    let shard = "shardId-000000000001";
    let of_shard: Vec<&Value> = printed.iter().filter(|row| row["shard"] == shard).collect();
    let from = of_shard[5]["sequence_number"].as_str().expect("text");
    let three = rows(&inspect(data.path(), &["--records", "--shard", shard, "--from", from, "--limit", "3"]));
    assert_eq!(three.iter().collect::<Vec<_>>(), of_shard[5..8]);

    // What is printed is what the API answers.
    let iterator = server.kinesis().get_shard_iterator().stream_name(STREAM).shard_id(shard);
    let iterator = iterator.shard_iterator_type("AT_SEQUENCE_NUMBER".into()).starting_sequence_number(from);
    let iterator = iterator.send().await.expect("an iterator").shard_iterator;
    let got = server.kinesis().get_records().set_shard_iterator(iterator).limit(3).send().await.expect("records");
    let got: Vec<&str> = got.records().iter().map(|record| record.sequence_number()).collect();
    assert_eq!(got, three.iter().map(|row| row["sequence_number"].as_str().expect("text")).collect::<Vec<_>>());

    server.terminate();
    assert_eq!(server.ended().await, Some(0));
    let before = files(data.path());
    let closed = inspect(data.path(), &[]);
    assert!(closed.status.success());
    assert!(files(data.path()) == before, "nothing is written");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_told_with_file_offset_and_cause() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    server.kinesis().create_stream().stream_name(STREAM).shard_count(1).send().await.expect("created");
    put(&server).await;
    server.terminate();
    assert_eq!(server.ended().await, Some(0));
    let log = data.path().join("streams/rides/00000000000000000000.log");
    let whole = std::fs::read(&log).expect("readable");
    let refused = |bytes: &[u8], part: &str| {
        std::fs::write(&log, bytes).expect("writable");
        let output = inspect(data.path(), &[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(8), "{said}");
        assert!(said.contains("00000000000000000000.log: offset ") && said.contains(part), "{said}");
        said
    };
    // A bit of a payload in the middle: the frames around it still stand.
    let middle = whole.len() / 2;
    let mut flipped = whole.clone();
    flipped[middle] ^= 1;
    let said = refused(&flipped, "the checksum of the frame");
    let offset = said.split("offset ").nth(1).and_then(|rest| rest.split(',').next()).expect("an offset");
    let offset: usize = offset.parse().expect("a number");
    assert!(offset <= middle && middle < offset + 40_000, "{offset} for {middle}");
    refused(&whole[..whole.len() - 10], "the file ends inside a frame");
    let mut zeroed = whole.clone();
    zeroed[60..whole.len() - 1].fill(0);
    refused(&zeroed, "");

    std::fs::write(&log, &whole).expect("writable");
    assert!(inspect(data.path(), &[]).status.success());
    std::fs::remove_file(&log).expect("removable");
    let output = inspect(data.path(), &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(8), "{said}");
    assert!(said.contains("the file is missing"), "{said}");
    let nothing = inspect(&data.path().join("nothing"), &[]);
    assert_eq!(nothing.status.code(), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_frames_are_verified_without_their_key_and_read_with_it() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let keys = data.path().join("keys.txt");
    std::fs::write(&keys, "alias/rides = 3q2+796tvu/erb7v3q2+796tvu/erb7v3q2+796tvu8=\n").expect("written");
    std::fs::write(data.path().join("gallop.toml"), "[encryption]\nkey_file = \"keys.txt\"\n").expect("written");
    let server = Server::start(data.path());
    server.kinesis().create_stream().stream_name(STREAM).shard_count(1).send().await.expect("created");
    let encrypt = server.kinesis().start_stream_encryption().stream_name(STREAM);
    encrypt.encryption_type(EncryptionType::Kms).key_id("alias/rides").send().await.expect("encrypted");
    put(&server).await;
    let without = inspect(data.path(), &["--records", "--limit", "1000"]);
    let said = String::from_utf8_lossy(&without.stderr).into_owned();
    assert!(without.status.success() && rows(&without).is_empty(), "{said}");
    assert!(said.contains("key `alias/rides` is missing") && said.contains("--key-file"), "{said}");
    let with = inspect(data.path(), &["--records", "--limit", "1000", "--key-file", keys.to_str().expect("plain")]);
    assert_eq!(rows(&with).len(), RECORDS, "{}", String::from_utf8_lossy(&with.stderr));
}
