//! Each benchmark runs for a moment, against a server that asks for signatures, and reports figures.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Once;

use serde_json::Value;

/// Builds `gallop` beside the benchmarks, unless a build of the workspace has done so.
fn gallop_is_there() {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let bench = Path::new(env!("CARGO_BIN_EXE_bench"));
        if bench.with_file_name("gallop").is_file() {
            return;
        }
        let build = Command::new(env!("CARGO")).args(["build", "--package", "pipeline", "--bin", "gallop"]).status();
        assert!(build.expect("cargo starts").success(), "gallop can be built");
    });
}

/// Runs a benchmark and returns its report, which counts something.
fn measure(args: &[&str]) -> Value {
    gallop_is_there();
    let mut bench = Command::new(env!("CARGO_BIN_EXE_bench"));
    let outside = |name: &str| name.starts_with("GALLOP_") || name.starts_with("AWS_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| outside(&name.to_string_lossy())) {
        bench.env_remove(name);
    }
    bench.envs([("AWS_CONFIG_FILE", "/dev/null"), ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")]);
    let output = bench.arg("--json").args(args).stderr(Stdio::inherit()).output().expect("the binary starts");
    assert!(output.status.success(), "bench {args:?} failed");
    let report: Value = serde_json::from_slice(&output.stdout).expect("one report, in JSON");
    assert!(report["records"].as_u64() > Some(0), "{report}");
    assert!(report["cpu_micros_per_record"].is_number() && report["p99_millis"].is_number(), "{report}");
    report
}

#[test]
fn puts_are_measured_signed_or_not() {
    let report = measure(&["put", "--seconds", "1", "--connections", "2", "--records", "50"]);
    assert!(report["what"].as_str().is_some_and(|what| what.contains(" signed")), "{report}");
    measure(&["put", "--seconds", "1", "--connections", "2", "--records", "1", "--unsigned"]);
}

#[test]
fn starts_are_measured_up_to_where_they_listen() {
    let report = measure(&["start", "--starts", "3"]);
    assert_eq!(report["records"], 3);
    let p95 = report["more"].as_array().expect("figures").iter().find(|figure| figure["name"] == "listening, p95");
    assert!(p95.is_some_and(|p95| p95["value"].as_f64() > Some(0.0)), "{report}");
}

#[test]
fn gets_read_all_that_was_put() {
    measure(&["get", "--seconds", "2", "--mib", "2", "--shards", "2"]);
}

#[test]
fn single_puts_are_measured_beside_the_disk() {
    let report = measure(&["latency", "--seconds", "1", "--rate", "100", "--connections", "2"]);
    assert_eq!(report["records"], 100);
}

#[test]
fn pushes_reach_every_consumer() {
    let slow = ["--seconds", "1", "--rate", "50", "--connections", "5", "--records", "3", "--shards", "2"];
    let report = measure(&[&["fanout"], &slow[..]].concat());
    assert_eq!(report["records"], 300, "two consumers receive all");
    measure(&["fanout", "--seconds", "1", "--rate", "0", "--connections", "1", "--records", "100"]);
}

#[test]
fn dashboards_are_measured_beside_puts() {
    let short = ["--seconds", "1", "--rounds", "1", "--dashboards", "3", "--unicorns", "48"];
    let report = measure(&[&["dashboards"], &short[..]].concat());
    assert_eq!(report["records"], 48);
    let figures = report["more"].as_array().expect("figures");
    let figure = |name: &str| figures.iter().find(|figure| figure["name"] == name).expect("one")["value"].as_f64();
    assert!(figure("frames to each") > Some(1.0) && figure("bytes to each") > Some(0.5), "{report}");
}

#[test]
fn the_command_line_is_measured_from_a_put_to_a_line_and_from_start_to_end() {
    let report = measure(&["tap", "--probes", "20"]);
    assert_eq!(report["records"], 20, "{report}");
    let report = measure(&["cli", "--calls", "3"]);
    assert_eq!(report["more"][0]["name"], "p95", "{report}");
}
