//! This binary's own commands as clients.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Stdio;

use model::clock::Timestamp;
use serde_json::Value;

use crate::rest::{get, items};
use crate::server::{Server, eventually, folder_with, gallop, rows};

const SETTINGS: &str = r#"
[streams.wildrydes]
shards = 2

[tables.Readings]
partition_key = "Name"
sort_key = "StatusTime"

[deliveries.to-table]
source = "wildrydes"
table = "Readings"

[deliveries.to-archive]
source = "wildrydes"
archive = { interval_seconds = 1, compression = "gzip" }
"#;

/// The workshop's query, as the demo has it.
const QUERY: &str = include_str!("../../src/demo/per-minute.sql");

/// A day of one unicorn, as a file: table, archive and SQL agree with it line by line.
#[tokio::test]
async fn a_file_that_is_put_is_found_again_everywhere() {
    let start = Timestamp::from_millis(1_455_235_200_000);
    let lines: Vec<Vec<u8>> = producer_sim::fleet::sample(11, 3, 1440, start, 60_000).map(Into::into).collect();
    let file: Vec<Value> = lines.iter().map(|line| serde_json::from_slice(line).expect("JSON")).collect();
    let (_keep, data) = folder_with(&[("gallop.toml", SETTINGS)]);
    std::fs::write(data.join("lines.json"), lines.concat()).expect("written");
    let server = Server::start(&data);

    let put = gallop()
        .args(["put", "wildrydes", "--key-field", "Name", "--quiet", "--endpoint", &server.url, "--file"])
        .arg(data.join("lines.json"))
        .output()
        .expect("the binary starts");
    let report = String::from_utf8_lossy(&put.stdout);
    assert!(put.status.success() && report.contains("\"acknowledged\":1440,\"failed\":0"), "{report}");

    let mut by_key: BTreeMap<String, Value> = BTreeMap::new();
    for row in &file {
        by_key.insert(format!("{} {}", row["Name"], row["StatusTime"]), row.clone());
    }
    assert_eq!(by_key.len(), 1440);
    let sum = |rows: &[Value]| rows.iter().map(|row| row["HealthPoints"].as_i64().expect("a number")).sum::<i64>();

    let answer = server.sql("SELECT COUNT(*) AS n, SUM(HealthPoints) AS health FROM wildrydes");
    assert_eq!((answer[0]["n"].as_i64(), answer[0]["health"].as_i64()), (Some(1440), Some(sum(&file))));

    let archive = data.join("archive").display().to_string();
    let archived = eventually("the archive holds the file", async || {
        data.join("archive/wildrydes").exists().then_some(())?;
        let rows = rows(&["sql", "--archive", &archive, "--output", "json", "-c", "SELECT * FROM wildrydes"]);
        (rows.len() >= 1440).then_some(rows)
    });
    let archived = archived.await;
    assert_eq!(archived.len(), 1440);
    for row in &archived {
        assert_eq!(Some(row), by_key.get(&format!("{} {}", row["Name"], row["StatusTime"])));
    }

    let in_table = eventually("the table holds the file", async || {
        let mut found = Vec::new();
        for name in ["Shadowfax", "Bucephalus", "Rocinante"] {
            found.extend(items(&server.url, "Readings", name).await);
        }
        (found.len() >= 1440).then_some(found)
    });
    for item in in_table.await {
        assert_eq!(Some(&item), by_key.get(&format!("{} {}", item["Name"], item["StatusTime"])));
    }
    let newest = get(&format!("{}/v1/tables/Readings/items/Shadowfax?order=desc&limit=1", server.url)).await;
    let last = file.iter().rfind(|row| row["Name"] == "Shadowfax").expect("it is there");
    assert_eq!(&newest["items"][0], last);
}

/// `gallop run` over the same kind of file, against a fold by hand.
#[test]
fn a_query_runs_over_a_file_without_a_server() {
    let start = Timestamp::from_millis(1_455_235_200_000);
    let lines: Vec<Vec<u8>> = producer_sim::fleet::sample(5, 2, 600, start, 1000).map(Into::into).collect();
    let (_keep, folder) = folder_with(&[("per-minute.sql", QUERY)]);
    let mut child = gallop()
        .args(["run", "--time-field", "StatusTime", "--input", "-"])
        .arg(folder.join("per-minute.sql"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    child.stdin.take().expect("piped").write_all(&lines.concat()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("text");
    let found: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();

    let mut expected: BTreeMap<(String, String), (f64, i64)> = BTreeMap::new();
    for line in &lines {
        let row: Value = serde_json::from_slice(line).expect("JSON");
        let minute = row["StatusTime"].as_str().expect("text")[..16].to_owned();
        let name = row["Name"].as_str().expect("text").to_owned();
        let health = row["HealthPoints"].as_i64().expect("a number");
        let window = expected.entry((minute, name)).or_insert((0.0, i64::MIN));
        *window = (window.0 + row["Distance"].as_f64().expect("a number"), window.1.max(health));
    }
    assert_eq!((found.len(), expected.len()), (20, 20));
    for (row, ((minute, name), (distance, health))) in found.iter().zip(&expected) {
        let end = format!("{}{:02}:00.000", &minute[..14], minute[14..].parse::<u32>().expect("a minute") + 1);
        assert_eq!((row["Name"].as_str(), row["StatusTime"].as_str()), (Some(name.as_str()), Some(end.as_str())));
        assert_eq!(row["Distance"].as_f64(), Some(distance.round()));
        assert_eq!(row["MaxHealthPoints"].as_i64(), Some(*health));
    }
}

/// Errors say what, why and what to do, and the exit status tells their kind.
#[test]
fn commands_that_cannot_work_say_why() {
    let (_keep, folder) = folder_with(&[("bad.toml", "[streams.a]\nshard = 1\n"), ("bad.sql", "SELECT 1")]);
    let bad_toml = folder.join("bad.toml").display().to_string();
    let bad_sql = folder.join("bad.sql").display().to_string();
    let cases: [(&[&str], i32, &str); 6] = [
        (&["serve", "--config", &bad_toml], 2, "bad.toml:2:1: unknown field `shard`"),
        (&["serve", "--host", "0.0.0.0"], 2, "not a loopback address"),
        (&["run", &bad_sql], 2, "CREATE"),
        (&["put", "s", "--key-field", "k", "--rate", "fast"], 2, "neither a number of records a second nor `max`"),
        (&["sql", "--endpoint", "http://127.0.0.1:1", "-c", "SELECT 1"], 5, "no server answers"),
        (&["sql", "--archive", "nowhere", "-c", "SELECT 1"], 1, "nowhere is not a folder"),
    ];
    for (args, status, text) in cases {
        let output = gallop().args(args).stdin(Stdio::null()).output().expect("the binary starts");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{args:?}: {error}");
        assert!(error.contains(text), "{args:?}: {error}");
    }
    let output = gallop().arg("serve").env("GALLOP_PROT", "1").output().expect("the binary starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("did you mean GALLOP_PORT?"));
}
