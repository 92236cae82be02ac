//! `bench tap`: from the put of a record to the line that `gallop tap` in a process of its own prints of it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use clap::Args;
use memchr::memmem;

use crate::rig::http::Request;
use crate::rig::load;
use crate::rig::process::cpu_time;
use crate::rig::program;
use crate::rig::report::{Figure, Measured, Report, latencies};
use crate::rig::server::Server;
use crate::rig::sign::{ACCESS_KEY_ID, REGION, SECRET};

/// Arguments of `bench tap`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bench tap\n  bench tap --probes 5000 --rate 500 --output json")]
pub(crate) struct TapBenchArgs {
    /// Records that are put, one after the other.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    probes: u32,
    /// Records a second.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// Shards of the stream.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    shards: u32,
}

/// How long the first record, and the last one, may take to come out.
const PATIENCE: Duration = Duration::from_secs(30);
/// Lines that wait to be counted.
const LINES_MAX: usize = 1024;

/// `gallop tap`; killed when dropped.
struct Tap(Child);

impl Drop for Tap {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "this measures")]
fn now_micros() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right by half a century");
    u64::try_from(now.as_micros()).expect("the clock is right by ages")
}

/// Puts a record that tells when.
fn probe(number: u32) -> Request {
    let data = format!("{{\"probe\":{number},\"micros\":{}}}", now_micros());
    let data = base64_simd::STANDARD.encode_to_string(data);
    let body = format!("{{\"StreamName\":\"{}\",\"PartitionKey\":\"{number}\",\"Data\":\"{data}\"}}", load::STREAM);
    Request::new("PutRecord", body)
}

/// Starts it; the number of each probe that it prints, and the microseconds since that was put.
fn follow(address: &str) -> anyhow::Result<(Tap, Receiver<(u32, u64)>)> {
    let mut child = Command::new(program::gallop()?)
        .args(["tap", load::STREAM, "--output", "json", "--endpoint", &format!("http://{address}")])
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("AWS_REGION", REGION)
        .env_remove("GALLOP_TOKEN")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("gallop tap does not start")?;
    let lines = BufReader::new(child.stdout.take().context("it has no output")?);
    let (sender, receiver) = sync_channel(LINES_MAX);
    std::thread::spawn(move || {
        for line in lines.split(b'\n').map_while(Result::ok) {
            let now = now_micros();
            let number = |name: &str| -> Option<u64> {
                let at = memmem::find(&line, name.as_bytes())? + name.len();
                let digits = line[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                std::str::from_utf8(&line[at..at + digits]).ok()?.parse().ok()
            };
            let found = number("\"probe\":").zip(number("\"micros\":"));
            let Some((probe, micros)) = found else { continue };
            if sender.send((probe as u32, now.saturating_sub(micros))).is_err() {
                break;
            }
        }
    });
    Ok((Tap(child), receiver))
}

/// Measures.
pub(crate) async fn run(args: TapBenchArgs) -> anyhow::Result<Report> {
    let server = Server::start(true).await?;
    load::create_stream(&server.caller, args.shards).await?;
    let mut connection = server.caller.connect().await?;
    let (tap, lines) = follow(&server.caller.address)?;
    // Probe 0 is put again and again until one comes out: then it is followed.
    let begin = Instant::now();
    while lines.try_recv().is_err() {
        ensure!(begin.elapsed() < PATIENCE, "gallop tap printed nothing in {PATIENCE:?}");
        connection.call(&probe(0)).await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (cpu_before, client_before, begin) = (server.cpu()?, cpu_time(&tap.0.id().to_string())?, Instant::now());
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / args.rate);
    for number in 1..=args.probes {
        ticks.tick().await;
        connection.call(&probe(number)).await?;
    }
    let wall = begin.elapsed();
    let mut latency = latencies();
    for _ in 0..args.probes {
        let micros = loop {
            match lines.recv_timeout(PATIENCE).context("a record was put and not printed")? {
                (0, _) => continue,
                (_, micros) => break micros,
            }
        };
        latency.saturating_record(micros.max(1));
    }
    let measured = Measured {
        records: u64::from(args.probes),
        wall,
        cpu: server.cpu()? - cpu_before,
        client_cpu: Some(cpu_time(&tap.0.id().to_string())? - client_before),
        peak_memory_bytes: server.peak_memory()?,
    };
    drop(tap);
    server.stop().await?;
    let what = format!(
        "tap: {} records, {} a second, {} shards, signed, fsync before each answer",
        args.probes, args.rate, args.shards
    );
    let mut report = Report::new(what, measured, ("from before the put to the line of gallop tap", &latency));
    report.add(Figure::new("longest", latency.max() as f64 / 1000.0, "ms"));
    Ok(report)
}
