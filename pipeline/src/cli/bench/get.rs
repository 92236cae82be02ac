//! `gallop bench get`: GetRecords from the oldest record to the newest, again and again, with writers beside it or not.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use hdrhistogram::Histogram;
use memchr::memmem;
use tokio::task::JoinSet;

use super::http::{Caller, Request, text_member};
use super::load::{self, STREAM};
use super::process::cpu_time;
use super::report::{Figure, Measured, Report, latencies, micros};
use super::server::Server;

/// Arguments of `gallop bench get`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  gallop bench get\n  gallop bench get --mib 2048 --writing 100000 --json")]
pub(crate) struct GetBenchArgs {
    /// How long to read.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
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
    /// Records a second that are written meanwhile; first for as long without any reader, to compare.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=10_000_000))]
    writing: u64,
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

/// What one reader found.
struct Found {
    records: u64,
    /// Every time the reader came to the end it had seen as many records as there are; none when others write.
    rounds: Vec<u64>,
    latency: Histogram<u64>,
}

/// Reads a shard from its oldest record on, and anew at its end, until the time is over.
async fn read(caller: Caller, shard: u32, limit: u32, until: Instant) -> anyhow::Result<Found> {
    let mut connection = caller.connect().await?;
    let mut found = Found { records: 0, rounds: Vec::new(), latency: latencies() };
    let begin = format!(
        "{{\"StreamName\":\"{STREAM}\",\"ShardId\":\"shardId-{shard:012}\",\"ShardIteratorType\":\"TRIM_HORIZON\"}}"
    );
    let begin = Request::new("GetShardIterator", begin);
    let record = memmem::Finder::new("{\"SequenceNumber\":");
    loop {
        let answer = connection.call(&begin).await?;
        let mut iterator = text_member(answer, "ShardIterator").context("no iterator")?.to_owned();
        let mut round = 0;
        loop {
            if Instant::now() >= until {
                return Ok(found);
            }
            let body = format!("{{\"ShardIterator\":\"{iterator}\",\"Limit\":{limit}}}");
            let request = Request::new("GetRecords", body);
            let called = Instant::now();
            let answer = connection.call(&request).await?;
            found.latency.saturating_record(micros(called.elapsed()));
            let records = record.find_iter(answer).count() as u64;
            if records == 0 {
                found.rounds.push(round);
                break;
            }
            round += records;
            found.records += records;
            iterator.clear();
            iterator.push_str(text_member(answer, "NextShardIterator").context("the shard is open")?);
        }
    }
}

/// Writes at a rate for some time and says how many records were written, and how long it took.
async fn write(caller: Caller, args_bytes: u32, rate: u64, seconds: u64) -> anyhow::Result<f64> {
    let requests = load::put_records(PUT_RECORDS, args_bytes);
    let pause = Duration::from_secs_f64(f64::from(PUT_RECORDS * WRITERS) / rate as f64);
    let (begin, until) = (Instant::now(), Instant::now() + Duration::from_secs(seconds));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (mut connection, requests) = (caller.connect().await?, requests.clone());
        writers.spawn_local(async move {
            let mut due = begin + pause * writer / WRITERS;
            let mut calls = 0u64;
            for request in requests.iter().cycle() {
                tokio::time::sleep_until(due.into()).await;
                if Instant::now() >= until {
                    break;
                }
                load::check_put(connection.call(request).await?)?;
                calls += 1;
                due += pause;
            }
            anyhow::Ok(calls)
        });
    }
    let mut calls = 0;
    while let Some(written) = writers.join_next().await {
        calls += written??;
    }
    Ok((calls * u64::from(PUT_RECORDS)) as f64 / begin.elapsed().as_secs_f64())
}

/// Measures.
pub(crate) async fn run(args: GetBenchArgs) -> anyhow::Result<Report> {
    let server = Server::start(true).await?;
    let caller = server.caller.clone();
    load::create_stream(&caller, args.shards).await?;
    let filled = fill(&caller, &args).await?;
    let (bytes, rate, seconds, limit) = (args.bytes, args.writing, args.seconds, args.limit);
    let alone = match rate {
        0 => None,
        rate => {
            let caller = caller.clone();
            Some(load::on_one_thread(move || write(caller, bytes, rate, seconds)).await?)
        }
    };
    let (cpu_before, client_before, begin) = (server.cpu()?, cpu_time("self")?, Instant::now());
    let writing = tokio::spawn({
        let caller = caller.clone();
        async move {
            match rate {
                0 => Ok(0.0),
                rate => load::on_one_thread(move || write(caller, bytes, rate, seconds)).await,
            }
        }
    });
    let shards = args.shards;
    let work = move || async move {
        let until = Instant::now() + Duration::from_secs(seconds);
        let mut readers = JoinSet::new();
        for shard in 0..shards {
            readers.spawn_local(read(caller.clone(), shard, limit, until));
        }
        let (mut records, mut latency, mut rounds) = (0, latencies(), Vec::new());
        while let Some(found) = readers.join_next().await {
            let found = found??;
            records += found.records;
            latency.add(&found.latency)?;
            rounds.push(found.rounds);
        }
        Ok((records, latency, rounds))
    };
    let (records, latency, rounds) = load::on_one_thread(work).await?;
    let measured = Measured {
        records,
        wall: begin.elapsed(),
        cpu: server.cpu()? - cpu_before,
        client_cpu: Some(cpu_time("self")? - client_before),
        peak_memory_bytes: server.peak_memory()?,
    };
    let beside = writing.await??;
    server.stop().await?;
    if rate == 0 && rounds.iter().all(|rounds| !rounds.is_empty()) {
        let whole: u64 = rounds.iter().map(|rounds| rounds[0]).sum();
        ensure!(whole == filled, "{whole} records were read of {filled}");
    }
    let what = format!(
        "get: a reader for each of {shards} shards, {limit} records a call at most, {filled} records of {bytes} bytes"
    );
    let data_rate = measured.records as f64 * f64::from(bytes) / measured.wall.as_secs_f64() / 1e6;
    let mut report = Report::new(what, measured, ("a GetRecords call", &latency));
    report.add(Figure::new("record data", data_rate, "MB/s"));
    if let Some(alone) = alone {
        report.add(Figure::new("writers alone", alone, "records/s"));
        report.add(Figure::new("writers beside the readers", beside, "records/s"));
    }
    Ok(report)
}
