//! `bench sensor-store`: how fast accepted datagrams become durable records. One thread does what a poller does with
//! datagrams that are in its hands already; the stream's writer and the log's thread do the rest.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use ingest::sensor::intake::{Intake, Taken};
use ingest::sensor::port_rule::{FullPolicy, PortRule};
use ingest::sensor::reception::{Reception, ReceptionOptions};
use ingest::sensor::writer::StreamWriter;
use model::datagram::header::{HEADER_BYTES, Header, SchemaId, SourceId};
use model::name::StreamName;
use model::stream::store::{StreamOptions, StreamStore};

use crate::rig::log::open_log;
use crate::rig::process::{cpu_time, peak_memory};
use crate::rig::report::{Figure, Measured, Report, latencies, micros};

/// Arguments of `bench sensor-store`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bench sensor-store\n  bench sensor-store --bytes 1400 --record-bytes 24 --seconds 20"
)]
pub(crate) struct SensorStoreArgs {
    /// Bytes of a datagram, its header of 32 included.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(33..=9000))]
    bytes: u16,
    /// Bytes of a record in it.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=9000))]
    record_bytes: u16,
    /// Devices, whose datagrams come in turn.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    sources: u32,
    /// Open shards of the stream.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    shards: u32,
    /// How long.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

const PORT: u16 = 9000;
const SCHEMA: SchemaId = SchemaId(7);
const FROM: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Datagrams of a poller's round.
const ROUND: u32 = 64;
/// What the stream may grow to, so that the disk does not fill.
const RETENTION_BYTES_MAX: u64 = 4 << 30;

/// Measures.
pub(crate) async fn run(args: SensorStoreArgs) -> anyhow::Result<Report> {
    let count = (usize::from(args.bytes) - HEADER_BYTES) / usize::from(args.record_bytes);
    let count = u8::try_from(count).ok().filter(|count| *count > 0);
    let count = count.context("a datagram must have room for 1 to 255 records")?;
    let folder = tempfile_folder()?;
    let log = open_log(&folder.join("streams")).await?;
    let stream = StreamName::new("bench")?;
    let options = StreamOptions {
        shards: args.shards,
        retention_bytes_max: Some(RETENTION_BYTES_MAX),
        ..StreamOptions::default()
    };
    log.create(&stream, options).await?;

    let reception = Reception::new(ReceptionOptions::default());
    let (handle, reader) = reception.open()?;
    let rule = PortRule { policy: FullPolicy::Hold, ..PortRule::open_to_all(handle, SCHEMA, args.record_bytes) };
    reception.set_port(PORT, rule)?;
    let store: Arc<dyn StreamStore> = Arc::new(log.clone());
    let writer = tokio::spawn(StreamWriter::new(Arc::clone(&store), stream.clone(), reader).run());
    let trimming = tokio::spawn(trim(store, stream));

    let (begin, cpu) = (Instant::now(), cpu_time("self")?);
    let intake = reception.intake("bench");
    let until = begin + Duration::from_secs(args.seconds);
    let (sources, record_bytes) = (args.sources, args.record_bytes);
    let (sent, poller, latency) =
        tokio::task::spawn_blocking(move || send(intake, sources, record_bytes, count, until)).await??;
    reception.close();
    writer.await?;
    let wall = begin.elapsed();
    trimming.abort();
    let tally = reception.tally();
    ensure!(
        tally.stored == sent && tally.received() == sent,
        "of {sent} datagrams {} are stored: {tally:?}",
        tally.stored
    );
    let measured = Measured {
        records: sent,
        wall,
        cpu: cpu_time("self")? - cpu,
        client_cpu: None,
        peak_memory_bytes: peak_memory("self")?,
    };
    log.close().await;
    std::fs::remove_dir_all(&folder)?;
    let what = format!(
        "sensor-store: datagrams of {} bytes with {count} records each from {sources} sources, {} shards, judged, stored and synced",
        HEADER_BYTES + usize::from(count) * usize::from(record_bytes),
        args.shards
    );
    let mut report = Report::new(what, measured, ("64 datagrams taken", &latency));
    let seconds = wall.as_secs_f64();
    let micros_each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / sent as f64;
    report.add(Figure::new("CPU of the poller", micros_each(poller), "µs a datagram"));
    report.add(Figure::new("CPU of writer and log", micros_each(measured.cpu.saturating_sub(poller)), "µs a datagram"));
    report.add(Figure::new("sensor records", tally.stored_records as f64 / seconds, "a second"));
    report.add(Figure::new("datagram bytes on disk", tally.accepted_bytes as f64 / seconds / 1e6, "MB a second"));
    Ok(report)
}

/// A new folder where other benchmarks have theirs.
fn tempfile_folder() -> anyhow::Result<std::path::PathBuf> {
    let folder = std::env::temp_dir().join(format!("gallop-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be created", folder.display()))?;
    Ok(folder)
}

async fn trim(store: Arc<dyn StreamStore>, stream: StreamName) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        // The benchmark measures what is stored; what cannot be dropped is told by a full disk.
        let _ = store.trim(&stream).await;
    }
}

/// Does what a poller does, as fast as the stream takes it: each source's datagrams in order.
fn send(
    mut intake: Intake,
    sources: u32,
    record_bytes: u16,
    count: u8,
    until: Instant,
) -> anyhow::Result<(u64, Duration, hdrhistogram::Histogram<u64>)> {
    let cpu = cpu_time("thread-self")?;
    let mut header = Header {
        tagged: false,
        record_times: false,
        schema_id: SCHEMA,
        record_len: record_bytes,
        count,
        key_id: 0,
        epoch: 1,
        source_id: SourceId(0),
        first: 0,
        time_nanos: 1,
    };
    let mut bytes = header.write().to_vec();
    bytes.resize(HEADER_BYTES + header.records_bytes(), 7);
    let (mut sent, mut latency) = (0_u64, latencies());
    let (begin, since) = (1_700_000_000_000_000_000, Instant::now());
    while Instant::now() < until {
        let round = Instant::now();
        intake.begin(begin + u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX));
        for _ in 0..ROUND {
            header.source_id = SourceId((sent % u64::from(sources)) as u32);
            header.first = sent / u64::from(sources) * u64::from(count);
            bytes[..HEADER_BYTES].copy_from_slice(&header.write());
            while intake.take(FROM, PORT, &bytes) == Taken::Held {
                intake.flush();
                std::thread::yield_now();
            }
            sent += 1;
        }
        intake.end();
        latency.saturating_record(micros(round.elapsed()));
    }
    Ok((sent, cpu_time("thread-self")? - cpu, latency))
}
