//! What the server tells of itself.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aws_sdk_kinesis::primitives::Blob;

use crate::rest;
use crate::server::{Server, eventually, folder_with};

const SETTINGS: &str =
    "[streams.rides]\n[deliveries.to-archive]\nsource = \"rides\"\narchive = { interval_seconds = 1 }\n";

fn infra() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra")
}

async fn scrape(server: &Server) -> String {
    let (status, body) = rest::answer(&format!("{}/metrics", server.url)).await;
    assert_eq!(status, 200);
    String::from_utf8(body.to_vec()).expect("metrics are text")
}

async fn server_that_has_worked(data: &Path) -> Server {
    let server = Server::start(data);
    for _ in 0..3 {
        let put = server.kinesis().put_record().stream_name("rides").partition_key("Shadowfax");
        put.data(Blob::new("{\"Name\":\"Shadowfax\"}")).send().await.expect("PutRecord");
    }
    server
}

/// Words of a text that may be names of metrics.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("gallop_") || word.starts_with("process_")).collect()
}

#[tokio::test]
async fn metrics_follow_the_rules_and_name_no_unicorn() {
    let (_keep, data) = folder_with(&[("gallop.toml", SETTINGS)]);
    let server = server_that_has_worked(&data).await;
    let text = eventually("the archive has the records", async || {
        let text = scrape(&server).await;
        text.contains("gallop_delivery_records_total{delivery=\"to-archive\"} 3\n").then_some(text)
    });
    let text = text.await;
    assert!(text.contains("gallop_stream_records_total{stream=\"rides\"} 3\n"), "{text}");
    assert!(text.contains("gallop_http_requests_total{operation=\"PutRecord\",status=\"200\"} 3\n"), "{text}");
    assert!(text.contains("gallop_ready 1\n") && text.contains("process_resident_memory_bytes "), "{text}");
    assert!(!text.contains("Shadowfax"), "a partition key became a label: {text}");
    for line in text.lines().filter(|line| line.starts_with("# TYPE ")) {
        let (name, kind) = line["# TYPE ".len()..].split_once(' ').expect("a name and a type");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
        assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help");
    }
    lint(&text);
}

/// Has Prometheus' own linter look at it, where Go is there to build it.
fn lint(text: &str) {
    if Command::new("go").arg("version").stdout(Stdio::null()).status().is_err() {
        println!("left out: Prometheus' linter (there is no Go here)");
        return;
    }
    let mut linter = Command::new(infra().join("check/check.sh"));
    let mut linter = linter.args(["--promcheck", "metrics"]).stdin(Stdio::piped()).spawn().expect("the linter starts");
    linter.stdin.take().expect("piped").write_all(text.as_bytes()).expect("the linter reads");
    assert!(linter.wait().expect("the linter ends").success(), "the linter complains");
}

#[test]
fn rules_and_dashboard_ask_for_metrics_that_there_are() {
    let source = include_str!("../../src/metrics/registry.rs");
    let known = names(source);
    for file in ["prometheus/rules.yml", "grafana/gallop.json"] {
        let text = std::fs::read_to_string(infra().join(file)).expect("it is there");
        for name in names(&text).into_iter().filter(|name| name.starts_with("gallop_")) {
            let family = name.strip_suffix("_bucket").unwrap_or(name);
            assert!(known.contains(family), "{file} asks for `{name}`, which no server has");
        }
    }
}
