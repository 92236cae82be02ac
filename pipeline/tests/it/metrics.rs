//! What a server counts, asked for after work whose size is known.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::exposition::Exposition;
use crate::server::{Server, eventually, folder_with};

const SETTINGS: &str = r#"
[streams.rides]
[streams.rides-summary]

[tables.Rides]
partition_key = "Name"
sort_key = "StatusTime"

[queries.every-second]
sql = "every-second.sql"
start = "trim-horizon"
streams = { SOURCE = "rides", SUMMARY = "rides-summary" }

[deliveries.to-table]
source = "rides-summary"
table = "Rides"

[deliveries.to-archive]
source = "rides"
archive = { interval_seconds = 1 }
"#;

const EVERY_SECOND: &str = r#"
CREATE OR REPLACE STREAM "SOURCE" ("Name" VARCHAR(16), "Distance" DOUBLE);
CREATE OR REPLACE STREAM "SUMMARY" ("Name" VARCHAR(16), "StatusTime" TIMESTAMP, "Distance" DOUBLE);
CREATE OR REPLACE PUMP "PUMP" AS INSERT INTO "SUMMARY"
SELECT STREAM "Name", "ROWTIME", SUM("Distance") FROM "SOURCE"
GROUP BY STEP("SOURCE"."ROWTIME" BY INTERVAL '1' SECOND), "Name";
"#;

/// Status, content type and text of a GET.
pub(crate) async fn get(url: &str, token: Option<&str>) -> (u16, String, String) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let mut request = Request::get(url);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response = client.request(request.body(Empty::new()).expect("a request")).await.expect("the server answers");
    let (status, kind) = (response.status().as_u16(), response.headers().get("content-type").cloned());
    let body = response.into_body().collect().await.expect("a whole answer").to_bytes();
    let kind = kind.and_then(|kind| kind.to_str().ok().map(str::to_owned)).unwrap_or_default();
    (status, kind, String::from_utf8(body.to_vec()).expect("text"))
}

/// What a server tells, read strictly.
pub(crate) async fn scrape(server: &Server) -> Exposition {
    Exposition::parse(&text(server).await)
}

async fn text(server: &Server) -> String {
    let (status, kind, text) = get(&format!("{}/metrics", server.url), None).await;
    assert_eq!((status, kind.as_str()), (200, "text/plain; version=0.0.4; charset=utf-8"));
    text
}

/// Has Prometheus' own linter look at it, where Go is there to build it.
fn lint(text: &str) {
    if Command::new("go").arg("version").stdout(Stdio::null()).status().is_err() {
        println!("left out: Prometheus' linter (there is no Go here)");
        return;
    }
    let mut linter = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/check/check.sh"));
    let mut linter = linter.args(["--promcheck", "metrics"]).stdin(Stdio::piped()).spawn().expect("the linter starts");
    linter.stdin.take().expect("piped").write_all(text.as_bytes()).expect("the linter reads");
    assert!(linter.wait().expect("the linter ends").success(), "the linter complains");
}

async fn put(server: &Server, stream: &str, datas: &[&str]) {
    let entry = |data: &&str| {
        let entry = PutRecordsRequestEntry::builder().partition_key("k").data(Blob::new(*data));
        entry.build().expect("an entry")
    };
    let entries = datas.iter().map(entry).collect();
    let put = server.kinesis().put_records().stream_name(stream).set_records(Some(entries)).send().await;
    assert_eq!(put.expect("records are taken").failed_record_count(), Some(0));
}

/// Reads all that a stream's one shard has, in one call.
async fn read(server: &Server, stream: &str) -> usize {
    let (kinesis, shard) = (server.kinesis(), "shardId-000000000000");
    let iterator = kinesis.get_shard_iterator().stream_name(stream).shard_id(shard);
    let iterator = iterator.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.expect("an iterator");
    let read = kinesis.get_records().set_shard_iterator(iterator.shard_iterator).send().await;
    read.expect("records are read").records().len()
}

#[tokio::test]
async fn every_figure_is_exact_and_named_by_the_rules() {
    let (_folder, data) = folder_with(&[("gallop.toml", SETTINGS), ("every-second.sql", EVERY_SECOND)]);
    let server = Server::start(&data);
    let unicorn = r#"{"Name":"Rocinante","Distance":2.5}"#;
    for _ in 0..3 {
        put(&server, "rides", &[unicorn; 5]).await;
    }
    put(&server, "rides", &["no JSON", unicorn]).await;
    assert_eq!(read(&server, "rides").await, 17);
    server
        .kinesis()
        .put_record()
        .stream_name("nowhere")
        .partition_key("k")
        .data(Blob::new("x"))
        .send()
        .await
        .expect_err("no stream");
    get(&format!("{}/nowhere", server.url), None).await;

    let exposition = eventually("all is delivered", async || {
        let exposition = scrape(&server).await;
        let counted = exposition.value("gallop_query_records_total", &[("query", "every-second")]) == 17.0;
        let archived = exposition.value("gallop_delivery_records_total", &[("delivery", "to-archive")])
            + exposition.value("gallop_delivery_dead_letters_total", &[("delivery", "to-archive")]);
        let rows = exposition.value("gallop_query_rows_total", &[("query", "every-second")]);
        let stored = exposition.value("gallop_delivery_records_total", &[("delivery", "to-table")]);
        (counted && archived == 17.0 && rows > 0.0 && stored == rows).then_some(exposition)
    })
    .await;
    exposition.check_names();
    documented(&exposition);
    let whole = text(&server).await;
    assert!(
        !whole.contains("Rocinante") && !whole.contains("nowhere"),
        "what producers choose became a label: {whole}"
    );
    lint(&whole);

    let rides = [("stream", "rides")];
    let bytes = (16 * (unicorn.len() + 1) + "no JSON".len() + 1) as f64;
    let rows = exposition.value("gallop_query_rows_total", &[("query", "every-second")]);
    for (name, labels, expected) in [
        ("gallop_http_requests_total", &[("operation", "PutRecords"), ("status", "200")][..], 4.0),
        ("gallop_http_requests_total", &[("operation", "PutRecord"), ("status", "400")], 1.0),
        ("gallop_http_requests_total", &[("operation", "GetRecords"), ("status", "200")], 1.0),
        ("gallop_http_requests_total", &[("operation", "other"), ("status", "404")], 1.0),
        ("gallop_http_request_duration_seconds_count", &[("operation", "PutRecords")], 4.0),
        ("gallop_stream_append_duration_seconds_count", &[], 4.0),
        ("gallop_stream_throttled_records_total", &rides, 0.0),
        ("gallop_stream_refused_records_total", &rides, 0.0),
        ("gallop_stream_records_total", &rides, 17.0),
        ("gallop_stream_bytes_total", &rides, bytes),
        ("gallop_stream_read_records_total", &[("reader", "api"), ("stream", "rides")], 17.0),
        ("gallop_stream_read_bytes_total", &[("reader", "api"), ("stream", "rides")], bytes),
        ("gallop_stream_read_records_total", &[("reader", "query"), ("stream", "rides")], 17.0),
        ("gallop_stream_read_records_total", &[("reader", "delivery"), ("stream", "rides")], 17.0),
        ("gallop_stream_committed_records_total", &[("stream", "rides-summary")], rows),
        ("gallop_query_left_out_records_total", &[("query", "every-second")], 1.0),
        ("gallop_query_restarts_total", &[("query", "every-second")], 0.0),
        ("gallop_query_running", &[("query", "every-second")], 1.0),
        ("gallop_delivery_dead_letters_total", &[("delivery", "to-table")], 0.0),
        ("gallop_delivery_dead_letters_total", &[("delivery", "to-archive")], 1.0),
        ("gallop_delivery_retries_total", &[("delivery", "to-archive")], 0.0),
        ("gallop_delivery_running", &[("delivery", "to-archive")], 1.0),
        ("gallop_table_put_items_total", &[("table", "Rides")], rows),
        ("gallop_log_halted", &rides, 0.0),
        ("gallop_log_open_shards", &rides, 1.0),
        ("gallop_log_segments", &rides, 1.0),
        ("gallop_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0),
    ] {
        assert_eq!(exposition.value(name, labels), expected, "{name} {labels:?}");
    }
    // What is no JSON lies in an object of its own.
    let cuts = exposition.value("gallop_delivery_cuts_total", &[("delivery", "to-archive")]);
    assert_eq!(exposition.value("gallop_archive_puts_total", &[("outcome", "created")]), cuts + 1.0);
    for (name, labels) in [
        ("gallop_archive_put_bytes_total", &[][..]),
        ("gallop_disk_size_bytes", &[]),
        ("gallop_disk_available_bytes", &[]),
        ("gallop_log_writes_total", &[]),
        ("gallop_log_sync_duration_seconds_count", &[]),
        ("gallop_log_written_bytes_total", &[]),
        ("gallop_log_size_bytes", &rides),
        ("gallop_query_watermark_timestamp_seconds", &[("query", "every-second")]),
        ("gallop_delivery_last_success_timestamp_seconds", &[("delivery", "to-table")]),
        ("process_resident_memory_bytes", &[]),
        ("process_open_fds", &[]),
        ("process_start_time_seconds", &[]),
    ] {
        assert!(exposition.value(name, labels) > 0.0, "{name} {labels:?}");
    }

    server.kinesis().delete_stream().stream_name("rides-summary").send().await.expect("the stream can go");
    let left = scrape(&server).await;
    let of_it = left.0.iter().filter(|(name, _)| name.starts_with("gallop_log_"));
    let of_it = of_it
        .flat_map(|(_, family)| &family.samples)
        .filter(|sample| sample.1.get("stream").is_some_and(|stream| stream == "rides-summary"));
    assert_eq!(of_it.count(), 0, "a stream that is gone has no figures");
}

/// What is told stands in the reference page.
fn documented(exposition: &Exposition) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/METRICS.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    for (name, family) in &exposition.0 {
        assert!(page.contains(&format!("| `{name}` | {} |", family.kind)), "{name} is not in docs/METRICS.md");
    }
}

#[tokio::test]
async fn figures_are_for_those_who_may_see_them() {
    let settings = r#"
        [credentials.prometheus]
        access_key_id = "AKIDPROMETHEUS"
        secret = "a secret that nobody uses"
        token = "the-token-of-prometheus"
        [[credentials.prometheus.policy]]
        effect = "allow"
        actions = ["gallop:Metrics"]
        resources = ["*"]

        [credentials.other]
        access_key_id = "AKIDOTHER"
        secret = "another secret that nobody uses"
        token = "the-token-of-another"
    "#;
    let (_folder, data) = folder_with(&[("gallop.toml", settings)]);
    let server = Server::start(&data);
    let url = format!("{}/metrics", server.url);
    assert_eq!(get(&url, None).await.0, 401);
    assert_eq!(get(&url, Some("the-token-of-another")).await.0, 403);
    assert_eq!(get(&url, Some("the-token-of-prometheus")).await.0, 200);
    assert_eq!(get(&format!("{}/v1/streams", server.url), Some("the-token-of-prometheus")).await.0, 403);
    for open in ["/healthz", "/readyz"] {
        assert_eq!(get(&format!("{}{open}", server.url), None).await.0, 200, "{open}");
    }
}
