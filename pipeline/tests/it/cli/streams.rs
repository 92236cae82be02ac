//! `gallop stream`, `tap`, `table`, `query` and `delivery` against a running server: what they do, and what they print.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::golden::words;
use crate::server::{Server, eventually, folder_with, gallop, rows};

/// A server of the test's own, and commands that ask it.
struct Asked {
    server: Server,
    _folder: tempfile::TempDir,
}

impl Asked {
    fn new(files: &[(&str, &str)]) -> Asked {
        let (folder, data) = folder_with(files);
        Asked { server: Server::start(&data), _folder: folder }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = gallop();
        command.args(words(line)).env("AWS_ENDPOINT_URL", &self.server.url);
        command
    }

    /// The rows that a command prints.
    fn rows(&self, line: &str) -> Vec<Value> {
        let output = self.command(line).output().expect("the binary starts");
        let (text, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{line}: {said}");
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("JSON: {line}"))).collect()
    }

    /// What a command that fails says, and its status.
    fn fails(&self, line: &str) -> (String, i32) {
        let output = self.command(line).stdin(Stdio::null()).output().expect("the binary starts");
        (String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code().expect("a status"))
    }

    /// Follows; returns once it is known where that begins.
    fn tap(&self, line: &str) -> Tap {
        let mut child = self.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("piped"));
        Tap { child, lines }
    }

    fn put(&self, stream: &str, lines: &str) {
        let line = format!("put {stream} --key-field Name --quiet --output json");
        let mut child = self.command(&line).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it starts");
        child.stdin.take().expect("piped").write_all(lines.as_bytes()).expect("it reads");
        assert!(child.wait().expect("it ends").success());
    }
}

struct Tap {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Tap {
    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("it tells");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("JSON: {line}"))
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_created_reshaped_and_deleted_with_receipts() {
    let asked = Asked::new(&[]);
    let made = asked.rows("stream create rides --shards 2 --retention 48");
    assert_eq!(made, [json!({"stream": "rides", "created": true, "open_shards": 2, "retention_hours": 48})]);
    let (said, status) = asked.fails("stream create rides");
    assert!(status == 6 && said.contains("already exists"), "{said}");

    let plan = &asked.rows("stream split rides 0 --dry-run")[0];
    assert_eq!((plan["before"].as_array().map(Vec::len), plan["after"].as_array().map(Vec::len)), (Some(1), Some(2)));
    assert_eq!(asked.rows("stream describe rides")[0]["open_shards"], 2, "a dry run changes nothing");
    let split = &asked.rows("stream split rides 0")[0];
    let keys = |of: &Value, name: &str| {
        of[name].as_array().expect("shards").iter().map(|s| s["starting_hash_key"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(keys(split, "new"), keys(plan, "after"), "as the preview said");
    assert_eq!(split["open_shards"], 3);
    assert_eq!(asked.rows("stream merge rides 2")[0]["open_shards"], 2);
    let (said, status) = asked.fails("stream merge rides 1 1");
    assert!(status == 6 && said.contains("not neighbours"), "{said}");
    assert_eq!(asked.rows("stream scale rides 4")[0]["open_shards"], 4);
    let described = &asked.rows("stream describe rides --closed")[0];
    assert_eq!((&described["retention_hours"], &described["open_shards"]), (&json!(48), &json!(4)));
    let shards = described["shards"].as_array().expect("shards");
    assert!(
        shards.len() > 4 && shards.iter().filter(|shard| shard["open"] == true).all(|shard| shard["share"] == "25.0 %")
    );

    assert_eq!(asked.rows("stream retention rides 24")[0]["retention_hours_before"], 48);
    let (said, status) = asked.fails("stream delete rides");
    assert!(status == 2 && said.contains("--yes") && said.contains("4 shards"), "{said}");
    assert_eq!(asked.rows("stream delete rides --yes"), [json!({"stream": "rides", "deleted": true})]);
    assert_eq!(asked.rows("stream list").len(), 0);
    let table = asked.command("stream list --output table").output().expect("it starts");
    assert_eq!(String::from_utf8_lossy(&table.stdout).lines().last(), Some("0 rows"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_followed_through_a_split_decoded_and_filtered() {
    let asked = Asked::new(&[]);
    asked.rows("stream create rides --shards 2");
    asked.put("rides", "{\"Name\":\"a\",\"n\":1}\n");
    let mut newest = asked.tap("tap rides --filter n>=2 --filter 'Name~A' --fields n,Name --from oldest --keys");
    asked.put("rides", "{\"Name\":\"a\",\"n\":2}\n{\"Name\":\"b\",\"n\":3}\n");
    let found = newest.line();
    assert_eq!((&found["partition_key"], &found["data"]), (&json!("a"), &json!({"n": 2, "Name": "a"})));
    asked.rows("stream split rides 0");
    asked.rows("stream split rides 1");
    asked.put("rides", "{\"Name\":\"a\",\"n\":4.50}\n");
    assert_eq!(newest.line()["data"]["n"], 4.5);
    crate::server::interrupt(&newest.child);
    assert!(newest.child.wait().expect("it ends").success());
    let mut said = String::new();
    std::io::Read::read_to_string(&mut newest.child.stderr.take().expect("piped"), &mut said).expect("text");
    assert!(said.contains("its child shards follow") && said.ends_with("2 records\n"), "{said}");

    let all = asked.rows("tail rides --from oldest --limit 4");
    assert_eq!(all.iter().map(|row| row["n"].as_f64().expect("a number")).sum::<f64>(), 10.5);
    let number = found["sequence_number"].as_str().expect("text");
    let again = asked.rows(&format!("tap rides --from {number} --limit 1 --fields n"));
    assert_eq!(again, [json!({"n": 2})]);
    let after = asked.rows(&format!("tap rides --from after:{number} --limit 1 --filter Name=a --fields n"));
    assert_eq!(after, [json!({"n": 4.5})]);
    let csv = asked
        .command("tap rides --from oldest --limit 1 --fields n --filter n=3 --output csv")
        .output()
        .expect("it starts");
    assert_eq!(String::from_utf8_lossy(&csv.stdout), "n\n3\n");
    assert_eq!(asked.rows("tap rides --from 1h --limit 4").len(), 4);
}

const SETTINGS: &str = r#"
[streams.in]
[tables.T]
partition_key = "k"
[queries.seconds]
sql = "seconds.sql"
[queries.nothing]
sql = "nothing.sql"
[queries.columns]
sql = "columns.sql"
[deliveries.to-table]
source = "out"
table = "T"
[deliveries.to-archive]
source = "in"
archive = { interval_seconds = 1 }
"#;

/// Windows of a second over `in`.
fn sql(output: &str, condition: &str) -> String {
    format!(
        "CREATE OR REPLACE STREAM \"in\" (\"k\" VARCHAR(8), \"v\" BIGINT);
         CREATE OR REPLACE PUMP p AS INSERT INTO \"{output}\" SELECT STREAM \"k\", COUNT(*) AS \"n\" FROM \"in\" {condition}
         GROUP BY STEP(\"in\".ROWTIME BY INTERVAL '1' SECOND), \"k\";"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_say_why_they_write_nothing_and_deliveries_where_they_are() {
    let (seconds, nothing) = (sql("out", ""), sql("none", "WHERE \"v\" > 100"));
    let columns = sql("unread", "").replace("\"v\" BIGINT", "\"v\" BIGINT, \"w\" BIGINT");
    let files =
        [("gallop.toml", SETTINGS), ("seconds.sql", &seconds), ("nothing.sql", &nothing), ("columns.sql", &columns)];
    let asked = Asked::new(&files);
    let causes = |query: &str| -> Vec<String> {
        let reasons = asked.rows(&format!("query explain {query}"));
        reasons.iter().map(|reason| reason["code"].as_str().expect("a code").to_owned()).collect()
    };
    assert_eq!(causes("seconds"), ["no_input"]);
    let put = |text: &str| {
        let line = "put in --key-field k --quiet --output json";
        let mut child = asked.command(line).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it starts");
        child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("it reads");
        assert!(child.wait().expect("it ends").success());
    };
    put("{\"k\":\"a\",\"v\":1}\n{\"k\":\"b\",\"v\":2}\n");
    eventually("rows are written", async || (causes("seconds") == ["rows_written"]).then_some(())).await;
    eventually("the filter is named", async || {
        causes("nothing").contains(&"filter_rejects_all".to_owned()).then_some(())
    })
    .await;
    put("{\"k\":\"a\",\"v\":\"many\"}\n");
    eventually("records that do not fit are named", async || {
        causes("seconds").contains(&"does_not_parse".to_owned()).then_some(())
    })
    .await;

    let shown = &asked.rows("query show seconds")[0];
    assert_eq!((&shown["source"], &shown["output"], &shown["running"]), (&json!("in"), &json!("out"), &json!(true)));
    assert!(shown["watermark"].as_str().is_some_and(|at| at.ends_with('Z')), "{shown}");
    assert_eq!(asked.rows("query list").len(), 3);
    let delivered = eventually("rows are in the table", async || {
        let shown = asked.rows("delivery show to-table").remove(0);
        (shown["records"].as_u64() >= Some(2)).then_some(shown)
    })
    .await;
    assert_eq!((&delivered["kind"], &delivered["target"]), (&json!("table"), &json!("T")));
    let archived = eventually("records are archived", async || {
        let shown = asked.rows("delivery show to-archive").remove(0);
        (shown["last_delivered"].is_string()).then_some(shown)
    })
    .await;
    assert!(archived["last_delivered"].as_str().expect("text").starts_with("in/"), "{archived}");
    assert_eq!(asked.rows("delivery list").len(), 2);

    let mut names: Vec<String> =
        asked.rows("table scan T --limit 0").iter().map(|item| item["k"].to_string()).collect();
    names.sort();
    assert_eq!(names, ["\"a\"", "\"b\""]);
    assert_eq!(asked.rows("table get T a")[0]["n"], 1);
    assert_eq!(asked.rows("table query T b").len(), 1);
    assert_eq!(asked.rows("table list")[0]["partition_key"]["name"], "k");
    assert_eq!(rows(&["table", "describe", "T", "--endpoint", &asked.server.url])[0]["name"], "T");
}
