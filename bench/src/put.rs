//! `bench put`: PutRecords as fast as it is answered, each answer after its fsync.

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use tokio::task::JoinSet;

use crate::rig::load;
use crate::rig::process::cpu_time;
use crate::rig::report::{Measured, Report, latencies};
use crate::rig::server::Server;

/// Arguments of `bench put`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bench put\n  bench put --connections 64 --records 1 --json\n  \
                         bench put --store kafka --brokers 127.0.0.1:9092")]
pub(crate) struct PutBenchArgs {
    /// How long to send.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Connections, each with one call under way. 16 keep four processors busy; more wait for each other: with 32 a
    /// record costs a sixth more CPU and calls take three times as long.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1024))]
    connections: u32,
    /// Records a call.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=500))]
    records: u32,
    /// Bytes of data a record.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    bytes: u32,
    /// Shards of the stream.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    shards: u32,
    /// Sends no signatures, to a server that asks for none: what signatures cost is the difference.
    #[arg(long)]
    unsigned: bool,
    /// Sends CBOR, as the SDK for Java does, in place of JSON.
    #[arg(long)]
    cbor: bool,
    /// Where streams stand.
    #[arg(long, value_enum, default_value_t = Store::Log)]
    store: Store,
    /// The Kafka cluster, for `--store kafka`: the stream `bench` is created there, and deleted.
    #[arg(long, value_name = "HOST:PORT,..", required_if_eq("store", "kafka"))]
    brokers: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Store {
    /// On this machine's disk: fsync before each answer.
    Log,
    /// On a Kafka cluster: each answer when all in-sync replicas have its records.
    Kafka,
}

/// Measures.
pub(crate) async fn run(args: PutBenchArgs) -> anyhow::Result<Report> {
    let brokers = args.brokers.as_deref().filter(|_| args.store == Store::Kafka);
    let server = Server::start_on(!args.unsigned, brokers).await?;
    let caller = server.caller.clone();
    load::create_stream(&caller, args.shards).await?;
    let requests = match args.cbor {
        true => load::put_records_cbor(args.records, args.bytes),
        false => load::put_records(args.records, args.bytes),
    };
    let (connections, seconds) = (args.connections, args.seconds);

    let (cpu_before, client_before, begin) = (server.cpu()?, cpu_time("self")?, Instant::now());
    let work = move || async move {
        let mut senders = JoinSet::new();
        let until = Instant::now() + Duration::from_secs(seconds);
        for _ in 0..connections {
            senders.spawn_local(load::put(caller.connect().await?, requests.clone(), move |_| Instant::now() < until));
        }
        let (mut calls, mut latency) = (0, latencies());
        while let Some(sent) = senders.join_next().await {
            let (more, latency_of_one) = sent??;
            calls += more;
            latency.add(&latency_of_one)?;
        }
        Ok((calls, latency))
    };
    let (calls, latency) = load::on_one_thread(work).await?;
    let measured = Measured {
        records: calls * u64::from(args.records),
        wall: begin.elapsed(),
        cpu: server.cpu()? - cpu_before,
        client_cpu: Some(cpu_time("self")? - client_before),
        peak_memory_bytes: server.peak_memory()?,
    };
    if args.store == Store::Kafka {
        load::delete_stream(&server.caller).await?;
    }
    server.stop().await?;
    let what = format!(
        "put: {} connections, {} records of {} bytes a call, {} shards, {} {}, {} before each answer",
        args.connections,
        args.records,
        args.bytes,
        args.shards,
        if args.unsigned { "unsigned" } else { "signed" },
        if args.cbor { "CBOR" } else { "JSON" },
        if args.store == Store::Kafka { "Kafka's acks=all" } else { "fsync" }
    );
    Ok(Report::new(what, measured, ("a PutRecords call", &latency)))
}
