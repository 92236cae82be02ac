//! Hostile SQL: texts that crashed the server or took all of its memory when queries ran in its process. Each is answered or
//! refused by name, the process stays, its memory stays, and others get their answers.
//!
//! The texts are made by rule: chains of every operator, nested ones of every kind, every function of the engine with large
//! arguments, recursion, products, series. `make test` runs a sample, `make night` all (`HOSTILE_SQL=500`).

#![expect(clippy::unwrap_used, reason = "a failure says which text")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_kinesis::primitives::Blob;
use datafusion::prelude::SessionContext;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{Server, eventually, gallop};

const SEED: u64 = 12;
const MIB: u64 = 1 << 20;
/// Texts of a usual run.
const SAMPLE: usize = 48;
/// How long a query may take on the server under test, and its memory.
const SETTINGS: &str = "[sql]\nseconds_max = 2\nmemory_mib_max = 512\n";
const TIME_MAX: Duration = Duration::from_secs(2);
/// How soon after its limit a query has ended.
const END_MAX: Duration = Duration::from_secs(1);
/// How long anyone else waits for an answer.
const OTHERS_WAIT_MAX: Duration = Duration::from_secs(5);
/// How much more memory the server may have.
const GROWTH_BYTES_MAX: u64 = 300 * MIB;
/// Hostile queries at a time: one place is left, as the others must not wait for long.
const AT_ONCE: usize = 3;

/// Operators that stand between their operands, with what comes before, between and after.
const CHAINS: &[(&str, &str, &str)] = &[
    ("SELECT 1", " + 1", ""),
    ("SELECT n", " - n", " FROM rides"),
    ("SELECT n", " * 1.5", " FROM rides"),
    ("SELECT n", " / 2", " FROM rides"),
    ("SELECT n", " % 7", " FROM rides"),
    ("SELECT n", " & 1", " FROM rides"),
    ("SELECT n", " << 1", " FROM rides"),
    ("SELECT text", " || text", " FROM rides"),
    ("SELECT 1 FROM rides WHERE n = 1", " OR n = 2", ""),
    ("SELECT 1 FROM rides WHERE n = 1", " AND n < 2", ""),
    ("SELECT 1 FROM rides WHERE text LIKE 'a'", " OR text LIKE '%b'", ""),
    ("SELECT 1", " UNION ALL SELECT 1", ""),
    ("SELECT n FROM rides", " UNION SELECT n FROM rides", ""),
    ("SELECT n FROM rides", " EXCEPT SELECT n FROM rides", ""),
    ("SELECT n FROM rides", " INTERSECT SELECT n FROM rides", ""),
    ("SELECT 1 FROM rides", ", rides", ""),
    ("SELECT 1 FROM rides", " CROSS JOIN rides", ""),
    ("SELECT n", "::text::bigint", " FROM rides"),
    ("SELECT n", " IS NULL", " FROM rides"),
    ("SELECT n", " IS DISTINCT FROM n", " FROM rides"),
    ("SELECT make_array(n)", "[1]", " FROM rides"),
    ("SELECT n IN (1", ", 1", ") FROM rides"),
    ("SELECT n", ", n", " FROM rides"),
    ("SELECT CASE WHEN n = 1 THEN 1", " WHEN n = 2 THEN 2", " END FROM rides"),
    ("VALUES (1)", ", (1)", ""),
    ("WITH c AS (SELECT 1)", ", c AS (SELECT 1)", " SELECT 1"),
    ("SELECT 1 ORDER BY 1", ", 1", ""),
    ("SELECT n FROM rides GROUP BY n", ", n + 1", ""),
];

/// What stands around something, from both sides.
const NESTS: &[(&str, &str, &str)] = &[
    ("(", "1", ")"),
    ("NOT ", "true", ""),
    ("- ", "1", ""),
    ("abs(", "1", ")"),
    ("CAST(", "1", " AS BIGINT)"),
    ("CASE WHEN true THEN ", "1", " END"),
    ("(SELECT ", "1", ")"),
    ("[", "1", "]"),
    ("concat('a', ", "'a'", ")"),
    ("EXISTS (SELECT ", "1", ")"),
    ("1 + (2 * ", "1", ")"),
];

/// Queries that never end, or take whatever there is.
const ENDLESS: &[&str] = &[
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT COUNT(*) FROM r",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT a.n FROM r a, r b) SELECT COUNT(*) FROM r",
    "WITH RECURSIVE r AS (SELECT 'x' AS t UNION ALL SELECT t || t FROM r) SELECT MAX(length(t)) FROM r",
    "SELECT COUNT(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b, generate_series(1, 1000) c",
    "SELECT * FROM generate_series(1, 9000000000000) ORDER BY 1 DESC",
    "SELECT SUM(value) FROM range(0, 9000000000000)",
    "SELECT array_agg(a.value) FROM generate_series(1, 100000000) a",
    "SELECT string_agg(repeat('x', 1000), '') FROM generate_series(1, 10000000)",
    "SELECT COUNT(*) FROM rides a, rides b, rides c, rides d, rides e, rides f, rides g",
    "SELECT length(array_to_string(range(0, 4000000), repeat('x', 60000)))",
    "SELECT length(r || r || r || r || r || r) FROM (SELECT repeat('x', 60000000) AS r)",
    "SELECT regexp_count(repeat('a', 30000000), '(a+)+$')",
    "SELECT DISTINCT value, repeat('x', 1000) FROM generate_series(1, 100000000)",
    "SELECT a.value FROM generate_series(1, 10000000) a JOIN generate_series(1, 10000000) b ON a.value % 7 = b.value % 7",
    "WITH a AS (SELECT 1 AS n), b AS (SELECT x.n FROM a x, a y), c AS (SELECT x.n FROM b x, b y), \
     d AS (SELECT x.n FROM c x, c y), e AS (SELECT x.n FROM d x, d y), f AS (SELECT x.n FROM e x, e y), \
     g AS (SELECT x.n FROM f x, f y), h AS (SELECT x.n FROM g x, g y) SELECT COUNT(*) FROM h x, h y, h z",
];

/// Arguments that make results large, or work long.
const ARGUMENTS: &[&str] = &[
    "repeat('x', 60000000)",
    "repeat('é(', 5000000)",
    "range(0, 4000000)",
    "array_repeat(range(0, 1000), 4000)",
    "9223372036854775807",
    "2000000000",
    "-9223372036854775808",
    "1e308",
    "now()",
    "n",
    "text",
];

/// Everything, the same for every seed of the shuffle.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = ENDLESS.iter().map(ToString::to_string).collect();
    for (index, links) in [100, 1_000, 10_000, 100_000].into_iter().enumerate() {
        for (number, (begin, link, end)) in CHAINS.iter().enumerate() {
            let explain = if (number + index) % 4 == 0 { "EXPLAIN " } else { "" };
            texts.push(format!("{explain}{begin}{}{end}", link.repeat(links)));
        }
        for (open, inner, close) in NESTS {
            texts.push(format!("SELECT {}{inner}{}", open.repeat(links), close.repeat(links)));
        }
    }
    texts.extend(calls());
    texts
}

/// Every function that the engine knows, with large arguments.
fn calls() -> Vec<String> {
    let mut random = SmallRng::seed_from_u64(SEED);
    let state = SessionContext::new().state();
    let mut names: Vec<String> =
        state.scalar_functions().keys().chain(state.aggregate_functions().keys()).cloned().collect();
    names.sort();
    assert!(names.len() > 200, "{} functions", names.len());
    let mut calls = Vec::new();
    for name in names {
        for arguments in 1..=3 {
            let arguments: Vec<&str> =
                (0..arguments).map(|_| ARGUMENTS[random.random_range(0..ARGUMENTS.len())]).collect();
            calls.push(format!("SELECT {name}({}) FROM rides", arguments.join(", ")));
        }
    }
    calls
}

/// Sends a query. The answer's status and body.
async fn ask(address: &str, sql: &str) -> (u16, String) {
    let mut stream = send(address, sql).await;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    (status, body)
}

async fn send(address: &str, sql: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let body = serde_json::json!({ "sql": sql }).to_string();
    let length = body.len();
    let head = "content-type: application/json\r\nconnection: close";
    let request =
        format!("POST /v1/sql HTTP/1.1\r\nhost: {address}\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// A server with a stream of a hundred records.
async fn server(data: &std::path::Path) -> Server {
    server_with(data, SETTINGS).await
}

async fn server_with(data: &std::path::Path, settings: &str) -> Server {
    std::fs::write(data.join("gallop.toml"), settings).unwrap();
    let server = Server::start(data);
    let client = server.kinesis();
    client.create_stream().stream_name("rides").shard_count(2).send().await.unwrap();
    for n in 0..100 {
        let record = Blob::new(format!(r#"{{"n":{n},"text":"ride {n}"}}"#));
        client.put_record().stream_name("rides").partition_key(n.to_string()).data(record).send().await.unwrap();
    }
    server
}

fn address(server: &Server) -> String {
    server.url.strip_prefix("http://").unwrap().to_owned()
}

/// What one text did that it must not, if anything.
fn verdict(sql: &str, status: u16, body: &str, took: Duration) -> Option<String> {
    let begin: String = sql.chars().take(120).collect();
    let end: String = body.lines().last().unwrap_or_default().chars().take(300).collect();
    let wrong = if took > TIME_MAX + END_MAX + Duration::from_secs(1) {
        "it took too long"
    } else if ![200, 400, 403, 413, 422].contains(&status) {
        "the status is none of a query's"
    } else if end.contains("this is a bug") || end.contains("the process that answered") {
        "the answer names no limit"
    } else {
        return None;
    };
    Some(format!("{wrong}: {begin} ({} bytes): {status} after {took:?}: {end}", sql.len()))
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_queries_end_by_name_and_nobody_else_feels_them() {
    let data = tempfile::tempdir().unwrap();
    let server = server(data.path()).await;
    let (process, address) = (server.id(), address(&server));
    assert_eq!(ask(&address, "SELECT COUNT(*) AS n FROM rides").await.0, 200);
    let before = server.resident_bytes();
    let sample = std::env::var("HOSTILE_SQL").map_or(SAMPLE, |all| all.parse().unwrap());
    let mut texts = texts();
    texts.shuffle(&mut SmallRng::seed_from_u64(SEED));
    texts.truncate(sample);
    let texts = Arc::new(std::sync::Mutex::new(texts));
    let (done, waited_max) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let others = tokio::spawn({
        let (address, done, waited_max) = (address.clone(), Arc::clone(&done), Arc::clone(&waited_max));
        async move {
            while !done.load(Ordering::Relaxed) {
                let begin = Instant::now();
                let (status, body) = ask(&address, "SELECT COUNT(*) AS n FROM rides").await;
                assert!(status == 200 && body.contains("{\"n\":100}"), "{status} {body}");
                waited_max.fetch_max(begin.elapsed().as_millis() as u64, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    });
    let askers = (0..AT_ONCE).map(|_| {
        let (texts, address) = (Arc::clone(&texts), address.clone());
        tokio::spawn(async move {
            let mut wrong = Vec::new();
            loop {
                let Some(sql) = texts.lock().unwrap().pop() else { return wrong };
                let begin = Instant::now();
                let (status, body) = ask(&address, &sql).await;
                wrong.extend(verdict(&sql, status, &body, begin.elapsed()));
            }
        })
    });
    let askers: Vec<_> = askers.collect();
    let mut memory_max = before;
    while !askers.iter().all(tokio::task::JoinHandle::is_finished) {
        assert_eq!(server.id(), process);
        memory_max = memory_max.max(server.resident_bytes());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    done.store(true, Ordering::Relaxed);
    let mut wrong = Vec::new();
    for asker in askers {
        wrong.extend(asker.await.unwrap());
    }
    others.await.unwrap();
    let waited = Duration::from_millis(waited_max.load(Ordering::Relaxed));
    let growth = memory_max.saturating_sub(before) / MIB;
    println!("{sample} texts: the server grew by {growth} MiB, others waited for {waited:?} at most");
    assert!(wrong.is_empty(), "seed {SEED}: {}", wrong.join("\n"));
    assert!(growth <= GROWTH_BYTES_MAX / MIB, "the server grew by {growth} MiB");
    assert!(waited <= OTHERS_WAIT_MAX, "others waited for {waited:?}");
}

/// Processes of SQL of a server, and its figures of those that were ended.
fn workers(server: &Server) -> Vec<u32> {
    let children = std::fs::read_dir(format!("/proc/{}/task", server.id()))
        .unwrap()
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    children.flat_map(|line| line.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<u32>>()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_of_sql_has_nothing_of_the_servers_and_ends_with_it() {
    let data = tempfile::tempdir().unwrap();
    let server = server(data.path()).await;
    let worker = eventually("a process is ready", async || workers(&server).first().copied()).await;
    assert_eq!(ask(&address(&server), "SELECT COUNT(*) AS n FROM rides").await.0, 200);
    let folder = data.path().to_str().unwrap();
    for file in std::fs::read_dir(format!("/proc/{worker}/fd")).unwrap() {
        let target = std::fs::read_link(file.unwrap().path()).unwrap();
        let target = target.to_str().unwrap();
        assert!(!target.contains(folder), "a file of the server is open: {target}");
    }
    let limits = std::fs::read_to_string(format!("/proc/{worker}/limits")).unwrap();
    let limit = |name: &str| limits.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(limit("Max core file size").contains(" 0 "), "{limits}");
    assert!(!limit("Max data size").contains("unlimited"), "{limits}");
    server.kill();
    let gone = async || (!std::path::Path::new(&format!("/proc/{worker}/fd/0")).exists()).then_some(());
    eventually("the process ends with its server", gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_is_an_answer_and_the_next_query_has_another() {
    let data = tempfile::tempdir().unwrap();
    let server = server(data.path()).await;
    let address = address(&server);
    let endless = "SELECT COUNT(*) FROM rides a, rides b, rides c, rides d, rides e, rides f, rides g";
    let asked = tokio::spawn({
        let address = address.clone();
        async move { ask(&address, endless).await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    for worker in workers(&server) {
        let worker = rustix::process::Pid::from_raw(worker.try_into().unwrap()).unwrap();
        let _ = rustix::process::kill_process(worker, rustix::process::Signal::KILL);
    }
    let (status, body) = asked.await.unwrap();
    assert!(
        status == 500 && body.contains("it was killed") && body.contains("the server is still running"),
        "{status} {body}"
    );
    assert_eq!(ask(&address, "SELECT COUNT(*) AS n FROM rides").await.0, 200);
    let metrics = metrics(&address).await;
    assert!(metrics.contains("gallop_sql_queries_ended_total{cause=\"crash\"} 1"), "{metrics}");
}

/// The policies of a process's threads, as Linux numbers them in field 41 of proc_pid_stat(5).
fn policies(process: u32) -> Option<Vec<String>> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).ok()?.flatten();
    let stats = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
    let policy = |stat: String| stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(38).map(str::to_owned);
    stats.map(policy).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_computes_for_long_gives_way_to_everything_else() {
    let data = tempfile::tempdir().unwrap();
    let server = server_with(data.path(), "[sql]\nseconds_max = 60\n").await;
    let address = address(&server);
    let worker = eventually("a process is ready", async || workers(&server).first().copied()).await;
    let all = |policy: &str| policies(worker).filter(|all| !all.is_empty() && all.iter().all(|one| one == policy));
    assert_eq!(ask(&address, "SELECT COUNT(*) AS n FROM rides").await.0, 200);
    assert!(all("0").is_some(), "a usual query: {:?}", policies(worker));
    let endless = "SELECT COUNT(*) FROM rides a, rides b, rides c, rides d, rides e, rides f, rides g";
    let asked = send(&address, endless).await;
    eventually("every thread has the lowest policy", async || all("5")).await;
    assert_eq!(ask(&address, "SELECT COUNT(*) AS n FROM rides").await.0, 200, "others have processes of their own");
    drop(asked);
    eventually("that process answers no other query", async || policies(worker).is_none().then_some(())).await;
    assert_eq!(ask(&address, "SELECT COUNT(*) AS n FROM rides").await.0, 200);
    assert!(!metrics(&address).await.contains("gallop_sql_queries_ended_total{cause=\"crash\"} 1"));
}

async fn metrics(address: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_sleeps_gives_its_place_back() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("gallop.toml"), "[sql]\nqueries_max = 1\n").unwrap();
    let server = Server::start(data.path());
    let address = address(&server);
    let rows = "SELECT value, repeat('x', 1000) FROM generate_series(1, 5000000)";
    let mut asleep = send(&address, rows).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begin = Instant::now();
    let (status, body) = ask(&address, "SELECT 1 AS n").await;
    assert!(status == 200 && begin.elapsed() < OTHERS_WAIT_MAX, "{status} after {:?}: {body}", begin.elapsed());
    let counted = "gallop_sql_queries_ended_total{cause=\"reader\"} 1";
    assert!(metrics(&address).await.contains(counted));
    // When it wakes up, it reads what was sent, and then why there is no more.
    let mut answer = String::new();
    asleep.read_to_string(&mut answer).await.unwrap();
    let last = answer.lines().rev().find(|line| line.starts_with('{')).unwrap();
    let error: Value = serde_json::from_str(last).unwrap();
    assert!(error.to_string().contains("the rows were not read for"), "{error}");
}

#[test]
fn a_command_over_an_archive_keeps_the_same_limits() {
    let archive = tempfile::tempdir().unwrap();
    std::fs::create_dir(archive.path().join("rides")).unwrap();
    std::fs::write(archive.path().join("rides/a.json"), "{\"n\":1}\n{\"n\":2}\n").unwrap();
    let ask = |sql: &str| {
        let mut command = gallop();
        command.args(["sql", "--archive"]).arg(archive.path()).args(["--output", "json", "-c", sql]).output().unwrap()
    };
    let answer = ask("SELECT SUM(n) AS n FROM rides");
    assert_eq!(String::from_utf8_lossy(&answer.stdout), "{\"n\":3}\n", "{}", String::from_utf8_lossy(&answer.stderr));
    let refused = ask("SELECT length(array_to_string(range(0, 4000000), repeat('x', 60000))) FROM rides");
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && error.contains("needs more than 1024 MiB of memory"), "{error}");
}
