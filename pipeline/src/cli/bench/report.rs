//! What a benchmark found.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Figures of one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// What was measured, with its settings.
    pub(crate) what: String,
    /// Records that went through.
    pub(crate) records: u64,
    /// Wall-clock seconds.
    pub(crate) seconds: f64,
    /// Records a second.
    pub(crate) records_per_second: f64,
    /// CPU of the measured process, in microseconds a record.
    pub(crate) cpu_micros_per_record: f64,
    /// What one latency is the latency of.
    pub(crate) latency_of: &'static str,
    /// Median latency in milliseconds.
    pub(crate) p50_millis: f64,
    /// 99th percentile of latency in milliseconds.
    pub(crate) p99_millis: f64,
    /// Peak memory of the measured process in MiB.
    pub(crate) peak_memory_mib: f64,
}

/// A histogram of latencies in microseconds, up to a minute.
pub(crate) fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are in order")
}

/// A latency as the histogram takes it.
pub(crate) fn micros(latency: Duration) -> u64 {
    u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1)
}

impl Report {
    /// Derives the figures from what was counted.
    pub(crate) fn new(
        what: String,
        records: u64,
        wall: Duration,
        cpu: Duration,
        (latency_of, latency): (&'static str, &Histogram<u64>),
        peak_memory_bytes: u64,
    ) -> Report {
        let per_record = |micros: f64| if records == 0 { 0.0 } else { micros / records as f64 };
        Report {
            what,
            records,
            seconds: wall.as_secs_f64(),
            records_per_second: records as f64 / wall.as_secs_f64(),
            cpu_micros_per_record: per_record(cpu.as_secs_f64() * 1e6),
            latency_of,
            p50_millis: latency.value_at_quantile(0.5) as f64 / 1000.0,
            p99_millis: latency.value_at_quantile(0.99) as f64 / 1000.0,
            peak_memory_mib: peak_memory_bytes as f64 / f64::from(1 << 20),
        }
    }

    /// Prints to standard output.
    pub(crate) fn print(&self, json: bool) {
        if json {
            println!("{}", serde_json::to_string(self).expect("numbers and text are JSON"));
            return;
        }
        println!("{}", self.what);
        println!("  records         {} in {:.2} s", self.records, self.seconds);
        println!("  rate            {:.0} records/s", self.records_per_second);
        println!("  CPU             {:.3} µs/record", self.cpu_micros_per_record);
        println!(
            "  latency         p50 {:.2} ms, p99 {:.2} ms ({})",
            self.p50_millis, self.p99_millis, self.latency_of
        );
        println!("  peak memory     {:.0} MiB", self.peak_memory_mib);
    }
}
