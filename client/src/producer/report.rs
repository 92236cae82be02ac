//! What a producer did: for people as text, for programs as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::producer::transport::Place;

/// The longest latency that is told apart; longer ones count as this.
const LATENCY_MAX: Duration = Duration::from_secs(600);

/// Counts while a producer runs.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Entries handed over.
    pub sent: u64,
    /// Entries the server has answered for.
    pub acknowledged: u64,
    /// Entries given up.
    pub failed: u64,
    /// The last reason an entry was given up.
    pub last_failure: Option<String>,
    latency: Histogram<u64>,
    /// By shard, what it took.
    shards: BTreeMap<String, ShardSpan>,
}

/// What one shard took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShardSpan {
    pub shard: String,
    /// Records that were acknowledged.
    pub records: u64,
    /// The least and the greatest of their sequence numbers.
    pub first_sequence_number: String,
    /// The greatest of them.
    pub last_sequence_number: String,
}

impl ShardSpan {
    fn new(place: Place) -> Self {
        let Place { shard, sequence_number: number } = place;
        ShardSpan { shard, records: 1, first_sequence_number: number.clone(), last_sequence_number: number }
    }

    fn add(&mut self, number: String) {
        // Of the same number of digits: text orders them.
        self.records += 1;
        if number < self.first_sequence_number {
            self.first_sequence_number = number;
        } else if number > self.last_sequence_number {
            self.last_sequence_number = number;
        }
    }
}

impl Default for Tally {
    fn default() -> Self {
        let bound = LATENCY_MAX.as_micros() as u64;
        let latency = Histogram::new_with_bounds(1, bound, 3).expect("the bounds are in order");
        Tally { sent: 0, acknowledged: 0, failed: 0, last_failure: None, latency, shards: BTreeMap::new() }
    }
}

impl Tally {
    /// Counts one acknowledged entry.
    pub fn acknowledge(&mut self, latency: Duration, place: Place) {
        self.acknowledged += 1;
        match self.shards.get_mut(&place.shard) {
            Some(span) => span.add(place.sequence_number),
            None => drop(self.shards.insert(place.shard.clone(), ShardSpan::new(place))),
        }
        self.latency.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1));
    }

    /// Counts entries that are given up.
    pub fn fail(&mut self, entries: u64, reason: String) {
        self.failed += entries;
        self.last_failure = Some(reason);
    }

    /// Gives up all entries that nobody has answered for.
    pub fn give_up(&mut self, reason: String) {
        self.fail(self.sent.saturating_sub(self.acknowledged + self.failed), reason);
    }

    /// Which shards took what.
    pub fn spans(&self) -> Vec<ShardSpan> {
        self.shards.values().cloned().collect()
    }

    /// What stands after `elapsed`.
    pub fn report(&self, elapsed: Duration) -> Report {
        let millis = |quantile| self.latency.value_at_quantile(quantile) as f64 / 1000.0;
        Report {
            sent: self.sent,
            acknowledged: self.acknowledged,
            failed: self.failed,
            skipped: 0,
            seconds: elapsed.as_secs_f64(),
            records_per_second: self.acknowledged as f64 / elapsed.as_secs_f64().max(1e-9),
            p50_millis: millis(0.5),
            p99_millis: millis(0.99),
            max_millis: self.latency.max() as f64 / 1000.0,
            last_failure: self.last_failure.clone(),
            shards: Vec::new(),
        }
    }
}

/// What a producer did. Latency is from handing an entry over to its acknowledgement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Entries handed over.
    pub sent: u64,
    /// Entries the server keeps.
    pub acknowledged: u64,
    /// Entries given up after all retries.
    pub failed: u64,
    /// Lines of input that are no records.
    pub skipped: u64,
    /// From begin to end.
    pub seconds: f64,
    /// Acknowledged records a second.
    pub records_per_second: f64,
    /// Median latency.
    pub p50_millis: f64,
    /// 99th percentile of latency.
    pub p99_millis: f64,
    /// Longest latency.
    pub max_millis: f64,
    /// Why an entry was given up, the last time one was.
    pub last_failure: Option<String>,
    /// Which shards took them, at the end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<ShardSpan>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sent {}, acknowledged {}, failed {}", self.sent, self.acknowledged, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", skipped {} lines", self.skipped)?;
        }
        write!(f, " in {:.1} s: {:.0} records/s; latency", self.seconds, self.records_per_second)?;
        write!(f, " p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms", self.p50_millis, self.p99_millis, self.max_millis)?;
        match &self.last_failure {
            Some(reason) => write!(f, "; last failure: {reason}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_adds_up() {
        let mut tally = Tally { sent: 5, ..Tally::default() };
        for millis in [1, 2, 3, 100] {
            let place = Place { shard: "a".into(), sequence_number: format!("{millis:03}") };
            tally.acknowledge(Duration::from_millis(millis), place);
        }
        tally.fail(1, "no more room".into());
        let report = tally.report(Duration::from_secs(2));
        assert_eq!((report.acknowledged, report.failed, report.records_per_second), (4, 1, 2.0));
        assert!((1.9..2.1).contains(&report.p50_millis) && (99.0..101.0).contains(&report.max_millis));
        let [span] = &tally.spans()[..] else { panic!("one shard") };
        assert_eq!((span.records, &*span.first_sequence_number, &*span.last_sequence_number), (4, "001", "100"));
        let text = report.to_string();
        assert!(text.starts_with("sent 5, acknowledged 4, failed 1 in 2.0 s: 2 records/s"), "{text}");
        assert!(text.ends_with("last failure: no more room"), "{text}");
    }
}
