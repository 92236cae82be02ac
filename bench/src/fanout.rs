//! `bench fanout`: how long after its put a record reaches the consumers that it is pushed to, fsync included,
//! and how many a server pushes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use clap::Args;
use hdrhistogram::Histogram;
use memchr::memmem;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use crate::rig::http::{Caller, Request, text_member};
use crate::rig::load::{self, STREAM};
use crate::rig::pace::Pace;
use crate::rig::process::cpu_time;
use crate::rig::report::{Figure, Measured, Report, latencies, micros};
use crate::rig::server::Server;
use crate::rig::subscription::{Consumer, Subscription};

/// Arguments of `bench fanout`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bench fanout\n  bench fanout --rate 0 --records 500 --consumers 4 --json")]
pub(crate) struct FanoutArgs {
    /// How long to put.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=240))]
    seconds: u32,
    /// PutRecords calls a second; 0 is as fast as they are answered.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    rate: u32,
    /// Connections that put.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=256))]
    connections: u32,
    /// Records a call.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=500))]
    records: u32,
    /// Bytes of data a record.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(16..=10_000))]
    bytes: u32,
    /// Shards of the stream.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
    shards: u32,
    /// Registered consumers, each subscribed to every shard.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=20))]
    consumers: u32,
}

/// How long the last records may take to be pushed.
const PATIENCE: Duration = Duration::from_secs(20);

/// What stands before the data of a record, in requests and in events.
const BEFORE_DATA: &[u8] = b"\"Data\":\"";
/// A stamp in base64: it stands first in the data of every record.
const STAMP_CHARS: usize = 16;
/// The same in bytes: nanoseconds since the beginning, and four that say nothing.
const STAMP_BYTES: usize = 12;

/// Calls whose records tell when they were made.
struct Stamped {
    body: Vec<u8>,
    /// Where the stamps go.
    stamps_at: Vec<usize>,
    origin: Instant,
}

impl Stamped {
    fn new(records: u32, bytes: u32, origin: Instant) -> Self {
        let body = load::put_records(records, bytes).remove(0).body.to_vec();
        let stamps_at = memmem::find_iter(&body, BEFORE_DATA).map(|at| at + BEFORE_DATA.len()).collect();
        Stamped { body, stamps_at, origin }
    }

    fn next(&mut self) -> Request {
        let nanos = u64::try_from(self.origin.elapsed().as_nanos()).expect("a measurement ends in less than centuries");
        let mut stamp = [0; STAMP_BYTES];
        stamp[..8].copy_from_slice(&nanos.to_le_bytes());
        let text = base64_simd::STANDARD.encode_to_string(stamp);
        for at in &self.stamps_at {
            self.body[*at..at + STAMP_CHARS].copy_from_slice(text.as_bytes());
        }
        Request::new("PutRecords", Bytes::copy_from_slice(&self.body))
    }
}

/// What one consumer has received.
#[derive(Debug, Default)]
struct Received {
    records: Cell<u64>,
    more: Notify,
}

/// Counts the records of a subscription and how long each was under way, as long as it lives.
async fn follow(
    mut subscription: Subscription,
    received: Rc<Received>,
    latency: Rc<RefCell<Histogram<u64>>>,
    origin: Instant,
) -> anyhow::Result<()> {
    let finder = memmem::Finder::new(BEFORE_DATA);
    while let Some(event) = subscription.next().await? {
        let now = origin.elapsed();
        let (mut records, mut latency) = (0, latency.borrow_mut());
        for at in finder.find_iter(&event) {
            let at = at + BEFORE_DATA.len();
            let stamp = event.get(at..at + STAMP_CHARS).context("a record is shorter than those that were put")?;
            let stamp = base64_simd::STANDARD.decode_to_vec(stamp).context("data is base64")?;
            let nanos = u64::from_le_bytes(*stamp.first_chunk().context("a stamp has eight bytes")?);
            latency.saturating_record(micros(now.saturating_sub(Duration::from_nanos(nanos))));
            records += 1;
        }
        received.records.set(received.records.get() + records);
        received.more.notify_one();
    }
    bail!("a subscription ended early")
}

/// Subscribes all consumers to all shards, says so, and follows until each has received as many records as were put.
async fn consume(
    caller: Caller,
    args: (u32, u32),
    origin: Instant,
    subscribed: oneshot::Sender<()>,
    put: oneshot::Receiver<u64>,
) -> anyhow::Result<Histogram<u64>> {
    let (consumers, shards) = args;
    let latency = Rc::new(RefCell::new(latencies()));
    let (mut followers, mut all) = (JoinSet::new(), Vec::new());
    for number in 0..consumers {
        let mut consumer = Consumer::connect(&caller, register(&caller, number).await?).await?;
        let received = Rc::new(Received::default());
        for shard in 0..shards {
            let subscription = consumer.subscribe(shard, "LATEST").await?;
            followers.spawn_local(follow(subscription, Rc::clone(&received), Rc::clone(&latency), origin));
        }
        all.push(received);
    }
    // Whoever waits for it has failed otherwise.
    let _ = subscribed.send(());
    let arrived = async {
        let put = put.await.context("nothing was put")?;
        for received in &all {
            while received.records.get() < put {
                let more = tokio::time::timeout(PATIENCE, received.more.notified()).await;
                more.with_context(|| format!("{} records were pushed of {put}", received.records.get()))?;
            }
            ensure!(received.records.get() == put, "{} records were pushed of {put}", received.records.get());
        }
        Ok(())
    };
    tokio::select! {
        arrived = arrived => arrived?,
        Some(ended) = followers.join_next() => ended??,
    }
    followers.shutdown().await;
    Ok(latency.replace(latencies()))
}

async fn register(caller: &Caller, number: u32) -> anyhow::Result<String> {
    let stream = format!("arn:aws:kinesis:us-east-1:000000000000:stream/{STREAM}");
    let input = format!("{{\"StreamARN\":\"{stream}\",\"ConsumerName\":\"consumer-{number}\"}}");
    let answer = caller.call("RegisterStreamConsumer", &input).await?;
    Ok(text_member(answer.as_bytes(), "ConsumerARN").context("no ConsumerARN")?.to_owned())
}

/// Measures.
pub(crate) async fn run(args: FanoutArgs) -> anyhow::Result<Report> {
    let server = Server::start(true).await?;
    let caller = server.caller.clone();
    load::create_stream(&caller, args.shards).await?;
    let origin = Instant::now();
    let ((say_subscribed, subscribed), (say_put, put)) = (oneshot::channel(), oneshot::channel());
    let consuming = tokio::spawn({
        let (caller, count) = (caller.clone(), (args.consumers, args.shards));
        load::on_one_thread(move || consume(caller, count, origin, say_subscribed, put))
    });
    if subscribed.await.is_err() {
        consuming.await??;
        bail!("the consumers ended before anything was put");
    }
    let (cpu_before, client_before, begin) = (server.cpu()?, cpu_time("self")?, Instant::now());
    let pace = Pace { seconds: args.seconds, rate: args.rate, connections: args.connections };
    let (records, bytes) = (args.records, args.bytes);
    let stamped = move || {
        let mut calls = Stamped::new(records, bytes, origin);
        move || calls.next()
    };
    let put_latency = tokio::task::spawn_blocking(move || pace.send(&caller, stamped)).await??;
    let put = put_latency.len() * u64::from(records);
    // Whoever waits for it has failed otherwise.
    let _ = say_put.send(put);
    let latency = consuming.await??;
    let measured = Measured {
        records: latency.len(),
        wall: begin.elapsed(),
        cpu: server.cpu()? - cpu_before,
        client_cpu: Some(cpu_time("self")? - client_before),
        peak_memory_bytes: server.peak_memory()?,
    };
    server.stop().await?;
    let what = format!(
        "fanout: {} consumers of {} shards, {} calls a second of {records} records of {bytes} bytes, fsync before a push",
        args.consumers,
        args.shards,
        if args.rate == 0 { "unlimited".to_owned() } else { args.rate.to_string() },
    );
    let seconds = measured.wall.as_secs_f64();
    let pushed = measured.records as f64 * f64::from(bytes) / seconds / 1e6;
    let mut report = Report::new(what, measured, ("a record from its put to its consumer", &latency));
    let millis = |quantile| put_latency.value_at_quantile(quantile) as f64 / 1000.0;
    report.add(Figure::new("records put", put as f64 / seconds, "records/s"));
    report.add(Figure::new("record data pushed", pushed, "MB/s"));
    report.add(Figure::new("p50 of the puts' own answers", millis(0.5), "ms"));
    report.add(Figure::new("p99 of the puts' own answers", millis(0.99), "ms"));
    Ok(report)
}
