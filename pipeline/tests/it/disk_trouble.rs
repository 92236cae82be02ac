//! A server on disks with real trouble: full, failing to sync, slow.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::operation::RequestId;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::ShardIteratorType;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::metrics;
use crate::rig::{Rig, SlowGroup};
use crate::server::{Server, eventually};

const MIB: u64 = 1 << 20;
const STREAM: &str = "rides";

/// What one record of the load has.
const RECORD_BYTES: usize = 100_000;

/// What was put, by sequence number.
type Acknowledged = BTreeMap<String, u64>;

/// Puts record `n`, which has `bytes`; the error's code, message and HTTP status where it is not taken.
async fn put(kinesis: &Client, n: u64, bytes: usize, acknowledged: &mut Acknowledged) -> Result<(), Refusal> {
    let mut data = n.to_string().into_bytes();
    data.resize(bytes, b' ');
    let sent = kinesis.put_record().stream_name(STREAM).partition_key("key").data(Blob::new(data)).send().await;
    match sent {
        Ok(done) => {
            assert!(acknowledged.insert(done.sequence_number, n).is_none(), "a sequence number was given twice");
            Ok(())
        }
        Err(error) => {
            assert!(error.request_id().is_some(), "every answer has a request id");
            let status = error.raw_response().map_or(0, |response| response.status().as_u16());
            Err(Refusal {
                status,
                code: error.code().unwrap_or_default().to_owned(),
                message: error.message().unwrap_or_default().to_owned(),
            })
        }
    }
}

#[derive(Debug)]
struct Refusal {
    status: u16,
    code: String,
    message: String,
}

async fn read_all(kinesis: &Client) -> Acknowledged {
    let begin = kinesis.get_shard_iterator().stream_name(STREAM).shard_id("shardId-000000000000");
    let begin = begin.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.expect("GetShardIterator");
    let (mut iterator, mut found) = (begin.shard_iterator, Acknowledged::new());
    while let Some(at) = iterator {
        let page = kinesis.get_records().shard_iterator(at).send().await.expect("GetRecords");
        for record in page.records() {
            let text = std::str::from_utf8(record.data().as_ref()).expect("text").trim();
            found.insert(record.sequence_number().to_owned(), text.parse().expect("a number"));
        }
        iterator = page.next_shard_iterator.filter(|_| page.millis_behind_latest != Some(0));
    }
    found
}

async fn create(kinesis: &Client) {
    kinesis.create_stream().stream_name(STREAM).shard_count(1).send().await.expect("CreateStream");
}

/// Puts until the server refuses; the refusal, and how long that answer took.
async fn put_until_refused(
    kinesis: &Client,
    n: &mut u64,
    bytes: usize,
    acknowledged: &mut Acknowledged,
) -> (Refusal, Duration) {
    loop {
        *n += 1;
        let begin = Instant::now();
        if let Err(refusal) = put(kinesis, *n, bytes, acknowledged).await {
            return (refusal, begin.elapsed());
        }
        assert!(*n < 10_000, "the disk never fills up");
    }
}

#[tokio::test]
async fn a_full_disk_refuses_puts_until_there_is_room() {
    let Some(rig) = Rig::small_disk(24 * MIB) else { return };
    let server = Server::start(&rig.data);
    let kinesis = server.kinesis();
    create(&kinesis).await;
    let (mut n, mut acknowledged) = (0, Acknowledged::new());
    for round in 0..3 {
        let ballast = rig.ballast(4 * MIB);
        let (refusal, took) = put_until_refused(&kinesis, &mut n, 200_000, &mut acknowledged).await;
        assert_eq!((refusal.status, &refusal.code[..]), (503, "ServiceUnavailable"), "{refusal:?}");
        assert!(refusal.message.contains("disk is full"), "{refusal:?}");
        println!("round {round}: {} records, refused after {took:?}", acknowledged.len());
        for _ in 0..5 {
            n += 1;
            put(&kinesis, n, 200_000, &mut acknowledged).await.expect_err("it is still full");
        }
        assert_eq!(read_all(&kinesis).await, acknowledged, "reads go on, and show what was acknowledged");
        let figures = metrics::scrape(&server).await;
        let full = figures.value("gallop_stream_failures_total", &[("cause", "disk_full"), ("stream", STREAM)]);
        assert_eq!(full, f64::from(6 * (round + 1)), "every refusal is counted");

        std::fs::remove_file(ballast).expect("the ballast is there");
        let begin = Instant::now();
        eventually("there is room again", async || {
            n += 1;
            put(&kinesis, n, 1000, &mut acknowledged).await.ok()
        })
        .await;
        assert!(begin.elapsed() < Duration::from_secs(2), "it took {:?}", begin.elapsed());
    }
    assert_eq!(read_all(&kinesis).await, acknowledged);
    server.kill();
    let server = Server::start(&rig.data);
    assert_eq!(read_all(&server.kinesis()).await, acknowledged, "what was refused is not there after a restart");
}

#[tokio::test]
async fn a_failed_sync_stops_the_stream_and_loses_nothing_acknowledged() {
    let Some(mut rig) = Rig::disk_that_fails_to_sync() else { return };
    let server = Server::start(&rig.data);
    let kinesis = server.kinesis();
    create(&kinesis).await;
    let (mut n, mut acknowledged) = (0, Acknowledged::new());
    let (refusal, _) = put_until_refused(&kinesis, &mut n, 1_000_000, &mut acknowledged).await;
    assert_eq!((refusal.status, &refusal.code[..]), (500, "InternalFailureException"), "{refusal:?}");
    assert!(refusal.message.contains("syncing 00000000000000000000.log"), "{refusal:?}");
    for _ in 0..5 {
        n += 1;
        let again = put(&kinesis, n, 1000, &mut acknowledged).await.expect_err("the stream has stopped");
        assert_eq!(again.message, refusal.message, "it says why as long as it stands");
    }
    assert_eq!(read_all(&kinesis).await, acknowledged, "reads go on");
    let figures = metrics::scrape(&server).await;
    assert_eq!(figures.value("gallop_log_halted", &[("stream", STREAM)]), 1.0);
    assert!(figures.value("gallop_log_disk_failures_total", &[("operation", "sync")]) >= 1.0);
    println!("{} records, then: {}", acknowledged.len(), refusal.message);

    server.kill();
    rig.repair();
    let server = Server::start(&rig.data);
    let kinesis = server.kinesis();
    let found = read_all(&kinesis).await;
    let lost: Vec<_> = acknowledged.iter().filter(|(number, n)| found.get(*number) != Some(n)).collect();
    assert!(lost.is_empty(), "acknowledged and not there: {lost:?}");
    n += 1;
    put(&kinesis, n, 1000, &mut acknowledged).await.expect("the stream takes records after a restart");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_disk_throttles_and_memory_stays_in_its_bounds() {
    const CALLS: usize = 48;
    const DISK_BYTES_A_SECOND: u64 = 8 * MIB;
    const LOAD: Duration = Duration::from_secs(4);
    /// Bodies in flight, what waits for the disk, the tail in memory; and 64 MiB for the allocator.
    const BOUNDS: u64 = (256 + 32 + 32 + 64) * MIB;
    let Some(rig) = Rig::small_disk(256 * MIB) else { return };
    let Some(group) = SlowGroup::new(&rig.device(), DISK_BYTES_A_SECOND) else { return };
    let server = Server::start(&rig.data);
    let kinesis = server.kinesis();
    create(&kinesis).await;
    let before = server.resident_bytes();
    group.take(server.id());
    let batch = batch();
    let begin = Instant::now();
    let producers: Vec<_> = (0..CALLS)
        .map(|_| {
            let (url, batch) = (server.url.clone(), batch.clone());
            tokio::spawn(async move { load(&url, batch, begin + LOAD).await })
        })
        .collect();
    let mut highest = 0;
    while begin.elapsed() < LOAD {
        tokio::time::sleep(Duration::from_millis(50)).await;
        highest = highest.max(server.resident_bytes());
    }
    let (mut taken, mut throttled) = (0, 0);
    for producer in producers {
        let (its_taken, its_throttled) = producer.await.expect("a producer ends");
        taken += its_taken;
        throttled += its_throttled;
    }
    let took = begin.elapsed();
    println!("{taken} records of {RECORD_BYTES} bytes taken in {took:?}, {throttled} throttled");
    println!("{} MiB before, at most {} MiB under load", before / MIB, highest / MIB);
    assert!(throttled > 0, "nobody was throttled");
    let written = (taken * RECORD_BYTES) as u64;
    assert!(written < DISK_BYTES_A_SECOND * (took.as_secs() + 1) * 3 / 2, "the disk was not slow: {written} bytes");
    assert!(highest < before + BOUNDS, "{highest} bytes, {before} before");
    assert_eq!(read_all(&kinesis).await.len(), taken);
}

/// A call of ten records, made once: the load is the server's, not the client's.
fn batch() -> Bytes {
    let data = base64_simd::STANDARD.encode_to_string(format!("7{}", " ".repeat(RECORD_BYTES - 1)));
    let records: Vec<_> = (0..10).map(|_| json!({ "PartitionKey": "key", "Data": data })).collect();
    json!({ "StreamName": STREAM, "Records": records }).to_string().into()
}

/// Puts batches until then; how many records were taken, and how many throttled.
async fn load(server: &str, batch: Bytes, until: Instant) -> (usize, usize) {
    let client = HttpClient::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let (mut taken, mut throttled) = (0, 0);
    while Instant::now() < until {
        let call = hyper::Request::post(server)
            .header("x-amz-target", "Kinesis_20131202.PutRecords")
            .header("content-type", "application/x-amz-json-1.1")
            .header("authorization", "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/kinesis/aws4_request")
            .body(Full::new(batch.clone()))
            .expect("a request");
        let answer = client.request(call).await.expect("the server answers");
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.expect("a whole answer").to_bytes();
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        match (status, body["Records"].as_array()) {
            (200, Some(records)) => {
                for record in records {
                    match record["ErrorCode"].as_str() {
                        None => taken += 1,
                        Some("ProvisionedThroughputExceededException") => throttled += 1,
                        Some(_) => panic!("{record}"),
                    }
                }
            }
            // All bodies in flight together are bounded too.
            _ if body["__type"] == "ThrottlingException" => throttled += 10,
            _ => panic!("{status}: {body}"),
        }
    }
    (taken, throttled)
}

const SETTINGS: &str = r#"
[streams.rides]

[streams.counts]

[tables.Counts]
partition_key = "Key"
sort_key = "At"

[queries.count]
sql = "count.sql"

[deliveries.counts-to-table]
source = "counts"
table = "Counts"

[deliveries.rides-to-archive]
source = "rides"
archive = { interval_seconds = 1 }
"#;

const QUERY: &str = r#"
CREATE OR REPLACE STREAM "rides" ("Key" VARCHAR(16), "N" BIGINT);
CREATE OR REPLACE STREAM "counts" ("Key" VARCHAR(16), "At" TIMESTAMP, "Records" BIGINT);
CREATE OR REPLACE PUMP "count" AS INSERT INTO "counts"
SELECT STREAM "Key", ROWTIME, COUNT(*) FROM "rides"
GROUP BY STEP("rides".ROWTIME BY INTERVAL '1' SECOND), "Key";
"#;

/// Queries, tables and archive on the same full disk: they wait, and then each record has counted once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_behind_a_stream_waits_for_room_too() {
    let Some(rig) = Rig::small_disk(32 * MIB) else { return };
    std::fs::write(rig.data.join("gallop.toml"), SETTINGS).expect("the disk has room");
    std::fs::write(rig.data.join("count.sql"), QUERY).expect("the disk has room");
    let server = Server::start(&rig.data);
    let kinesis = server.kinesis();
    let ballast = rig.ballast(8 * MIB);
    let put = async |n: u64, bytes: usize| {
        let data = format!("{{\"Key\":\"k\",\"N\":{n},\"Text\":\"{}\"}}", "x".repeat(bytes));
        kinesis.put_record().stream_name(STREAM).partition_key("k").data(Blob::new(data)).send().await.is_ok()
    };
    let mut taken = 0;
    while put(taken, 200_000).await {
        taken += 1;
    }
    // As full as can be, for long enough that windows close and deliveries are due.
    let full_until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < full_until {
        taken += u64::from(put(taken, 3000).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    std::fs::remove_file(ballast).expect("the ballast is there");
    eventually("there is room again", async || put(taken, 3000).await.then_some(())).await;
    taken += 1;
    let counted = eventually("the table counts every record", async || {
        let rows = crate::rest::items(&server.url, "Counts", "k").await;
        let counted: u64 = rows.iter().map(|row| row["Records"].as_u64().expect("a count")).sum();
        (counted >= taken).then_some(counted)
    });
    assert_eq!(counted.await, taken, "a record counted twice");
    let archive = rig.data.join("archive").display().to_string();
    let sql = "SELECT COUNT(*) AS total, COUNT(DISTINCT \"N\") AS d FROM rides";
    eventually("the archive holds every record once", async || {
        let rows = crate::server::rows(&["sql", "--archive", &archive, "--output", "json", "-c", sql]);
        (rows[0]["total"].as_u64() >= Some(taken)).then(|| assert_eq!(rows[0]["d"].as_u64(), Some(taken)))
    })
    .await;
}

/// All items of the table that [`SETTINGS`] names.
async fn counts(server: &Server) -> Vec<Value> {
    crate::rest::items(&server.url, "Counts", "k").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_takes_no_writes_can_be_read() {
    let Some(rig) = Rig::small_disk(32 * MIB) else { return };
    std::fs::write(rig.data.join("gallop.toml"), SETTINGS).expect("the disk has room");
    std::fs::write(rig.data.join("count.sql"), QUERY).expect("the disk has room");
    let server = Server::start(&rig.data);
    let kinesis = server.kinesis();
    let put = async |kinesis: &Client, n: u64| {
        let data = Blob::new(format!("{{\"Key\":\"k\",\"N\":{n}}}"));
        kinesis.put_record().stream_name(STREAM).partition_key("k").data(data).send().await
    };
    for n in 0..20 {
        put(&kinesis, n).await.expect("taken");
    }
    eventually("the table counts every record", async || {
        let records = counts(&server).await.iter().map(|row| row["Records"].as_u64().expect("a count")).sum::<u64>();
        (records == 20).then_some(())
    })
    .await;
    let (before, sql) = (counts(&server).await, "SELECT COUNT(*) AS total, COUNT(DISTINCT \"N\") AS d FROM rides");
    server.kill();
    eventually("nobody writes", async || rig.set_writable(false).ok()).await;

    let server = Server::start(&rig.data);
    let kinesis = server.kinesis();
    assert_eq!(server.sql(sql), [json!({"total": 20, "d": 20})], "records are read, archived or not");
    assert_eq!(counts(&server).await, before, "and items");
    let refused = put(&kinesis, 20).await.expect_err("nothing can be written");
    assert_eq!(refused.raw_response().map(|response| response.status().as_u16()), Some(503));
    assert!(refused.message().unwrap_or_default().contains("read-only file system"), "{refused:?}");
    kinesis.create_stream().stream_name("more").shard_count(1).send().await.expect_err("no stream either");
    kinesis.delete_stream().stream_name(STREAM).send().await.expect_err("nor is one deleted");
    let ready = crate::rest::get(&format!("{}/readyz", server.url)).await;
    assert_eq!(ready, json!({"status": "ready", "read_only": true}));
    for flow in ["queries", "deliveries"] {
        let flows = crate::rest::get(&format!("{}/v1/{flow}", server.url)).await;
        let flows = flows[flow].as_array().cloned().unwrap_or_else(|| panic!("{flows}"));
        assert!(!flows.is_empty() && flows.iter().all(|flow| flow["state"] == "paused"), "{flows:?}");
    }
    let doctor = crate::rest::get(&format!("{}/v1/doctor", server.url)).await;
    let checks = doctor["checks"].as_array().expect("a list");
    let writable = checks.iter().find(|check| check["check"] == "data.writable").expect("it is checked");
    assert_eq!(writable["state"], "fail", "{writable}");
    assert_eq!(server.sql(sql), [json!({"total": 20, "d": 20})], "what was refused changed nothing");
    server.kill();

    rig.set_writable(true).expect("the disk takes writes again");
    let server = Server::start(&rig.data);
    put(&server.kinesis(), 20).await.expect("taken");
    assert_eq!(server.sql(sql), [json!({"total": 21, "d": 21})]);
    eventually("flows go on", async || {
        let records = counts(&server).await.iter().map(|row| row["Records"].as_u64().expect("a count")).sum::<u64>();
        (records == 21).then_some(())
    })
    .await;
}
