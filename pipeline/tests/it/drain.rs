//! How a server ends when it is told to: at once for who wants to come in, in time, and with nothing lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_kinesis::primitives::Blob;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::server::{Server, folder_with, rows};

/// Only the end of the server makes an object in time.
const SETTINGS: &str = r#"
[streams.rides]
shards = 2

[deliveries.to-archive]
source = "rides"
archive = { interval_seconds = 3600 }
"#;

/// How soon nobody is sent to the server any more: a tenth of this is promised, and the test prints what it saw. The
/// rest is for machines that are busy with other tests.
const NOT_READY_MAX: Duration = Duration::from_secs(1);
/// How long the whole drain may take.
const DRAIN_MAX: Duration = Duration::from_secs(10);
const PRODUCERS: usize = 4;
/// Records acknowledged before the signal.
const RECORDS_MIN: usize = 100;

/// Whether a load balancer would send requests.
async fn is_ready(
    client: &Client<hyper_util::client::legacy::connect::HttpConnector, Empty<Bytes>>,
    url: &str,
) -> bool {
    let Ok(response) = client.get(format!("{url}/readyz").parse().expect("a URL")).await else { return false };
    let ready = response.status().is_success();
    // The connection is used again once its answer is read.
    ready && response.into_body().collect().await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_under_load_is_quick_and_loses_nothing() {
    let (_folder, data) = folder_with(&[("gallop.toml", SETTINGS)]);
    let server = Server::start(&data);
    let stop = Arc::new(AtomicBool::new(false));
    let (acknowledged, mut taken) = tokio::sync::mpsc::unbounded_channel();
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let (kinesis, stop, acknowledged) = (server.kinesis(), Arc::clone(&stop), acknowledged.clone());
            tokio::spawn(async move {
                for number in 0.. {
                    let name = format!("{producer}-{number}");
                    let data = Blob::new(format!("{{\"name\":\"{name}\"}}"));
                    let put = kinesis.put_record().stream_name("rides").partition_key(&name).data(data).send();
                    match put.await {
                        Ok(_) => acknowledged.send(name).expect("the test counts"),
                        Err(_) => return,
                    }
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                }
            })
        })
        .collect();
    drop(acknowledged);
    let mut names = BTreeSet::new();
    while names.len() < RECORDS_MIN {
        names.insert(taken.recv().await.expect("producers put"));
    }

    let kept_open = Client::builder(TokioExecutor::new()).build_http();
    assert!(is_ready(&kept_open, &server.url).await);
    let url = server.url.clone();
    let signalled = Instant::now();
    server.terminate();
    loop {
        let new = Client::builder(TokioExecutor::new()).build_http();
        let asked = signalled.elapsed();
        let ready = is_ready(&kept_open, &url).await || is_ready(&new, &url).await;
        if !ready {
            break;
        }
        assert!(asked < NOT_READY_MAX, "still ready {asked:?} after the signal");
    }
    println!("not ready {:?} after SIGTERM", signalled.elapsed());
    assert_eq!(server.ended().await, Some(0));
    let took = signalled.elapsed();
    println!("ended {took:?} after SIGTERM");
    assert!(took < DRAIN_MAX, "the drain took {took:?}");
    stop.store(true, Ordering::Relaxed);
    for producer in producers {
        producer.await.expect("producers do not panic");
    }
    while let Some(name) = taken.recv().await {
        names.insert(name);
    }

    // The server's end delivered what was buffered: the archive alone has every record that was acknowledged.
    let archive = data.join("archive");
    let archived = rows(&[
        "sql",
        "--archive",
        archive.to_str().expect("text"),
        "--output",
        "json",
        "-c",
        "SELECT name FROM rides",
    ]);
    let archived: Vec<&str> = archived.iter().filter_map(|row| row["name"].as_str()).collect();
    let different: BTreeSet<&str> = archived.iter().copied().collect();
    assert_eq!(different.len(), archived.len(), "nothing is there twice");
    let missing: Vec<&String> = names.iter().filter(|name| !different.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "acknowledged and not archived: {missing:?}");

    // And its checkpoint says so: the next start archives nothing again.
    let server = Server::start(&data);
    let count = server.sql("SELECT COUNT(*) AS n FROM rides");
    assert_eq!(count[0]["n"], Value::from(archived.len()));
    server.terminate();
    assert_eq!(server.ended().await, Some(0));
}

/// A request whose body does not come.
async fn half_a_request(server: &Server) -> TcpStream {
    let address = server.url.strip_prefix("http://").expect("an address").to_owned();
    let mut waiting = TcpStream::connect(&address).await.expect("the server listens");
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\nx-amz-target: Kinesis_20131202.PutRecord\r\n\
        content-type: application/x-amz-json-1.1\r\ncontent-length: 100\r\n\r\n{{"
    );
    waiting.write_all(head.as_bytes()).await.expect("the server reads");
    // An answer on another connection says that the first one was accepted.
    assert!(is_ready(&Client::builder(TokioExecutor::new()).build_http(), &server.url).await);
    waiting
}

#[tokio::test]
async fn whoever_sends_nothing_does_not_hold_up_a_drain() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let _waiting = half_a_request(&server).await;
    let signalled = Instant::now();
    server.terminate();
    assert_eq!(server.ended().await, Some(0));
    println!("ended {:?} after SIGTERM, with a request that never comes", signalled.elapsed());
    assert!(signalled.elapsed() < DRAIN_MAX, "{:?}", signalled.elapsed());
}

#[tokio::test]
async fn a_second_signal_does_not_wait() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    // A drain waits for it.
    let _waiting = half_a_request(&server).await;
    let client = Client::builder(TokioExecutor::new()).build_http();
    server.terminate();
    while is_ready(&client, &server.url).await {}
    let second = Instant::now();
    server.terminate();
    assert_eq!(server.ended().await, Some(130), "the second signal ends the process");
    assert!(second.elapsed() < Duration::from_secs(2), "{:?}", second.elapsed());
}
