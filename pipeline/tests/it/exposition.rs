//! The text of `GET /metrics`, read strictly: what does not keep the format or the naming rules of Prometheus is an error.

use std::collections::{BTreeMap, BTreeSet};

/// Labels of a sample, by name.
type Labels = BTreeMap<String, String>;

/// One family.
#[derive(Debug, Clone, Default)]
pub(crate) struct Family {
    pub(crate) help: String,
    pub(crate) kind: String,
    /// Name, labels and value, in order.
    pub(crate) samples: Vec<(String, Labels, f64)>,
}

/// Everything a server told at one time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exposition(pub(crate) BTreeMap<String, Family>);

impl Exposition {
    /// Reads the text.
    pub(crate) fn parse(text: &str) -> Exposition {
        let mut families: BTreeMap<String, Family> = BTreeMap::new();
        let mut current = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap_or_else(|| panic!("no help: {line}"));
                assert!(!families.contains_key(name), "{name} comes twice");
                families.insert(name.to_owned(), Family { help: help.to_owned(), ..Family::default() });
                current = name.to_owned();
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap_or_else(|| panic!("no type: {line}"));
                assert_eq!(name, current, "the type follows the help");
                families.get_mut(name).expect("just begun").kind = kind.to_owned();
            } else {
                let family = families.get_mut(&current).unwrap_or_else(|| panic!("no family: {line}"));
                family.samples.push(sample(line, &current));
            }
        }
        Exposition(families)
    }

    /// The value of a sample with exactly these labels; zero when there is none.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels: Labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let samples = self.0.values().flat_map(|family| &family.samples);
        samples.filter(|sample| sample.0 == name && sample.1 == labels).map(|sample| sample.2).next().unwrap_or(0.0)
    }

    /// The naming rules that `promtool check metrics` asks for, and those of this house.
    pub(crate) fn check_names(&self) {
        for (name, family) in &self.0 {
            let words: Vec<&str> = name.split('_').collect();
            assert!(matches!(words[0], "gallop" | "process"), "{name} has no prefix");
            let fits =
                |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
            assert!(words.iter().all(fits), "{name} is not in snake case");
            assert!(
                !family.help.is_empty() && family.help.ends_with('.'),
                "{name}: help is a sentence: {}",
                family.help
            );
            assert_eq!(family.kind == "counter", name.ends_with("_total"), "{name} is a {}", family.kind);
            for word in ["count", "sum", "bucket", "info"] {
                assert!(word == "info" || words.last() != Some(&word), "{name} ends like a part of a histogram");
            }
            let units = ["milliseconds", "millis", "ms", "minutes", "hours", "kilobytes", "mib", "kb", "mb", "percent"];
            assert!(!words.iter().any(|word| units.contains(word)), "{name} is not in base units");
            assert!(!words.iter().any(|word| ["counter", "gauge", "histogram"].contains(word)), "{name} says its type");
            assert!(matches!(family.kind.as_str(), "counter" | "gauge" | "histogram"), "{name} is a {}", family.kind);
            self.check_samples(name, family);
        }
    }

    fn check_samples(&self, name: &str, family: &Family) {
        assert!(!family.samples.is_empty(), "{name} has nothing to say");
        let known: BTreeSet<&str> = [
            "cause",
            "stream",
            "operation",
            "status",
            "reader",
            "query",
            "delivery",
            "task",
            "table",
            "outcome",
            "version",
            "le",
        ]
        .into();
        let mut seen = BTreeSet::new();
        for (sample, labels, value) in &family.samples {
            assert!(labels.keys().all(|label| known.contains(label.as_str())), "{name} has labels {labels:?}");
            assert!(seen.insert((sample.clone(), labels.clone())), "{sample} {labels:?} comes twice");
            assert!(family.kind == "gauge" || *value >= 0.0, "{sample} is {value}");
            if family.kind != "histogram" {
                assert_eq!(sample, name);
            }
        }
        let ends = |end: &str| family.samples.iter().filter(|sample| sample.0 == format!("{name}_{end}")).count();
        if family.kind == "histogram" {
            let infinite =
                family.samples.iter().filter(|sample| sample.1.get("le").is_some_and(|le| le == "+Inf")).count();
            assert_eq!((ends("sum"), ends("count")), (infinite, infinite), "{name} is not whole");
        }
    }
}

fn sample(line: &str, family: &str) -> (String, Labels, f64) {
    let (key, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
    let value = value.parse().unwrap_or_else(|_| panic!("not a number: {line}"));
    let (name, labels) = match key.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').unwrap_or_else(|| panic!("labels do not end: {line}"))),
        None => (key, ""),
    };
    assert!(name.starts_with(family), "{name} is not of {family}");
    // Names of streams and of the like hold no quotes and no commas.
    let label = |label: &str| {
        let (name, value) = label.split_once("=\"").unwrap_or_else(|| panic!("no label: {line}"));
        (name.to_owned(), value.strip_suffix('"').expect("a quoted value").to_owned())
    };
    (name.to_owned(), labels.split(',').filter(|text| !text.is_empty()).map(label).collect(), value)
}
