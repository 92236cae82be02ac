//! Alerts and dashboard ask for metrics that exist, by labels that those have.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn file(path: &str) -> (PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (path, text)
}

/// Labels of every metric of the reference page, which a test of its own holds to the registry.
fn known() -> BTreeMap<String, Vec<String>> {
    let (_, page) = file("docs/METRICS.md");
    let mut known = BTreeMap::new();
    for line in page.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, kind, labels, ..] = cells[..] else { continue };
        let Some(name) = name.strip_prefix('`').and_then(|name| name.strip_suffix('`')) else { continue };
        let labels: Vec<String> = labels.split(", ").map(|label| label.trim_matches('`').to_owned()).collect();
        let ends: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        for end in ends {
            known.insert(format!("{name}{end}"), labels.clone());
        }
    }
    known
}

/// Holds the expressions of a file to the page; how many metrics it names.
fn check(path: &str, expressions: &[String]) -> usize {
    let known = known();
    let mut named = 0;
    for expression in expressions {
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for word in words.filter(|word| word.starts_with("gallop_") || word.starts_with("process_")) {
            assert!(known.contains_key(word), "{path}: there is no metric `{word}`: {expression}");
            named += 1;
        }
        let own = |word: &str| ["instance", "job", "le"].contains(&word);
        for by in expression.split("by (").skip(1) {
            let (labels, rest) = by.split_once(')').expect("a list of labels ends");
            // What it is taken by, is a label of the first metric that follows.
            let metric =
                rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').find(|word| known.contains_key(*word));
            let metric = metric.unwrap_or_else(|| panic!("{path}: by what? {expression}"));
            for label in labels.split(", ").filter(|label| !own(label)) {
                assert!(known[metric].iter().any(|has| has == label), "{path}: {metric} has no label `{label}`");
            }
        }
    }
    named
}

#[test]
fn alerts_ask_for_what_there_is() {
    let path = "infra/prometheus/rules.yml";
    let (_, text) = file(path);
    let expressions: Vec<String> =
        text.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).map(str::to_owned).collect();
    assert_eq!(expressions.len(), text.matches("- alert: ").count(), "every alert has an expression on one line");
    assert!(check(path, &expressions) >= expressions.len() - 1, "all but `up` are ours");
}

#[test]
fn the_dashboard_asks_for_what_there_is() {
    let path = "infra/grafana/gallop.json";
    let (_, text) = file(path);
    let dashboard: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let expressions: Vec<String> =
        targets.map(|target| target["expr"].as_str().expect("an expression").to_owned()).collect();
    assert!(expressions.len() > 20);
    assert!(check(path, &expressions) >= expressions.len(), "every curve shows a metric");
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().expect("an id")).collect();
    assert_eq!(ids.len(), panels.len(), "every panel has an id of its own");
}
