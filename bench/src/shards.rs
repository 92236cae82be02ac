//! `bench shards`: what a stream of very many open shards costs in memory: created, a record in each, each read.

use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args;
use memchr::memmem;

use crate::rig::http::{Connection, Request, text_member};
use crate::rig::load::{self, STREAM};
use crate::rig::process::cpu_time;
use crate::rig::report::{Figure, Measured, Report, latencies, micros};
use crate::rig::server::Server;

/// Arguments of `bench shards`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bench shards\n  bench shards --shards 1000 --json")]
pub(crate) struct ShardsArgs {
    /// Open shards of the stream.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    shards: u32,
    /// Bytes of data of the record in each.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    bytes: u32,
}

/// Records of one call.
const BATCH: u32 = 500;
const MIB: f64 = (1 << 20) as f64;

/// Measures.
pub(crate) async fn run(args: ShardsArgs) -> anyhow::Result<Report> {
    let server = Server::start(false).await?;
    let memory = |name| Ok::<_, anyhow::Error>(Figure::new(name, server.peak_memory()? as f64 / MIB, "MiB"));
    let mut figures = vec![memory("peak memory of an empty server")?];
    let (begin, cpu_before, client_before) = (Instant::now(), server.cpu()?, cpu_time("self")?);
    load::create_stream(&server.caller, args.shards).await?;
    figures.push(memory("peak memory with the shards")?);
    let mut connection = server.caller.connect().await?;
    put_to_each(&mut connection, &args).await?;
    figures.push(memory("peak memory with a record in each")?);
    let mut latency = latencies();
    for shard in 0..args.shards {
        let called = Instant::now();
        let records = read(&mut connection, shard).await?;
        latency.saturating_record(micros(called.elapsed()));
        ensure!(records == 1, "shard {shard} has {records} records");
    }
    let measured = Measured {
        records: args.shards.into(),
        wall: begin.elapsed(),
        cpu: server.cpu()? - cpu_before,
        client_cpu: Some(cpu_time("self")? - client_before),
        peak_memory_bytes: server.peak_memory()?,
    };
    server.stop().await?;
    let what = format!("shards: {} open ones, a record of {} bytes in each, each read", args.shards, args.bytes);
    let mut report = Report::new(what, measured, ("GetShardIterator and GetRecords", &latency));
    figures.into_iter().for_each(|figure| report.add(figure));
    Ok(report)
}

async fn put_to_each(connection: &mut Connection, args: &ShardsArgs) -> anyhow::Result<()> {
    let data = base64_simd::STANDARD.encode_to_string(vec![b'x'; args.bytes as usize]);
    let width = u128::MAX / u128::from(args.shards);
    for first in (0..args.shards).step_by(BATCH as usize) {
        let record = |shard: u32| {
            // The middle of what the shard owns.
            let hash_key = u128::from(shard) * width + width / 2;
            format!("{{\"PartitionKey\":\"k\",\"ExplicitHashKey\":\"{hash_key}\",\"Data\":\"{data}\"}}")
        };
        let records: Vec<String> = (first..args.shards.min(first + BATCH)).map(record).collect();
        let body = format!("{{\"StreamName\":\"{STREAM}\",\"Records\":[{}]}}", records.join(","));
        load::check_put(connection.call(&Request::new("PutRecords", body)).await?)?;
    }
    Ok(())
}

/// Reads a shard from its oldest record on; how many there are.
async fn read(connection: &mut Connection, shard: u32) -> anyhow::Result<usize> {
    let begin = format!(
        "{{\"StreamName\":\"{STREAM}\",\"ShardId\":\"shardId-{shard:012}\",\"ShardIteratorType\":\"TRIM_HORIZON\"}}"
    );
    let answer = connection.call(&Request::new("GetShardIterator", begin)).await?;
    let iterator = text_member(answer, "ShardIterator").context("no iterator")?;
    let request = Request::new("GetRecords", format!("{{\"ShardIterator\":\"{iterator}\"}}"));
    let answer = connection.call(&request).await?;
    Ok(memmem::find_iter(answer, b"{\"SequenceNumber\":").count())
}
