//! What a benchmark found.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// What was counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// Records that went through.
    pub(crate) records: u64,
    /// How long it took.
    pub(crate) wall: Duration,
    /// CPU time of the measured process.
    pub(crate) cpu: Duration,
    /// CPU time of the process that drives it, where that is another one.
    pub(crate) client_cpu: Option<Duration>,
    /// The most memory that the measured process held.
    pub(crate) peak_memory_bytes: u64,
}

/// Figures of one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// What was measured, with its settings.
    what: String,
    /// Records that went through.
    records: u64,
    /// Wall-clock seconds.
    seconds: f64,
    /// Records a second.
    records_per_second: f64,
    /// CPU of the measured process, in microseconds a record.
    cpu_micros_per_record: f64,
    /// CPU of the client, in microseconds a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_cpu_micros_per_record: Option<f64>,
    /// What one latency is the latency of.
    latency_of: &'static str,
    /// Median latency in milliseconds.
    p50_millis: f64,
    /// 99th percentile of latency in milliseconds.
    p99_millis: f64,
    /// Peak memory of the measured process in MiB.
    peak_memory_mib: f64,
    /// What only this benchmark has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    more: Vec<Figure>,
}

/// A number with a name.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
}

impl Figure {
    /// A figure.
    pub(crate) fn new(name: &'static str, value: f64, unit: &'static str) -> Figure {
        Figure { name, value, unit }
    }
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
        measured: Measured,
        (latency_of, latency): (&'static str, &Histogram<u64>),
    ) -> Report {
        let Measured { records, wall, cpu, client_cpu, peak_memory_bytes } = measured;
        let per_record = |cpu: Duration| if records == 0 { 0.0 } else { cpu.as_secs_f64() * 1e6 / records as f64 };
        Report {
            what,
            records,
            seconds: wall.as_secs_f64(),
            records_per_second: records as f64 / wall.as_secs_f64(),
            cpu_micros_per_record: per_record(cpu),
            client_cpu_micros_per_record: client_cpu.map(per_record),
            latency_of,
            p50_millis: latency.value_at_quantile(0.5) as f64 / 1000.0,
            p99_millis: latency.value_at_quantile(0.99) as f64 / 1000.0,
            peak_memory_mib: peak_memory_bytes as f64 / f64::from(1 << 20),
            more: Vec::new(),
        }
    }

    /// Adds a figure that only this benchmark has.
    pub(crate) fn add(&mut self, figure: Figure) {
        self.more.push(figure);
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
        if let Some(client) = self.client_cpu_micros_per_record {
            println!("  client's CPU    {client:.3} µs/record");
        }
        println!(
            "  latency         p50 {:.2} ms, p99 {:.2} ms ({})",
            self.p50_millis, self.p99_millis, self.latency_of
        );
        println!("  peak memory     {:.0} MiB", self.peak_memory_mib);
        for Figure { name, value, unit } in &self.more {
            println!("  {name}: {value:.2} {unit}");
        }
    }
}
