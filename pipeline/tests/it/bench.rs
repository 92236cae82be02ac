//! Benchmarks measure a server that asks for signatures; here for a moment only, to see that they come to figures.

use serde_json::Value;

use crate::server::rows;

/// Runs a benchmark and returns what it reports; something must have gone through.
fn measure(args: &[&str]) -> Value {
    let reports = rows(&[&["bench", "--json"], args].concat());
    let [report] = &reports[..] else { panic!("one report, not {reports:?}") };
    assert!(report["records"].as_u64() > Some(0), "{report}");
    assert!(report["cpu_micros_per_record"].is_number() && report["p99_millis"].is_number(), "{report}");
    report.clone()
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
