//! `gallop demo`: server, unicorns and a live table in one process.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use client::producer::target::Target;
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use ingest::receiver::{PreparedReceiver, ReceiverOptions};
use model::name::StreamName;
use model::stream::consumer::StreamReader;
use model::stream::store::{StartingPosition, StreamStore};
use producer_sim::sensor::SensorTarget;
use producer_sim::sim::SimArgs;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::config::file::{Config, FILE_NAME, PORT};
use crate::data_folder;
use crate::serve::engine::Engine;
use crate::serve::options::{HttpOptions, Settings};
use client::shutdown;

/// Arguments of `gallop demo`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  gallop demo\n  gallop demo --unicorns 100 --port 5000")]
pub(crate) struct DemoArgs {
    /// Data folder.
    #[arg(long, value_name = "DIR", default_value = "gallop-demo")]
    data: PathBuf,
    /// Port to listen on; 0 chooses a free one.
    #[arg(long, value_name = "N", default_value_t = PORT)]
    port: u16,
    /// Number of unicorns; each sends one record a second.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    unicorns: u32,
    /// Stop after this many seconds.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// Reads the dashboard's page from this folder at every request, for work on it:
    /// `dashboard/web` of a clone.
    #[arg(long, value_name = "DIR", hide = true)]
    web_dir: Option<PathBuf>,
}

/// What the demo's folder is given, unless it is there.
const FILES: [(&str, &str); 3] = [
    (FILE_NAME, include_str!("../../demo/gallop.toml")),
    ("per-minute.sql", include_str!("../../demo/per-minute.sql")),
    ("ten-seconds.sql", include_str!("../../demo/ten-seconds.sql")),
];

/// The unicorns' stream.
const STREAM: &str = "wildrydes";
/// Where the rows of a window come out.
struct Output {
    stream: &'static str,
    window: &'static str,
    table: &'static str,
}

const TEN_SECONDS: Output = Output { stream: "wildrydes-live", window: "10 s", table: "UnicornLive" };
const MINUTE: Output = Output { stream: "wildrydes-summary", window: "minute", table: "UnicornSensorData" };
/// The most rows of the live table; a fleet may be larger than a screen.
const ROWS_MAX: usize = 25;

/// Runs until a signal or until its time is up.
pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<()> {
    let stop = shutdown::on_signal().context("signals cannot be caught")?;
    let engine = start(&args).await?;
    let url = engine.url();
    let data = args.data.display();
    println!("Gallop demo: {} unicorns, one process, one port", args.unicorns);
    println!("  look      {url}/");
    println!("  data      {data}");
    println!("  Kinesis   AWS_ENDPOINT_URL={url}");
    println!("  tables    {url}/v1/tables");
    println!("  SQL       {} sql --endpoint {url}", program());
    println!("First aggregates within 15 seconds. Ctrl-C ends the demo and loses nothing.\n");

    let unicorns = producer_sim::sim::run(fleet(&args, &url), stop.clone().cancelled_owned());
    let fleet = tokio::spawn(unicorns);
    let watching = tokio::spawn(watch(engine.streams(), stop.clone()));
    let time_up = async {
        match args.seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = time_up => stop.cancel(),
    }
    let report = fleet.await.context("the fleet panicked")??;
    let rows = watching.await.context("the live table panicked")??;
    engine.drain().await?;
    println!("\n{} records are in {data}. Start a server on them:\n", report.acknowledged);
    let minute_has_passed = rows.keys().any(|(window, _)| *window == MINUTE.window);
    print_commands(&args.data, &url, if minute_has_passed { MINUTE.table } else { TEN_SECONDS.table });
    Ok(())
}

/// How this program was called.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "gallop".to_owned())
}

async fn start(args: &DemoArgs) -> anyhow::Result<Engine> {
    data_folder::make(&args.data).with_context(|| format!("{} cannot be created", args.data.display()))?;
    for (name, text) in FILES {
        let file = args.data.join(name);
        if !file.exists() {
            std::fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
        }
    }
    let config = Config::read(&args.data.join(FILE_NAME))?;
    let listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), args.port);
    let (data, folder) = (args.data.clone(), args.data.clone());
    // On loopback, and for its own fleet: whatever the folder's settings ask of others.
    // No path past the kernel: the demo needs no privileges and gives none up.
    let receiver = PreparedReceiver::open(ReceiverOptions { xdp: None, ..config.sensor.receiver(listen.ip()) });
    let (http, web_dir) = (HttpOptions::loopback(), args.web_dir.clone());
    Engine::start(Settings { listen, data, folder, config, http, receiver, web_dir }).await
}

fn fleet(args: &DemoArgs, url: &str) -> SimArgs {
    SimArgs {
        stream: STREAM.to_owned(),
        unicorns: args.unicorns,
        rate: None,
        seed: rand::random(),
        count: None,
        seconds: None,
        quiet: true,
        sensors: SensorTarget::none(),
        target: Target { endpoint: url.to_owned(), profile: None, anybody: true, create_shards: None },
    }
}

fn print_commands(data: &Path, url: &str, table: &str) {
    let (program, port) = (program(), url.rsplit(':').next().unwrap_or_default().to_owned());
    println!("  {program} serve --data {} --port {port}\n", data.display());
    println!("and ask it, from another terminal:\n");
    println!("  curl '{url}/v1/tables/{table}/items/Shadowfax?order=desc&limit=3'");
    println!(
        "  {program} sql --endpoint {url} -c 'SELECT Name, COUNT(*) AS records, SUM(Distance) AS metres FROM wildrydes GROUP BY Name ORDER BY Name'"
    );
    println!(
        "  python3 -c \"import boto3; k = boto3.client('kinesis', endpoint_url='{url}', region_name='us-east-1', \
         aws_access_key_id='x', aws_secret_access_key='x'); \
         i = k.get_shard_iterator(StreamName='{STREAM}', ShardId='shardId-000000000000', ShardIteratorType='TRIM_HORIZON'); \
         print(k.get_records(ShardIterator=i['ShardIterator'], Limit=3)['Records'])\""
    );
}

/// The newest row of every window length and unicorn: the short windows of all unicorns are shown
/// first.
type Rows = BTreeMap<(&'static str, String), Map<String, Value>>;

/// Follows the queries' output streams and shows the newest rows, until told to stop.
async fn watch(streams: Arc<dyn StreamStore>, stop: CancellationToken) -> anyhow::Result<Rows> {
    let mut screen = Screen::new();
    let mut rows = Rows::new();
    let mut live = open(&streams, TEN_SECONDS.stream).await?;
    let mut summary = open(&streams, MINUTE.stream).await?;
    loop {
        let (batch, window) = tokio::select! {
            () = stop.cancelled() => return Ok(rows),
            batch = live.next() => (batch?, TEN_SECONDS.window),
            batch = summary.next() => (batch?, MINUTE.window),
        };
        for record in &batch.records {
            let row: Map<String, Value> = serde_json::from_slice(&record.data)?;
            let name = row.get("Name").and_then(Value::as_str).unwrap_or_default().to_owned();
            rows.insert((window, name), row);
        }
        if !batch.records.is_empty() {
            screen.show(&rows)?;
        }
    }
}

async fn open(streams: &Arc<dyn StreamStore>, stream: &str) -> anyhow::Result<StreamReader> {
    let stream = StreamName::new(stream)?;
    Ok(StreamReader::open(Arc::clone(streams), stream, BTreeMap::new(), StartingPosition::Latest).await?)
}

/// Draws the table over itself on a terminal; elsewhere one table after another.
struct Screen {
    terminal: bool,
    lines_drawn: usize,
}

impl Screen {
    fn new() -> Self {
        Screen { terminal: std::io::stdout().is_terminal(), lines_drawn: 0 }
    }

    fn show(&mut self, rows: &Rows) -> anyhow::Result<()> {
        let mut table = Table::new();
        table.load_preset(UTF8_FULL_CONDENSED);
        table.set_header(["Unicorn", "Window", "Until", "Metres", "Magic", "Health"]);
        for ((window, name), row) in rows.iter().take(ROWS_MAX) {
            let cell = |column: &str| match row.get(column) {
                Some(Value::String(text)) => text.clone(),
                Some(value) => value.to_string(),
                None => String::new(),
            };
            let range = |points: &str| format!("{}..{}", cell(&format!("Min{points}")), cell(&format!("Max{points}")));
            let cells = [cell("StatusTime"), cell("Distance"), range("MagicPoints"), range("HealthPoints")];
            table.add_row([name.clone(), (*window).to_owned()].into_iter().chain(cells));
        }
        let mut text = table.to_string();
        if rows.len() > ROWS_MAX {
            text.push_str(&format!("\nand {} more", rows.len() - ROWS_MAX));
        }
        let mut out = std::io::stdout().lock();
        if self.terminal && self.lines_drawn > 0 {
            // Up to the first line of the last table, and clear from there.
            write!(out, "\x1b[{}A\x1b[J", self.lines_drawn)?;
        }
        writeln!(out, "{text}")?;
        self.lines_drawn = text.lines().count();
        Ok(out.flush()?)
    }
}
