//! What a producer did: for people as text, for programs as JSON.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

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
}

impl Default for Tally {
    fn default() -> Self {
        let bound = LATENCY_MAX.as_micros() as u64;
        let latency = Histogram::new_with_bounds(1, bound, 3).expect("the bounds are in order");
        Tally { sent: 0, acknowledged: 0, failed: 0, last_failure: None, latency }
    }
}

impl Tally {
    /// Counts one acknowledged entry.
    pub fn acknowledge(&mut self, latency: Duration) {
        self.acknowledged += 1;
        self.latency.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1));
    }

    /// Counts entries that are given up.
    pub fn fail(&mut self, entries: u64, reason: String) {
        self.failed += entries;
        self.last_failure = Some(reason);
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
            tally.acknowledge(Duration::from_millis(millis));
        }
        tally.fail(1, "no more room".into());
        let report = tally.report(Duration::from_secs(2));
        assert_eq!((report.acknowledged, report.failed, report.records_per_second), (4, 1, 2.0));
        assert!((1.9..2.1).contains(&report.p50_millis) && (99.0..101.0).contains(&report.max_millis));
        let text = report.to_string();
        assert!(text.starts_with("sent 5, acknowledged 4, failed 1 in 2.0 s: 2 records/s"), "{text}");
        assert!(text.ends_with("last failure: no more room"), "{text}");
    }
}
