//! `bench window`: the per-minute query over generated records, from JSON lines to rows, in this process.

use std::io::{BufRead, Read};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use hdrhistogram::Histogram;
use model::clock::Timestamp;
use producer_sim::fleet::sample;

use crate::rig::process::{cpu_time, peak_memory};
use crate::rig::report::{Measured, Report, latencies, micros};

/// Arguments of `bench window`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bench window\n  bench window --records 5000000 --unicorns 1000 --json")]
pub(crate) struct WindowArgs {
    /// Records to fold.
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    records: u64,
    /// Unicorns, that is groups a window.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    unicorns: u32,
}

/// The query that is measured.
const QUERY: &str = include_str!("../../pipeline/src/demo/per-minute.sql");
/// Lines that are made once and repeated with the clock going on.
const LINES: usize = 200_000;
/// A latency is how long the query takes for this many records.
const CHUNK_RECORDS: u64 = 8192;

/// Hands out lines from memory and notes how long each chunk of them took.
struct Lines {
    text: Vec<u8>,
    at: usize,
    left: u64,
    chunk_left: u64,
    chunk_begin: Instant,
    latency: Histogram<u64>,
}

impl Read for Lines {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(buffer.len());
        buffer[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Lines {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.left == 0 {
            return Ok(&[]);
        }
        if self.at == self.text.len() {
            self.at = 0;
        }
        let rest = &self.text[self.at..];
        let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |newline| newline + 1);
        Ok(&rest[..end])
    }

    fn consume(&mut self, amount: usize) {
        self.at += amount;
        if amount == 0 || self.text[self.at - 1] != b'\n' {
            return;
        }
        self.left -= 1;
        self.chunk_left -= 1;
        if self.chunk_left == 0 {
            self.latency.saturating_record(micros(self.chunk_begin.elapsed()));
            (self.chunk_begin, self.chunk_left) = (Instant::now(), CHUNK_RECORDS);
        }
    }
}

/// Measures.
pub(crate) async fn run(args: WindowArgs) -> anyhow::Result<Report> {
    tokio::task::spawn_blocking(move || measure(&args)).await.context("the query panicked")?
}

fn measure(args: &WindowArgs) -> anyhow::Result<Report> {
    let start = Timestamp::from_millis(1_700_000_000_000);
    let text: Vec<u8> = sample(1, args.unicorns, LINES, start, 1).flatten().collect();
    let mut input = Lines {
        text,
        at: 0,
        left: args.records,
        chunk_left: CHUNK_RECORDS,
        chunk_begin: Instant::now(),
        latency: latencies(),
    };
    let options = analytics::continuous::bounded::BoundedOptions {
        time_field: Some("StatusTime".into()),
        // The lines repeat, and so do their times: everything stays open and is folded.
        delay: Duration::from_secs(3600),
        ..Default::default()
    };
    let (begin, cpu_before) = (Instant::now(), cpu_time("self")?);
    let mut rows = Vec::new();
    let report = analytics::continuous::bounded::run(QUERY, &mut input, &mut rows, options)?;
    let (wall, cpu) = (begin.elapsed(), cpu_time("self")? - cpu_before);
    anyhow::ensure!(report.records == args.records, "{} of {} records were read", report.records, args.records);
    let what =
        format!("window: {} records of {} unicorns, JSON lines to {} rows", args.records, args.unicorns, report.rows);
    let latency = ("8192 records from JSON to panes", &input.latency);
    let peak_memory_bytes = peak_memory("self")?;
    Ok(Report::new(what, Measured { records: args.records, wall, cpu, client_cpu: None, peak_memory_bytes }, latency))
}
