//! A server that starts: it says that it lives, and is ready for nobody before all is there again.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::ShardIteratorType;

use crate::rest;
use crate::server::{Server, eventually, folder_with, gallop};

const RECORDS: usize = 50;
/// How often the server is asked while it starts.
const LOOKS: usize = 20;

/// The port that a process listens on, before it says so itself: of the sockets that are its own, the one in state 0A.
fn listening_port(process: u32) -> Option<u16> {
    let files = std::fs::read_dir(format!("/proc/{process}/fd")).ok()?;
    let own: BTreeSet<String> = files
        .filter_map(|file| std::fs::read_link(file.ok()?.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let table = std::fs::read_to_string(format!("/proc/{process}/net/tcp")).ok()?;
    table.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (_, port) = columns[1].split_once(':')?;
        (columns[3] == "0A" && own.contains(columns[9])).then(|| u16::from_str_radix(port, 16).expect("a port"))
    })
}

async fn names(server: &Server) -> BTreeSet<String> {
    let kinesis = server.kinesis();
    let begin = kinesis.get_shard_iterator().stream_name("rides").shard_id("shardId-000000000000");
    let begin = begin.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.expect("GetShardIterator");
    let read = kinesis.get_records().set_shard_iterator(begin.shard_iterator).send().await.expect("GetRecords");
    read.records.into_iter().filter_map(|record| record.partition_key).collect()
}

/// Holds the start up before the streams are opened: whoever reads a pipe waits for who writes it.
fn hold_up(data: &Path) {
    assert!(Command::new("mkfifo").arg(data.join("keys")).status().expect("mkfifo runs").success());
    let settings = "[streams.rides]\n[encryption]\nkey_file = \"keys\"\n";
    std::fs::write(data.join("gallop.toml"), settings).expect("the folder can be written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_sent_to_a_server_that_has_not_recovered() {
    let (_keep, data) = folder_with(&[("gallop.toml", "[streams.rides]\n")]);
    let server = Server::start(&data);
    let mut acknowledged = BTreeSet::new();
    for n in 0..RECORDS {
        let put = server.kinesis().put_record().stream_name("rides").partition_key(n.to_string());
        put.data(Blob::new("{}")).send().await.expect("PutRecord");
        acknowledged.insert(n.to_string());
    }
    server.kill();

    hold_up(&data);
    let starting = Server::starting(gallop().args(["serve", "--port", "0", "--data"]).arg(&data));
    let process = starting.id();
    let port = eventually("it listens", async || listening_port(process)).await;
    let url = format!("http://127.0.0.1:{port}");
    for _ in 0..LOOKS {
        assert_eq!(rest::answer(&format!("{url}/healthz")).await.0, 200);
        assert_eq!(rest::answer(&format!("{url}/readyz")).await.0, 503);
    }
    let early = crate::server::kinesis_at(&url);
    let put = early.put_record().stream_name("rides").partition_key("early").data(Blob::new("{}")).send().await;
    let refused = put.expect_err("nothing is taken yet");
    assert_eq!(refused.raw_response().map(|response| response.status().as_u16()), Some(503), "{:?}", refused.code());

    std::fs::write(data.join("keys"), "# none\n").expect("the server reads");
    let server = tokio::task::spawn_blocking(move || Server::started(starting)).await.expect("it starts");
    assert_eq!(server.url, url, "it answers where it did all along");
    assert_eq!(rest::answer(&format!("{url}/readyz")).await.0, 200);
    assert_eq!(names(&server).await, acknowledged);
}
