//! The demo, as a newcomer sees it: rows appear, Ctrl-C keeps everything, and the commands it prints work as printed.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::server::{Server, folder_with, gallop};

/// The command among `lines` that has `part` in it.
fn command<'a>(lines: &'a [String], part: &str) -> &'a str {
    let found = lines.iter().map(|line| line.trim()).find(|line| line.contains(part));
    found.unwrap_or_else(|| panic!("no command with `{part}` in {lines:#?}"))
}

/// What a shell prints for a command.
fn shell(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).stderr(Stdio::inherit()).output().expect("sh starts");
    assert!(output.status.success(), "{command}: {}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

fn read_until(lines: &mut Lines<BufReader<ChildStdout>>, wanted: impl Fn(&str) -> bool) -> String {
    let found = lines.by_ref().map(|line| line.expect("text")).find(|line| wanted(line));
    found.expect("the demo goes on")
}

#[test]
fn the_demo_shows_rows_and_the_commands_it_prints_work() {
    let (_keep, folder) = folder_with(&[]);
    let data = folder.join("demo");
    let mut demo = gallop()
        .args(["demo", "--port", "0", "--data"])
        .arg(&data)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut lines = BufReader::new(demo.stdout.take().expect("piped above")).lines();
    let is_wanted = |line: &str| line.contains("Shadowfax") && line.contains(" 10 s ");
    let first = read_until(&mut lines, is_wanted);
    // The first window may have been as good as over when the demo began.
    read_until(&mut lines, |line| is_wanted(line) && line != first);
    shell(&format!("kill -INT {}", demo.id()));
    let rest: Vec<String> = lines.map(|line| line.expect("text")).collect();
    assert!(demo.wait().expect("it ends").success(), "{rest:#?}");

    let kept = command(&rest, "records are in");
    let records: i64 = kept.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number of records");
    let port = command(&rest, " serve ").rsplit(' ').next().expect("the last word").to_owned();
    let _server = Server::start_with(&data, &["--port", &port]);

    let sql = shell(command(&rest, "GROUP BY Name"));
    let counts = sql.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["records"].as_i64());
    assert_eq!(counts.sum::<Option<i64>>(), Some(records));

    let newest: Value = serde_json::from_str(&shell(command(&rest, "curl "))).expect("JSON");
    let items = newest["items"].as_array().expect("items");
    assert!(!items.is_empty() && items.iter().all(|item| item["Name"] == "Shadowfax"), "{newest}");

    let target = Path::new(env!("CARGO_BIN_EXE_gallop")).ancestors().nth(2).expect("the binary is in a target folder");
    let python = target.join("clients/python/bin/python3");
    assert!(python.exists(), "no Python with boto3 at {}: run `make clients`", python.display());
    let boto3 = command(&rest, "python3 -c").replacen("python3", &python.display().to_string(), 1);
    assert_eq!(shell(&boto3).matches("'SequenceNumber'").count(), 3);
}
