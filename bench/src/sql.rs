//! `bench sql`: a usual query of ad hoc SQL over HTTP, from the request to the last row.

use std::time::Instant;

use anyhow::ensure;
use clap::Args;

use crate::rig::http::{Caller, Request};
use crate::rig::load::{self, STREAM};
use crate::rig::report::{Figure, Measured, Report, latencies, micros};
use crate::rig::server::Server;
use crate::rig::sql::rows;

/// Arguments of `bench sql`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bench sql\n  bench sql --records 100000 --queries 1000 --json")]
pub(crate) struct SqlBenchArgs {
    /// Records in the live tail.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    records: u64,
    /// How often each query runs, once after the other.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    queries: u32,
}

/// Records of a put.
const PUT_RECORDS: u64 = 500;

/// Measures.
pub(crate) async fn run(args: SqlBenchArgs) -> anyhow::Result<Report> {
    let server = Server::start(false).await?;
    load::create_stream(&server.caller, 1).await?;
    put(&server.caller, args.records).await?;
    let (one, count) = ("SELECT 1 AS n", format!("SELECT COUNT(*) AS n FROM {STREAM}"));
    let (first, _) = rows(&server.caller, one).await?;
    let (first_count, answer) = rows(&server.caller, &count).await?;
    ensure!(answer.contains(&format!("{{\"n\":{}}}", args.records)), "not every record counts: {answer}");
    let (mut ones, mut counts) = (latencies(), latencies());
    let (before, begin) = (server.cpu()?, Instant::now());
    for _ in 0..args.queries {
        ones.saturating_record(micros(rows(&server.caller, one).await?.0));
        counts.saturating_record(micros(rows(&server.caller, &count).await?.0));
    }
    let wall = begin.elapsed();
    let (cpu, peak_memory_bytes) = (server.cpu()? - before, server.peak_memory()?);
    server.stop().await?;
    // What is counted as records are queries, and CPU is that of the server without its processes for SQL.
    let measured = Measured { records: u64::from(args.queries) * 2, wall, cpu, client_cpu: None, peak_memory_bytes };
    let what = format!("sql: {} times SELECT 1, and COUNT(*) of {} records in the tail", args.queries, args.records);
    let mut report = Report::new(what, measured, ("SELECT 1, from the request to the last row", &ones));
    let millis = |micros: u64| micros as f64 / 1000.0;
    report.add(Figure::new("SELECT 1, first", first.as_secs_f64() * 1000.0, "ms"));
    report.add(Figure::new("COUNT(*), first", first_count.as_secs_f64() * 1000.0, "ms"));
    report.add(Figure::new("COUNT(*), p50", millis(counts.value_at_quantile(0.5)), "ms"));
    report.add(Figure::new("COUNT(*), p99", millis(counts.value_at_quantile(0.99)), "ms"));
    Ok(report)
}

/// Puts records that are rows.
async fn put(caller: &Caller, records: u64) -> anyhow::Result<()> {
    let mut connection = caller.connect().await?;
    for begin in (0..records).step_by(PUT_RECORDS as usize) {
        let entries = (begin..records.min(begin + PUT_RECORDS)).map(|n| {
            let data = base64_simd::STANDARD.encode_to_string(format!("{{\"n\":{n},\"name\":\"unicorn {}\"}}", n % 97));
            format!("{{\"Data\":\"{data}\",\"PartitionKey\":\"{n}\"}}")
        });
        let entries = entries.collect::<Vec<_>>().join(",");
        let body = format!("{{\"StreamName\":\"{STREAM}\",\"Records\":[{entries}]}}");
        load::check_put(connection.call(&Request::new("PutRecords", body)).await?)?;
    }
    Ok(())
}
