//! `bench recovery`: how long a log of a given size takes to open, after a kill and after a clean close.

use std::time::{Duration, Instant};

use clap::Args;
use model::clock::{Clock, SystemClock};
use model::name::StreamName;
use model::stream::hash_key::PartitionKey;
use model::stream::record::PutEntry;
use model::stream::store::{StreamOptions, StreamStore};

use crate::rig::log::open_log;
use crate::rig::process::{cpu_time, peak_memory};
use crate::rig::report::{Measured, Report, latencies, micros};

/// Arguments of `bench recovery`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bench recovery\n  bench recovery --mib 4096 --json")]
pub(crate) struct RecoveryArgs {
    /// Size of the log.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=65536))]
    mib: u64,
    /// Bytes of data a record.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    bytes: u64,
    /// How often it is opened.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=100))]
    times: u64,
}

/// Records of one append.
const BATCH: u64 = 5000;

/// Measures.
pub(crate) async fn run(args: RecoveryArgs) -> anyhow::Result<Report> {
    let folder = std::env::temp_dir().join(format!("gallop-bench-recovery-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let result = measure(&args, &folder).await;
    std::fs::remove_dir_all(&folder)?;
    result
}

async fn measure(args: &RecoveryArgs, folder: &std::path::Path) -> anyhow::Result<Report> {
    let stream = StreamName::new("bench")?;
    let store = open_log(folder).await?;
    store.create(&stream, StreamOptions { shards: 4, ..StreamOptions::default() }).await?;
    let records = (args.mib << 20) / args.bytes;
    let data = vec![b'x'; args.bytes as usize];
    for batch in 0..records.div_ceil(BATCH) {
        let numbers = batch * BATCH..((batch + 1) * BATCH).min(records);
        let entry = |n: u64| Ok(PutEntry::new(PartitionKey::new(format!("key-{}", n % 997))?, data.clone()));
        let entries = numbers.map(entry).collect::<anyhow::Result<Vec<_>>>()?;
        for result in store.append(&stream, entries).await?.results {
            result?;
        }
    }
    // Dropped without a close: the next open recovers as after a kill.
    drop(store);
    let (mut latency, mut wall, begin_cpu) = (latencies(), Duration::ZERO, cpu_time("self")?);
    for _ in 0..args.times {
        let begin = Instant::now();
        let store = open_log(folder).await?;
        latency.saturating_record(micros(begin.elapsed()));
        wall += begin.elapsed();
        store.describe(&stream).await?;
        drop(store);
    }
    let cpu = cpu_time("self")? - begin_cpu;
    let what = format!(
        "recovery: a log of {} MiB in records of {} bytes, opened {} times without a clean close, at {}",
        args.mib,
        args.bytes,
        args.times,
        SystemClock.now()
    );
    let (records, peak_memory_bytes) = (records * args.times, peak_memory("self")?);
    let measured = Measured { records, wall, cpu, client_cpu: None, peak_memory_bytes };
    Ok(Report::new(what, measured, ("opening the log", &latency)))
}
