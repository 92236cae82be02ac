//! `bench start`: how long a start takes on an empty folder, from the process to the line that says where it listens.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use model::clock::{Clock, SystemClock};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::rig::process::{cpu_time, peak_memory};
use crate::rig::program;
use crate::rig::report::{Figure, Measured, Report, latencies, micros};
use crate::rig::server::DataFolder;

/// Arguments of `bench start`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bench start\n  bench start --starts 200 --json")]
pub(crate) struct StartArgs {
    /// How many starts, one after the other.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    starts: u32,
}

/// One start.
struct Start {
    took: Duration,
    cpu: Duration,
    peak_memory_bytes: u64,
}

/// Measures.
pub(crate) async fn run(args: StartArgs) -> anyhow::Result<Report> {
    let (mut latency, mut cpu, mut peak_memory_bytes, begin) = (latencies(), Duration::ZERO, 0, Instant::now());
    for _ in 0..args.starts {
        let start = start().await?;
        latency.saturating_record(micros(start.took));
        cpu += start.cpu;
        peak_memory_bytes = peak_memory_bytes.max(start.peak_memory_bytes);
    }
    let what = format!("start: {} servers, each on an empty folder, at {}", args.starts, SystemClock.now());
    let wall = begin.elapsed();
    // What is counted as records are starts.
    let measured = Measured { records: args.starts.into(), wall, cpu, client_cpu: None, peak_memory_bytes };
    let mut report = Report::new(what, measured, ("from the process to the line that says where it listens", &latency));
    report.add(Figure::new("listening, p95", latency.value_at_quantile(0.95) as f64 / 1000.0, "ms"));
    report.add(Figure::new("listening, longest", latency.max() as f64 / 1000.0, "ms"));
    Ok(report)
}

async fn start() -> anyhow::Result<Start> {
    let data = DataFolder::create("start")?;
    let program = program::gallop()?;
    let begin = Instant::now();
    let mut child = Command::new(program)
        .args(["serve", "--port", "0", "--data"])
        .arg(&data.0)
        .env("GALLOP_LOG", "warn")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("the server does not start")?;
    let stdout = child.stdout.take().context("the server has no output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).await?;
    let took = begin.elapsed();
    ensure!(line.contains("listens on http://"), "the server says no address: {line}");
    let process = child.id().context("the server ended")?.to_string();
    let (cpu, peak_memory_bytes) = (cpu_time(&process)?, peak_memory(&process)?);
    child.kill().await.context("the server cannot be ended")?;
    Ok(Start { took, cpu, peak_memory_bytes })
}
