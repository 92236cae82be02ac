//! `gallop repair`: what damage takes is listed, all else is read again, and flows go on by themselves.

use std::path::{Path, PathBuf};
use std::process::Output;

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use serde_json::Value;

use crate::server::{Server, eventually, folder_with, gallop, rows};

const PUTS: usize = 30;
const RECORDS_A_PUT: usize = 10;
const DELIVERY: &str = r#"
[streams.rides]
[deliveries.raw]
source = "rides"
archive = { interval_seconds = 1 }
"#;

fn repair(data: &Path, more: &[&str]) -> (Output, String) {
    let output = gallop().arg("repair").arg(data).args(["--output", "json"]).args(more).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

fn listed(output: &Output, kind: &str) -> Vec<Value> {
    let lines = String::from_utf8(output.stdout.clone()).expect("text");
    let rows = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    rows.filter(|row| row["kind"] == kind).collect()
}

/// A folder with a stream of so many records, each put a frame of its own.
async fn put_all(data: &Path) {
    let server = Server::start(data);
    server.kinesis().create_stream().stream_name("rides").shard_count(1).send().await.expect("created");
    for put in 0..PUTS {
        let entry = |n: usize| {
            let data = Blob::new(format!("{{\"n\":{}}}", put * RECORDS_A_PUT + n));
            PutRecordsRequestEntry::builder().partition_key("u").data(data).build().expect("an entry")
        };
        let records = (0..RECORDS_A_PUT).map(entry).collect();
        let put = server.kinesis().put_records().stream_name("rides").set_records(Some(records)).send().await;
        assert_eq!(put.expect("put").failed_record_count(), Some(0));
    }
    let (refused, said) = repair(data, &[]);
    assert_eq!(refused.status.code(), Some(6), "{said}");
    assert!(said.contains("is in use") && said.contains(&format!("process {}", server.id())), "{said}");
    server.terminate();
    assert_eq!(server.ended().await, Some(0));
}

fn log(data: &Path) -> PathBuf {
    data.join("streams/rides/00000000000000000000.log")
}

/// Flips a bit of the data of record `n`.
fn flip(data: &Path, n: usize) {
    let mut bytes = std::fs::read(log(data)).expect("readable");
    let text = format!("{{\"n\":{n}}}");
    let at = bytes.windows(text.len()).position(|window| window == text.as_bytes()).expect("it is there");
    bytes[at] ^= 1;
    std::fs::write(log(data), bytes).expect("writable");
}

async fn delivery(server: &Server) -> Option<Value> {
    rows(&["delivery", "list", "--endpoint", &server.plain_url(), "--output", "json"]).into_iter().next()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_goes_on_behind_damage_once_it_is_repaired() {
    let (_folder, data) = folder_with(&[]);
    put_all(&data).await;
    flip(&data, 155);
    std::fs::write(data.join("gallop.toml"), DELIVERY).expect("writable");

    // Nothing passes damage by itself, and whoever meets it is told what to do.
    let server = Server::start(&data);
    let error = eventually("the delivery meets the damage", async || {
        let error = delivery(&server).await?["last_error"].to_string();
        error.contains("damaged").then_some(error)
    });
    let error = error.await;
    for part in ["rides/00000000000000000000.log at offset ", "stop the server and run `gallop repair`"] {
        assert!(error.contains(part), "{error}");
    }
    server.terminate();
    assert_eq!(server.ended().await, Some(0));

    let before = std::fs::read(log(&data)).expect("readable");
    let (looked, said) = repair(&data, &[]);
    assert_eq!(looked.status.code(), Some(8), "{said}");
    assert!(said.contains("10 records are lost") && said.contains("--write"), "{said}");
    let losses = listed(&looked, "loss");
    assert_eq!(losses.len(), 1);
    let numbers = |loss: &Value| loss["last"].as_u64().zip(loss["first"].as_u64()).map(|(last, first)| last - first);
    assert_eq!((numbers(&losses[0]), &losses[0]["records"]), (Some(9), &10.into()), "the frame of that put");
    assert_eq!(listed(&looked, "damage")[0]["file"], "00000000000000000000.log");
    assert_eq!(std::fs::read(log(&data)).expect("readable"), before, "a look changes nothing");

    let (repaired, said) = repair(&data, &["--write"]);
    assert!(repaired.status.success(), "{said}");
    let kept = data.join("damaged/rides~1/00000000000000000000.log");
    assert_eq!(std::fs::read(kept).expect("it is kept"), before);
    let (again, said) = repair(&data, &[]);
    assert!(again.status.success() && said.contains("rides: nothing is damaged"), "{said}");

    let server = Server::start(&data);
    let all = (PUTS - 1) * RECORDS_A_PUT;
    eventually("the delivery goes on", async || {
        (delivery(&server).await?["records"].as_u64()? == all as u64).then_some(())
    })
    .await;
    let shown = delivery(&server).await.expect("it is there");
    assert_eq!(shown["lost"], 10, "{shown}");
    let left = server.sql("select count(*) as n from rides");
    assert_eq!(left[0]["n"], all);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_manifests_and_files_are_repaired() {
    let (_folder, data) = folder_with(&[]);
    put_all(&data).await;
    let stream = data.join("streams/rides");
    std::fs::remove_file(stream.join("manifest")).expect("removed");
    let (one, said) = repair(&data, &[]);
    assert_eq!(one.status.code(), Some(8), "{said}");
    assert!(said.contains("no record is lost"), "{said}");
    // A server does not need it.
    let server = Server::start(&data);
    assert_eq!(server.sql("select count(*) as n from rides")[0]["n"], PUTS * RECORDS_A_PUT);
    server.terminate();
    assert_eq!(server.ended().await, Some(0));
    assert!(repair(&data, &[]).0.status.success());

    for name in ["manifest", "manifest.copy"] {
        std::fs::write(stream.join(name), "nonsense").expect("writable");
    }
    let (both, said) = repair(&data, &["--write"]);
    assert!(both.status.success() && said.contains("both manifests are lost"), "{said}");
    let server = Server::start(&data);
    assert_eq!(server.sql("select count(*) as n from rides")[0]["n"], PUTS * RECORDS_A_PUT);
    server.terminate();
    assert_eq!(server.ended().await, Some(0));

    std::fs::remove_file(log(&data)).expect("removed");
    let (lost, said) = repair(&data, &["--write"]);
    assert!(lost.status.success() && said.contains("the file is missing") || !listed(&lost, "damage").is_empty());
    let server = Server::start(&data);
    let put = server.kinesis().put_record().stream_name("rides").partition_key("k").data(Blob::new("{}"));
    put.send().await.expect("the stream takes records");
}
