//! `bench get`: GetRecords from the oldest record to the newest, again and again, with writers beside it or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use super::backlog::{Form, Reading};
use crate::rig::http::Caller;
use crate::rig::load;
use crate::rig::pace::Pace;
use crate::rig::process::cpu_time;
use crate::rig::report::{Figure, Measured, Report};
use crate::rig::server::Server;

/// Arguments of `bench get`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bench get\n  bench get --mib 2048 --writing 100000 --json\n  \
                         bench get --mib 10240 --bytes 1000 --writing 100000 --form cbor")]
pub(crate) struct GetBenchArgs {
    /// How long to read.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Data of the records that are there to be read.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    mib: u64,
    /// Bytes of data a record.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    bytes: u32,
    /// Shards of the stream, each with one reader.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    shards: u32,
    /// Records a call at most.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// How answers are written.
    #[arg(long, value_enum, default_value_t = Form::Json)]
    form: Form,
    /// Records a second that are written meanwhile, in multiples of 500; first for as long without any reader, to compare.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    writing: u32,
}

/// Connections that fill the stream.
const FILLERS: u64 = 8;
/// Records of a call that writes.
const PUT_RECORDS: u32 = 500;
/// Connections that write while others read, each at its part of the rate.
const WRITERS: u32 = 4;

async fn fill(caller: &Caller, args: &GetBenchArgs) -> anyhow::Result<u64> {
    let requests = load::put_records(PUT_RECORDS, args.bytes);
    let calls = ((args.mib << 20) / u64::from(args.bytes)).div_ceil(u64::from(PUT_RECORDS)).div_ceil(FILLERS);
    let mut fillers = JoinSet::new();
    for _ in 0..FILLERS {
        fillers.spawn(load::put(caller.connect().await?, requests.clone(), move |sent| sent < calls));
    }
    while let Some(filled) = fillers.join_next().await {
        filled??;
    }
    Ok(calls * FILLERS * u64::from(PUT_RECORDS))
}

/// What the writers reached.
struct Written {
    rate: f64,
    latency: Histogram<u64>,
}

/// Writes at the rate that was asked for; a call that waited because the one before it was slow counts as slow.
async fn write(caller: Caller, args: &GetBenchArgs) -> anyhow::Result<Written> {
    let requests = load::put_records(PUT_RECORDS, args.bytes);
    let pace = Pace { seconds: args.seconds, rate: args.writing.div_ceil(PUT_RECORDS), connections: WRITERS };
    let next = move || {
        let mut requests = requests.clone().into_iter().cycle();
        move || requests.next().expect("there are some, again and again")
    };
    let begin = Instant::now();
    let latency = tokio::task::spawn_blocking(move || pace.send(&caller, next)).await??;
    let records = latency.len() * u64::from(PUT_RECORDS);
    Ok(Written { rate: records as f64 / begin.elapsed().as_secs_f64(), latency })
}

/// Measures.
pub(crate) async fn run(args: GetBenchArgs) -> anyhow::Result<Report> {
    let server = Server::start(true).await?;
    let caller = server.caller.clone();
    load::create_stream(&caller, args.shards).await?;
    let filled = fill(&caller, &args).await?;
    let alone = if args.writing > 0 { Some(write(caller.clone(), &args).await?) } else { None };

    let (cpu_before, client_before, begin) = (server.cpu()?, cpu_time("self")?, Instant::now());
    let disk_before = server.disk_read()?;
    let over = Arc::new(AtomicBool::new(false));
    let reading = Reading { shards: args.shards, limit: args.limit, form: args.form };
    let readers = tokio::spawn({
        let (caller, over) = (caller.clone(), Arc::clone(&over));
        load::on_one_thread(move || reading.run(caller, move || !over.load(Ordering::Relaxed)))
    });
    let beside = if args.writing > 0 {
        // Readers go on until the last call that was due is answered, however late.
        Some(write(caller, &args).await?)
    } else {
        tokio::time::sleep(Duration::from_secs(args.seconds.into())).await;
        None
    };
    over.store(true, Ordering::Relaxed);
    let found = readers.await??;
    let measured = Measured {
        records: found.records,
        wall: begin.elapsed(),
        cpu: server.cpu()? - cpu_before,
        client_cpu: Some(cpu_time("self")? - client_before),
        peak_memory_bytes: server.peak_memory()?,
    };
    let from_disk = (server.disk_read()? - disk_before) as f64;
    server.stop().await?;
    ensure!(found.bytes == found.records * u64::from(args.bytes), "{} bytes of data were read", found.bytes);
    if args.writing == 0 && found.ended == args.shards {
        ensure!(found.whole == filled, "{} records were read of {filled}", found.whole);
    }
    let what = format!(
        "get: a reader for each of {} shards, {} records a call at most, {filled} records of {} bytes, in {}",
        args.shards,
        args.limit,
        args.bytes,
        match args.form {
            Form::Json => "JSON",
            Form::Cbor => "CBOR",
        }
    );
    let data_rate = found.bytes as f64 / measured.wall.as_secs_f64() / 1e6;
    let mut report = Report::new(what, measured, ("a GetRecords call", &found.latency));
    report.add(Figure::new("record data", data_rate, "MB/s"));
    report.add(Figure::new(
        "of it from the disk, not from the page cache",
        from_disk / found.bytes as f64 * 100.0,
        "%",
    ));
    for (names, written) in [(ALONE, &alone), (BESIDE, &beside)] {
        let Some(Written { rate, latency }) = written else { continue };
        report.add(Figure::new(names[0], *rate, "records/s"));
        report.add(Figure::new(names[1], latency.value_at_quantile(0.5) as f64 / 1000.0, "ms"));
        report.add(Figure::new(names[2], latency.value_at_quantile(0.99) as f64 / 1000.0, "ms"));
    }
    if let (Some(alone), Some(beside)) = (alone, beside) {
        report.add(Figure::new("rate that the writers kept", beside.rate / alone.rate * 100.0, "%"));
    }
    Ok(report)
}

/// Names of the writers' figures without readers.
const ALONE: [&str; 3] = ["writers alone", "p50 of their calls", "p99 of their calls"];
/// And with them.
const BESIDE: [&str; 3] =
    ["writers beside the readers", "p50 of their calls beside the readers", "p99 of their calls beside the readers"];
