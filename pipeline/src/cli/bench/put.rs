//! `gallop bench put`: a server in a process of its own, driven over HTTP on loopback.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use clap::Args;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use super::process::{cpu_time, peak_memory};
use super::report::{Report, latencies, micros};

/// Arguments of `gallop bench put`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  gallop bench put\n  gallop bench put --connections 16 --records 1 --json")]
pub(crate) struct PutBenchArgs {
    /// How long to send.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Connections, each with one call under way.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1024))]
    connections: u32,
    /// Records a call.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=500))]
    records: u32,
    /// Bytes of data a record.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    bytes: u32,
    /// Shards of the stream.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    shards: u32,
}

const STREAM: &str = "bench";
/// Different bodies that each connection sends in turn.
const BODIES: usize = 8;

struct Server {
    child: Child,
    pid: String,
    address: String,
    _data: DataFolder,
}

/// A folder of this process that is removed with it.
struct DataFolder(std::path::PathBuf);

impl Drop for DataFolder {
    fn drop(&mut self) {
        // What cannot be removed is only left over.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Server {
    async fn start() -> anyhow::Result<Server> {
        let folder = std::env::temp_dir().join(format!("gallop-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).context("no folder for the server's data")?;
        let data = DataFolder(folder);
        let mut child = Command::new(std::env::current_exe().context("this program has no path")?)
            .args(["serve", "--port", "0", "--data"])
            .arg(&data.0)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the server does not start")?;
        let pid = child.id().context("the server ended")?.to_string();
        let mut line = String::new();
        let stdout = child.stdout.take().context("the server has no output")?;
        BufReader::new(stdout).read_line(&mut line).await?;
        let url = line.split_whitespace().find_map(|word| word.strip_prefix("http://"));
        let address = url.context("the server says no address")?.to_owned();
        Ok(Server { child, pid, address, _data: data })
    }
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    async fn open(address: &str) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(address).await.context("the server cannot be reached")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Connection { sender, host: address.to_owned() })
    }

    async fn call(&mut self, operation: &str, body: Bytes) -> anyhow::Result<Bytes> {
        let request = Request::post("/")
            .header("host", &self.host)
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("Kinesis_20131202.{operation}"))
            .body(Full::new(body))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "{operation}: {status}: {}", String::from_utf8_lossy(&answer));
        Ok(answer)
    }
}

fn body(args: &PutBenchArgs, random: &mut SmallRng) -> Bytes {
    let mut data = vec![0; args.bytes as usize];
    let records: Vec<String> = (0..args.records)
        .map(|_| {
            random.fill_bytes(&mut data);
            let encoded = base64_simd::STANDARD.encode_to_string(&data);
            format!("{{\"Data\":\"{encoded}\",\"PartitionKey\":\"{:016x}\"}}", random.random::<u64>())
        })
        .collect();
    format!("{{\"StreamName\":\"{STREAM}\",\"Records\":[{}]}}", records.join(",")).into()
}

async fn send(mut connection: Connection, bodies: Vec<Bytes>, until: Instant) -> anyhow::Result<(u64, Histogram<u64>)> {
    let mut latency = latencies();
    let mut calls = 0;
    for body in bodies.iter().cycle() {
        let begin = Instant::now();
        if begin >= until {
            break;
        }
        let answer = connection.call("PutRecords", body.clone()).await?;
        let none_failed = answer
            .windows(21)
            .position(|window| window == b"\"FailedRecordCount\":0")
            .is_some_and(|at| !answer[at + 21..].first().is_some_and(u8::is_ascii_digit));
        ensure!(none_failed, "records were refused: {}", String::from_utf8_lossy(&answer[..answer.len().min(300)]));
        latency.saturating_record(micros(begin.elapsed()));
        calls += 1;
    }
    Ok((calls, latency))
}

/// Measures.
pub(crate) async fn run(args: PutBenchArgs) -> anyhow::Result<Report> {
    let mut server = Server::start().await?;
    let create = format!("{{\"StreamName\":\"{STREAM}\",\"ShardCount\":{}}}", args.shards);
    Connection::open(&server.address).await?.call("CreateStream", create.into()).await?;
    let mut connections = Vec::new();
    for number in 0..args.connections {
        let mut random = SmallRng::seed_from_u64(u64::from(number));
        let bodies: Vec<Bytes> = (0..BODIES).map(|_| body(&args, &mut random)).collect();
        connections.push((Connection::open(&server.address).await?, bodies));
    }

    let (cpu_before, begin) = (cpu_time(&server.pid)?, Instant::now());
    let until = begin + Duration::from_secs(args.seconds);
    let mut senders = JoinSet::new();
    for (connection, bodies) in connections {
        senders.spawn(send(connection, bodies, until));
    }
    let (mut calls, mut latency) = (0, latencies());
    while let Some(sent) = senders.join_next().await {
        let (more, latency_of_one) = sent??;
        calls += more;
        latency.add(&latency_of_one)?;
    }
    let (wall, cpu) = (begin.elapsed(), cpu_time(&server.pid)? - cpu_before);
    let peak = peak_memory(&server.pid)?;
    server.child.kill().await?;
    let what = format!(
        "put: {} connections, {} records of {} bytes a call, {} shards, fsync before each answer",
        args.connections, args.records, args.bytes, args.shards
    );
    Ok(Report::new(what, calls * u64::from(args.records), wall, cpu, ("a PutRecords call", &latency), peak))
}
