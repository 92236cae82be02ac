//! `tests/golden/*.sql` over `.jsonl` gives `.expected`.

use analytics::continuous::bounded::{BoundedOptions, RunReport, run};

fn check(name: &str, expected: RunReport) {
    let read = |extension: &str| {
        let path = format!("{}/tests/golden/{name}.{extension}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    };
    let mut output = Vec::new();
    let options = BoundedOptions { time_field: Some("StatusTime".into()), ..BoundedOptions::default() };
    let report = run(&read("sql"), read("jsonl").as_bytes(), &mut output, options).unwrap();
    assert_eq!(String::from_utf8(output).unwrap(), read("expected"), "{name}");
    assert_eq!(report, expected, "{name}");
}

#[test]
fn the_workshop_query_per_minute() {
    check("per-minute", RunReport { records: 182, rows: 4, late: 0, errors: 2 });
}

#[test]
fn the_workshop_query_per_ten_seconds() {
    check("ten-seconds", RunReport { records: 182, rows: 18, late: 0, errors: 2 });
}

#[test]
fn filters_expressions_found_columns_and_assignment() {
    check("having", RunReport { records: 7, rows: 2, late: 1, errors: 1 });
}
