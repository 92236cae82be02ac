//! Sensor datagrams from a socket to SQL, table and archive, with accounts that close; ports that outlive a restart.

use std::net::UdpSocket;
use std::path::Path;

use aws_sdk_kinesis::types::ShardIteratorType;
use hyper::StatusCode;
use model::datagram::header::{Header, SchemaId, SourceId};
use model::datagram::payload::Datagram;
use model::datagram::tag::TagKey;
use serde_json::Value;

use crate::rest::{answer, get};
use crate::server::{Server, eventually, folder_with, gallop, rows};

const SETTINGS: &str = r#"
[sensor]
pollers = 2

[[sensor.schema]]
id = 7
fields = [{ name = "rpm", kind = "u16" }, { name = "load", kind = "u32" }, { name = "site", kind = { text = 4 } }]

[tables.PlantLoad]
partition_key = "site"
sort_key = "until"

[queries.load]
sql = "load.sql"

[deliveries.load-to-table]
source = "plant-load"
table = "PlantLoad"

[deliveries.plant-to-archive]
source = "plant"
archive = { interval_seconds = 1 }
"#;

/// Windows of a second, so that the test need not wait for a minute.
const SQL: &str = r#"
CREATE OR REPLACE STREAM "plant" ("load" BIGINT, "site" VARCHAR(4), "source" BIGINT);
CREATE OR REPLACE STREAM "plant-load" ("site" VARCHAR(4), "until" TIMESTAMP, "records" BIGINT, "load" BIGINT, "sources" BIGINT);
CREATE OR REPLACE PUMP p AS INSERT INTO "plant-load"
SELECT STREAM "site", ROWTIME, COUNT(*), SUM("load"), SUM("source") FROM "plant"
GROUP BY STEP("plant".ROWTIME BY INTERVAL '1' SECOND), "site";
"#;

const RECORD_BYTES: u16 = 10;

/// Records of a datagram: the load of each is its number, so that sums tell which came.
fn records(first: u64, count: u8) -> Vec<u8> {
    let record = |number: u64| {
        let (rpm, load) = (500 + number as u16 % 100, number as u32);
        [&rpm.to_le_bytes()[..], &load.to_le_bytes(), if number.is_multiple_of(2) { b"east" } else { b"west" }].concat()
    };
    (first..first + u64::from(count)).flat_map(record).collect()
}

fn datagram(source: u32, first: u64, count: u8, key: Option<&TagKey>) -> Vec<u8> {
    let header = Header {
        tagged: false,
        record_times: false,
        schema_id: SchemaId(7),
        record_len: RECORD_BYTES,
        count,
        key_id: 1,
        epoch: 1,
        source_id: SourceId(source),
        first,
        time_nanos: 1_700_000_000_000_000_000,
    };
    let mut bytes = Vec::new();
    Datagram::write(header, &records(first, count), key, &mut bytes);
    bytes
}

/// Adds a port that nobody has, with further arguments, and a socket that sends to it.
fn add_port(server: &Server, stream: &str, more: &[&str]) -> (u16, UdpSocket) {
    for _ in 0..20 {
        let free = UdpSocket::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
        let port = free.to_string();
        let add = ["sensor", "port", "add", &port, "--stream", stream, "--schema", "7", "--endpoint", &server.url];
        let output = gallop().args(add).args(more).output().expect("the binary starts");
        if output.status.success() {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
            socket.connect(("127.0.0.1", free)).expect("a local address");
            return (free, socket);
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("cannot be opened"), "{said}");
    }
    panic!("no free port in twenty tries");
}

async fn counters(server: &Server, port: u16) -> Value {
    get(&format!("{}/v1/sensor/ports/{port}", server.url)).await["counters"].take()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn causes(value: &Value) -> u64 {
    value.as_object().expect("causes").values().map(number).sum()
}

/// Waits until everything sent is accounted for, and returns the port's counters and what the kernel dropped.
async fn accounted(server: &Server, port: u16, sent: u64) -> (Value, u64) {
    eventually("everything sent is accounted for", async || {
        let stats = get(&format!("{}/v1/sensor/stats", server.url)).await;
        let dropped = number(&stats["receiver"]["dropped_by_kernel"]);
        let counted = counters(server, port).await;
        let ended = number(&counted["received"]) + dropped == sent && number(&counted["waiting"]) == 0;
        ended.then_some((counted, dropped))
    })
    .await
}

fn parquet_files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let count = |entry: std::fs::DirEntry| match entry.file_type().expect("it is there").is_dir() {
        true => parquet_files(&entry.path()),
        false => usize::from(entry.path().extension().is_some_and(|extension| extension == "parquet")),
    };
    entries.map(|entry| count(entry.expect("readable"))).sum()
}

fn of_column(rows: &[Value], column: &str) -> u64 {
    rows.iter().map(|row| number(&row[column])).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_become_aggregates_table_and_parquet_and_the_accounts_close() {
    let (_folder, data) = folder_with(&[("gallop.toml", SETTINGS), ("load.sql", SQL)]);
    let server = Server::start(&data);
    let (port, socket) = add_port(&server, "plant", &[]);
    let send = |bytes: &[u8]| socket.send(bytes).expect("loopback takes it");

    const SOURCES: u32 = 16;
    const DATAGRAMS: u64 = 2_000;
    const COUNT: u8 = 5;
    let mut sent = 0;
    for number in 0..DATAGRAMS {
        let (source, turn) = (1 + number as u32 % SOURCES, number / u64::from(SOURCES));
        send(&datagram(source, turn * u64::from(COUNT), COUNT, None));
        sent += 1;
        if number % 64 == 63 {
            // As fast as it is taken, so that nothing need be dropped; if something is, the accounts say so.
            tokio::task::yield_now().await;
        }
    }
    let good = datagram(1, 0, COUNT, None);
    for bad in [&good[..], &good[..20], &good[..good.len() - 1], b"nothing of ours, and long enough to be one", b""] {
        send(bad);
        sent += 1;
    }
    let mut other_schema = datagram(1, 1 << 20, COUNT, None);
    other_schema[4] = 8;
    send(&other_schema);
    sent += 1;

    let (counted, dropped) = accounted(&server, port, sent).await;
    let (stored, records) = (number(&counted["stored"]), number(&counted["stored_records"]));
    assert_eq!(stored + causes(&counted["rejected"]) + causes(&counted["refused"]) + dropped, sent, "{counted}");
    assert_eq!(records, stored * u64::from(COUNT));
    if dropped == 0 {
        assert_eq!(stored, DATAGRAMS, "{counted}");
        for (cause, count) in [("replayed", 1), ("short", 2), ("length", 1), ("magic", 1), ("schema", 1)] {
            assert_eq!(number(&counted["rejected"][cause]), count, "{cause} of {counted}");
        }
    }
    assert_eq!(causes(&counted["refused"]), 0, "{counted}");

    // What is in the stream, by SQL over its tail and archive: the reference for all that follows.
    let all = server.sql("SELECT COUNT(*) AS records, SUM(load) AS load, SUM(source) AS sources FROM plant");
    assert_eq!(number(&all[0]["records"]), records);
    if dropped == 0 {
        let loads: u64 = (0..DATAGRAMS / u64::from(SOURCES) * u64::from(COUNT)).sum::<u64>() * u64::from(SOURCES);
        assert_eq!(number(&all[0]["load"]), loads);
    }
    let table = eventually("all windows are in the table", async || {
        let page = get(&format!("{}/v1/tables/PlantLoad/items", server.url)).await;
        let items = page["items"].as_array().expect("items").clone();
        (of_column(&items, "records") == records).then_some(items)
    })
    .await;
    for column in ["load", "sources"] {
        assert_eq!(of_column(&table, column), number(&all[0][column]), "{column}");
    }
    let archive = data.join("archive");
    let archived = "SELECT COUNT(*) AS records, SUM(load) AS load, SUM(source) AS sources FROM plant";
    eventually("all is archived", async || {
        let rows = rows(&["sql", "--archive", archive.to_str().expect("text"), "-c", "SHOW TABLES"]);
        rows.iter().any(|row| row["table_name"] == "plant").then_some(())?;
        let found = crate::server::rows(&["sql", "--archive", archive.to_str().expect("text"), "-c", archived]);
        (found[0] == all[0]).then_some(())
    })
    .await;
    assert!(parquet_files(&archive.join("plant")) > 0);
    assert_eq!(server.sql(archived)[0], all[0], "archive and tail together are the same still");

    // A reader of the Kinesis API gets an object a line.
    let kinesis = server.kinesis();
    let iterator = kinesis.get_shard_iterator().stream_name("plant").shard_id("shardId-000000000000");
    let iterator = iterator.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.expect("an iterator");
    let read = kinesis.get_records().shard_iterator(iterator.shard_iterator().expect("it")).limit(3).send().await;
    let read = read.expect("records");
    let first: Vec<Value> = serde_json::Deserializer::from_slice(read.records()[0].data().as_ref())
        .into_iter()
        .collect::<Result<_, _>>()
        .expect("lines of JSON");
    assert_eq!(first.len(), usize::from(COUNT));
    assert_eq!(first[1]["seq"], number(&first[0]["seq"]) + 1);
    assert_eq!(first[0]["time"], "2023-11-14T22:13:20.000000000Z");
    assert_eq!(read.records()[0].partition_key(), Some(&*first[0]["source"].to_string()));

    let (_, metrics) = answer(&format!("{}/metrics", server.url)).await;
    let metrics = String::from_utf8_lossy(&metrics).into_owned();
    let line = format!("gallop_sensor_stored_records_total{{port=\"{port}\"}} {records}\n");
    assert!(metrics.contains(&line), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_and_schemas_set_at_run_time_outlive_a_kill() {
    let (_folder, data) = folder_with(&[("gallop.toml", SETTINGS), ("load.sql", SQL)]);
    let server = Server::start(&data);
    let key = TagKey::new(*b"0123456789abcdef");
    let digits: String = b"0123456789abcdef".iter().map(|byte| format!("{byte:02x}")).collect();
    let keys = data.join("sensor-keys");
    std::fs::create_dir(&keys).expect("created");
    let file = keys.join("plant.toml");
    std::fs::write(&file, format!("[[source]]\nid = 17\nkeys = [{{ id = 1, key = \"{digits}\" }}]\n"))
        .expect("written");

    let sensor = |server: &Server, args: &[&str]| {
        let output = gallop().arg("sensor").args(args).args(["--endpoint", &server.url]).output().expect("it starts");
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout).expect("text")),
            false => Err(String::from_utf8(output.stderr).expect("text")),
        }
    };
    let said = sensor(&server, &["port", "add", "1", "--stream", "guarded", "--schema", "7", "--keys", "plant.toml"]);
    assert!(said.as_ref().is_err_and(|said| said.contains("chmod 600") && !said.contains(&digits)), "{said:?}");
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, owner_only).expect("set");
    let said = sensor(&server, &["port", "add", "1", "--stream", "guarded", "--schema", "9"]);
    assert!(said.is_err_and(|said| said.contains("schema 9 is not registered")));
    sensor(&server, &["schema", "add", "9", "height:f64"]).expect("registered");
    let said = sensor(&server, &["schema", "add", "9", "height:f32"]);
    assert!(said.is_err_and(|said| said.contains("registered with other fields")));

    let (port, socket) = add_port(&server, "guarded", &["--keys", "plant.toml"]);
    socket.send(&datagram(17, 0, 3, Some(&key))).expect("sent");
    socket.send(&datagram(17, 3, 3, None)).expect("sent");
    socket.send(&datagram(18, 0, 3, Some(&key))).expect("sent");
    let (counted, _) = accounted(&server, port, 3).await;
    let rejected = &counted["rejected"];
    assert_eq!((number(&counted["stored"]), number(&rejected["tag"]), number(&rejected["unknown_source"])), (1, 1, 1));
    let said = sensor(&server, &["port", "add", &port.to_string(), "--stream", "guarded", "--schema", "9"]);
    assert!(said.is_err_and(|said| said.contains("holds records of schema 7")));
    server.kill();

    let server = Server::start(&data);
    let listed = sensor(&server, &["port", "list"]).expect("a list");
    let listed: Value = serde_json::from_str(&listed).expect("one port");
    assert_eq!(
        (&listed["port"], &listed["keys"], &listed["stream"]),
        (&port.into(), &"plant.toml".into(), &"guarded".into())
    );
    assert!(!listed.to_string().contains(&digits));
    assert_eq!(sensor(&server, &["schema", "list"]).expect("a list").lines().count(), 2);
    socket.send(&datagram(17, 6, 3, Some(&key))).expect("sent");
    accounted(&server, port, 1).await;
    let kept = server.sql("SELECT seq, source FROM guarded ORDER BY seq");
    let numbers: Vec<u64> = kept.iter().map(|row| number(&row["seq"])).collect();
    assert_eq!(numbers, [0, 1, 2, 6, 7, 8]);

    sensor(&server, &["port", "remove", &port.to_string()]).expect("removed");
    assert!(
        sensor(&server, &["port", "remove", &port.to_string()]).is_err_and(|said| said.contains("not a sensor port"))
    );
    let (status, _) = answer(&format!("{}/v1/sensor/ports/{port}", server.url)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    drop(server);
    let server = Server::start(&data);
    assert_eq!(sensor(&server, &["port", "list"]).expect("a list"), "");
}
