//! `bench latency`: single durable PutRecords at a fixed rate, and what the same disk needs for an fsync.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use clap::Args;
use hdrhistogram::Histogram;

use crate::rig::load;
use crate::rig::pace::Pace;
use crate::rig::process::cpu_time;
use crate::rig::report::{Figure, Measured, Report, latencies, micros};
use crate::rig::server::Server;
use crate::rig::sql::HostileClients;

/// Arguments of `bench latency`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bench latency\n  bench latency --rate 5000 --connections 32 --json\n  bench latency --hostile-sql 4"
)]
pub(crate) struct LatencyArgs {
    /// How long to send.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Calls a second.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Connections that the calls are shared out to.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=256))]
    connections: u32,
    /// Bytes of data a record.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    bytes: u32,
    /// Clients that run SQL beside the calls which needs more than the server gives a query. Calls are not signed
    /// then, and are measured without these clients first.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=64))]
    hostile_sql: u32,
    /// Shards of the stream.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    shards: u32,
}

/// Fsyncs of the disk itself that are measured before the calls, and again after them.
const PROBES: u32 = 500;
/// Bytes that each of them appends.
const PROBE_BYTES: usize = 4096;

/// Appends and syncs, one after the other, in a file of its own.
fn probe(folder: &Path, latency: &mut Histogram<u64>) -> anyhow::Result<()> {
    let path = folder.join("fsync-probe");
    let file = File::create(&path)?;
    for number in 0..PROBES {
        let begin = Instant::now();
        file.write_all_at(&[7; PROBE_BYTES], u64::from(number) * PROBE_BYTES as u64)?;
        file.sync_data()?;
        latency.saturating_record(micros(begin.elapsed()));
    }
    std::fs::remove_file(path)?;
    Ok(())
}

/// Measures.
pub(crate) async fn run(args: LatencyArgs) -> anyhow::Result<Report> {
    let is_hostile = args.hostile_sql > 0;
    let server = Server::start(!is_hostile).await?;
    let caller = server.caller.clone();
    load::create_stream(&caller, args.shards).await?;
    let requests = load::put_record(args.bytes);
    let folder = server.data.0.clone();
    let what = format!(
        "latency: {} PutRecord calls a second of {} bytes on {} connections, {} shards, fsync before each answer",
        args.rate, args.bytes, args.connections, args.shards
    );
    let pace = Pace { seconds: args.seconds, rate: args.rate, connections: args.connections };
    let in_turn = move || {
        let mut requests = requests.clone().into_iter().cycle();
        move || requests.next().expect("a cycle has no end")
    };
    let mut undisturbed = None;
    if is_hostile {
        let (caller, pace, in_turn) = (caller.clone(), pace, in_turn.clone());
        undisturbed = Some(tokio::task::spawn_blocking(move || pace.send(&caller, in_turn)).await??);
    }
    let hostile = HostileClients::start(&caller, args.hostile_sql);
    let measure = move || {
        let mut disk = latencies();
        probe(&folder, &mut disk)?;
        let (cpu_before, client_before, begin) = (server.cpu()?, cpu_time("self")?, Instant::now());
        let latency = pace.send(&caller, in_turn)?;
        let measured = Measured {
            records: latency.len(),
            wall: begin.elapsed(),
            cpu: server.cpu()? - cpu_before,
            client_cpu: Some(cpu_time("self")? - client_before),
            peak_memory_bytes: server.peak_memory()?,
        };
        probe(&folder, &mut disk)?;
        anyhow::Ok((server, measured, latency, disk))
    };
    let (server, measured, latency, disk) = tokio::task::spawn_blocking(measure).await??;
    let hostile_ended = hostile.ended();
    drop(hostile);
    server.stop().await?;
    let mut report = Report::new(what, measured, ("a PutRecord call", &latency));
    let millis = |quantile| disk.value_at_quantile(quantile) as f64 / 1000.0;
    report.add(Figure::new("p50 of the disk's own write and fsync", millis(0.5), "ms"));
    report.add(Figure::new("p99 of the disk's own write and fsync", millis(0.99), "ms"));
    if let Some(undisturbed) = undisturbed {
        let millis = |quantile| undisturbed.value_at_quantile(quantile) as f64 / 1000.0;
        report.add(Figure::new("p50 without hostile queries", millis(0.5), "ms"));
        report.add(Figure::new("p99 without hostile queries", millis(0.99), "ms"));
        report.add(Figure::new("hostile queries that ended meanwhile", hostile_ended as f64, ""));
    }
    Ok(report)
}
