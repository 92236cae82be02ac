//! Log lines, as a machine reads them and as people do.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::server::{gallop, rows, terminate};

/// What `gallop serve` logs from its start to its end.
fn log_of_a_start(data: &Path, format: Option<&str>) -> String {
    let mut command = gallop();
    command.args(["serve", "--port", "0", "--data"]).arg(data).stdout(Stdio::null());
    if let Some(format) = format {
        command.env("GALLOP_LOG_FORMAT", format);
    }
    let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary starts");
    let stderr = std::io::BufReader::new(child.stderr.take().expect("piped above"));
    let mut lines = Vec::new();
    for line in std::io::BufRead::lines(stderr) {
        let line = line.expect("text");
        if line.contains("gallop listens") {
            terminate(&child);
        }
        lines.push(line);
    }
    assert_eq!(child.wait().expect("it is our child").code(), Some(0));
    lines.join("\n")
}

#[test]
fn lines_are_json_where_nobody_looks_and_text_where_it_is_asked_for() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let log = log_of_a_start(data.path(), None);
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
    let of = |message: &str| lines.iter().find(|line| line["message"] == message);
    let listens = of("gallop listens").expect("it says so");
    assert_eq!(listens["level"], "INFO");
    assert!(listens["timestamp"].is_string() && listens["address"].is_string(), "{listens}");
    assert!(of("drained").is_some(), "{log}");

    let log = log_of_a_start(data.path(), Some("text"));
    assert!(log.contains("gallop listens") && !log.contains('{') && !log.contains('\u{1b}'), "{log}");
    assert!(log_of_a_start(data.path(), Some("auto")).lines().all(|line| line.starts_with('{')), "no terminal here");
    let refused = gallop().args(["serve", "--log-format", "xml"]).output().expect("the binary starts");
    assert_eq!(refused.status.code(), Some(2));
    let quiet = rows(&[
        "sql",
        "--archive",
        data.path().join("archive").to_str().expect("text"),
        "--output",
        "json",
        "-c",
        "SELECT 1 AS one",
    ]);
    assert_eq!(quiet[0]["one"], 1, "commands for people log nothing between their rows");
}
