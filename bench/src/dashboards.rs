//! `bench dashboards`: what open dashboards cost the server, and those who put.
//!
//! Rounds without dashboards and with them take turns, each against a server of its own: what the machine does besides
//! falls on both. A dashboard here is the connection of an open page; what a browser makes of it is another machine's cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use hdrhistogram::Histogram;
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::rig::http::{Caller, Request};
use crate::rig::pace::Pace;
use crate::rig::process::cpu_time;
use crate::rig::report::{Figure, Measured, Report, latencies};
use crate::rig::server::Server;

/// Arguments of `bench dashboards`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bench dashboards\n  bench dashboards --unicorns 20 --rounds 5 --json")]
pub(crate) struct DashboardsArgs {
    /// Open dashboards.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=250))]
    dashboards: u32,
    /// Unicorns, each with one PutRecord a second.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    unicorns: u32,
    /// Connections that the puts are shared out to.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=256))]
    connections: u32,
    /// How long a round is.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=120))]
    seconds: u32,
    /// Rounds without dashboards, and as many with them.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
}

/// The stream that dashboards show unless settings name another.
const STREAM: &str = "wildrydes";
const SHARDS: u32 = 4;
/// How long a dashboard may wait for its first frame.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes that are read at a time.
const READ_BYTES: usize = 64 << 10;
/// What begins every second's sum, once a second.
const CLOCK: &[u8] = b"event: clock";
/// What begins every frame of the map.
const FLEET: &[u8] = b"event: fleet";

/// What rounds of one kind found.
struct Found {
    cpu: Duration,
    client_cpu: Duration,
    wall: Duration,
    latency: Histogram<u64>,
    peak_memory_bytes: u64,
    frames: u64,
    bytes: u64,
}

/// What dashboards have received.
#[derive(Debug, Default)]
struct Heard {
    frames: AtomicU64,
    bytes: AtomicU64,
}

/// A page's connection: says when the first frame is there, and counts until it is dropped.
async fn look(address: String, heard: Arc<Heard>, first: mpsc::Sender<()>) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(&address).await.context("the server cannot be reached")?;
    let head = format!("GET /v1/live?topics=fleet,windows,streams HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut buffer = vec![0; READ_BYTES];
    let mut began = false;
    loop {
        let read = stream.read(&mut buffer).await?;
        ensure!(read > 0, "the server ended a dashboard's connection");
        let text = &buffer[..read];
        ensure!(began || text.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(text));
        // A frame's beginning that falls between two reads is not counted.
        heard.frames.fetch_add(memmem::find_iter(text, FLEET).count() as u64, Ordering::Relaxed);
        heard.bytes.fetch_add(read as u64, Ordering::Relaxed);
        if !began && memmem::find(text, CLOCK).is_some() {
            // Whoever waits for it has failed otherwise.
            let _ = first.send(()).await;
        }
        began = true;
    }
}

/// One reading of every unicorn.
fn readings(unicorns: u32) -> Vec<Request> {
    let reading = |number: u32| {
        let (angle, far) = (f64::from(number) * 2.4, f64::from(number).sqrt() * 0.0006);
        let (latitude, longitude) = (40.749_167 + far * angle.sin(), -73.985_184 + far * angle.cos());
        let reading = format!(
            "{{\"Distance\":30.5,\"HealthPoints\":150,\"Latitude\":{latitude:.6},\"Longitude\":{longitude:.6},\
             \"MagicPoints\":150,\"Name\":\"unicorn-{number}\",\"StatusTime\":\"2026-01-01 00:00:00.000\"}}\n"
        );
        let data = base64_simd::STANDARD.encode_to_string(reading);
        let body = format!("{{\"StreamName\":\"{STREAM}\",\"Data\":\"{data}\",\"PartitionKey\":\"unicorn-{number}\"}}");
        Request::new("PutRecord", body)
    };
    (0..unicorns).map(reading).collect()
}

/// Puts every unicorn's reading once a second.
fn put(caller: &Caller, args: &DashboardsArgs, seconds: u32) -> anyhow::Result<Histogram<u64>> {
    let (readings, next) = (readings(args.unicorns), AtomicUsize::new(0));
    let in_turn = || || readings[next.fetch_add(1, Ordering::Relaxed) % readings.len()].clone();
    Pace { seconds, rate: args.unicorns, connections: args.connections }.send(caller, in_turn)
}

/// One round, with so many dashboards.
async fn round(args: &Arc<DashboardsArgs>, dashboards: u32) -> anyhow::Result<Found> {
    let server = Server::start(false).await?;
    let caller = server.caller.clone();
    let create = format!("{{\"StreamName\":\"{STREAM}\",\"ShardCount\":{SHARDS}}}");
    caller.call("CreateStream", &create).await?;
    let (heard, mut looking) = (Arc::new(Heard::default()), JoinSet::new());
    let (say_first, mut first) = mpsc::channel(1);
    for _ in 0..dashboards {
        looking.spawn(look(caller.address.clone(), Arc::clone(&heard), say_first.clone()));
    }
    for _ in 0..dashboards {
        let begun = tokio::time::timeout(PATIENCE, first.recv()).await;
        ensure!(matches!(begun, Ok(Some(()))), "a dashboard has no first frame");
    }
    let before = (heard.frames.load(Ordering::Relaxed), heard.bytes.load(Ordering::Relaxed));
    let (cpu_before, client_before, begin) = (server.cpu()?, cpu_time("self")?, Instant::now());
    let putting = {
        let args = Arc::clone(args);
        tokio::task::spawn_blocking(move || put(&caller, &args, args.seconds))
    };
    let latency = tokio::select! {
        latency = putting => latency??,
        Some(ended) = looking.join_next() => return Err(ended?.err().context("a dashboard ended")?),
    };
    let found = Found {
        cpu: server.cpu()? - cpu_before,
        client_cpu: cpu_time("self")? - client_before,
        wall: begin.elapsed(),
        latency,
        peak_memory_bytes: server.peak_memory()?,
        frames: heard.frames.load(Ordering::Relaxed) - before.0,
        bytes: heard.bytes.load(Ordering::Relaxed) - before.1,
    };
    looking.shutdown().await;
    server.stop().await?;
    Ok(found)
}

impl Found {
    fn nothing() -> Found {
        let none = Duration::ZERO;
        let (latency, peak_memory_bytes) = (latencies(), 0);
        Found { cpu: none, client_cpu: none, wall: none, latency, peak_memory_bytes, frames: 0, bytes: 0 }
    }

    fn add(&mut self, round: &Found) -> anyhow::Result<()> {
        self.cpu += round.cpu;
        self.client_cpu += round.client_cpu;
        self.wall += round.wall;
        self.latency.add(&round.latency)?;
        self.peak_memory_bytes = self.peak_memory_bytes.max(round.peak_memory_bytes);
        self.frames += round.frames;
        self.bytes += round.bytes;
        Ok(())
    }

    /// Of one processor, in per cent.
    fn cpu_share(&self) -> f64 {
        self.cpu.as_secs_f64() / self.wall.as_secs_f64() * 100.0
    }

    fn millis(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1000.0
    }
}

/// Measures.
pub(crate) async fn run(args: DashboardsArgs) -> anyhow::Result<Report> {
    let args = Arc::new(args);
    let (mut without, mut with) = (Found::nothing(), Found::nothing());
    for _ in 0..args.rounds {
        without.add(&round(&args, 0).await?)?;
        with.add(&round(&args, args.dashboards).await?)?;
    }
    let what = format!(
        "dashboards: {} of them and none in turn, {} rounds of {} s each, {} unicorns with a PutRecord a second",
        args.dashboards, args.rounds, args.seconds, args.unicorns
    );
    let measured = Measured {
        records: with.latency.len(),
        wall: with.wall,
        cpu: with.cpu,
        client_cpu: Some(with.client_cpu),
        peak_memory_bytes: with.peak_memory_bytes,
    };
    let mut report = Report::new(what, measured, ("a PutRecord call beside the dashboards", &with.latency));
    let pages = with.wall.as_secs_f64() * f64::from(args.dashboards);
    for (name, value, unit) in [
        ("server's CPU without dashboards", without.cpu_share(), "% of a core"),
        ("server's CPU with them", with.cpu_share(), "% of a core"),
        ("what they cost together", with.cpu_share() - without.cpu_share(), "% of a core"),
        ("p50 of the puts without them", without.millis(0.5), "ms"),
        ("p99 of the puts without them", without.millis(0.99), "ms"),
        ("frames to each", with.frames as f64 / pages, "a second"),
        ("bytes to each", with.bytes as f64 / pages / 1000.0, "KB/s"),
    ] {
        report.add(Figure::new(name, value, unit));
    }
    Ok(report)
}
