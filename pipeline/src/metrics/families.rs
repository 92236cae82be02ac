//! Families of metrics by the naming rules of Prometheus, and the list of them that the documentation shows.

use std::collections::BTreeSet;
use std::sync::Mutex;

use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

/// From a tenth of a millisecond, which a group commit may take, to ten seconds, after which clients give up.
const SECONDS_BUCKETS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Labels of a family that is one series.
pub(crate) const NONE: [&str; 0] = [];

/// The label of everything that has no label of its own.
pub(crate) const OTHER: &str = "other";

/// One family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) labels: &'static [&'static str],
    pub(crate) help: &'static str,
}

/// All families, as they are made.
#[derive(Debug, Default)]
pub(crate) struct Families {
    pub(crate) registry: Registry,
    pub(crate) listed: Vec<Family>,
}

impl Families {
    /// Something that only grows.
    pub(crate) fn counter(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> IntCounterVec {
        self.listed.push(Family { name, kind: "counter", labels, help });
        let family = IntCounterVec::new(Opts::new(name, help), labels).expect("names and labels are well formed");
        self.registry.register(Box::new(family.clone())).expect("every family is made once");
        family
    }

    /// Something that goes up and down.
    pub(crate) fn gauge(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> GaugeVec {
        self.listed.push(Family { name, kind: "gauge", labels, help });
        let family = GaugeVec::new(Opts::new(name, help), labels).expect("names and labels are well formed");
        self.registry.register(Box::new(family.clone())).expect("every family is made once");
        family
    }

    /// How long something takes, in seconds.
    pub(crate) fn seconds(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> HistogramVec {
        self.listed.push(Family { name, kind: "histogram", labels, help });
        let options = HistogramOpts::new(name, help).buckets(SECONDS_BUCKETS.to_vec());
        let family = HistogramVec::new(options, labels).expect("names and labels are well formed");
        self.registry.register(Box::new(family.clone())).expect("every family is made once");
        family
    }
}

/// Brings a counter to what its owner has counted. An owner that began anew is a counter that was reset.
pub(crate) fn follow(family: &IntCounterVec, labels: &[&str], counted: u64) {
    let counter = family.with_label_values(labels);
    match counted.checked_sub(counter.get()) {
        Some(more) => counter.inc_by(more),
        None => {
            counter.reset();
            counter.inc_by(counted);
        }
    }
}

/// The labels that were shown at the last scrape.
#[derive(Debug, Default)]
pub(crate) struct Shown(Mutex<BTreeSet<String>>);

impl Shown {
    /// Notes the labels that are there now, and gives those that are gone.
    pub(crate) fn gone<'a>(&self, now: impl Iterator<Item = &'a str>) -> Vec<String> {
        let now: BTreeSet<String> = now.map(str::to_owned).collect();
        let mut shown = self.0.lock().expect("no holder of the lock panics");
        let gone = shown.difference(&now).cloned().collect();
        *shown = now;
        gone
    }
}

/// 1 or 0.
pub(crate) fn as_gauge(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_follows_its_owner_also_when_that_begins_anew() {
        let counter = Families::default().counter("a_total", &["x"], "Help.");
        for counted in [3, 3, 10, 2, 0] {
            follow(&counter, &["1"], counted);
            assert_eq!(counter.with_label_values(&["1"]).get(), counted);
        }
    }
}
