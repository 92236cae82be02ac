//! Figures for this machine, as text and as JSON: `cargo run --release -p bench -- put`.
//!
//! A second roof: it starts the `gallop` that stands beside it, or runs single crates in its own process. Nobody imports
//! it, and nothing of it is in the product.

mod rig;

mod put;
mod backlog;
mod get;
mod fanout;
mod latency;
mod tap;
mod call;
mod sql;
mod window;
mod start;
mod recovery;
mod shards;
mod dashboards;
mod sensor;

use clap::{Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Gallop on this machine.
#[derive(Debug, Parser)]
#[command(
    name = "bench",
    version,
    max_term_width = 100,
    after_help = "Build gallop with it: cargo build --release -p pipeline -p bench\n\n\
                  Examples:\n  bench put\n  bench latency --output json"
)]
struct Bench {
    #[command(subcommand)]
    what: What,
    /// The same as --output json.
    #[arg(long, global = true)]
    json: bool,
    /// How the report is printed.
    #[arg(long, global = true, value_enum, default_value_t)]
    output: ReportForm,
}

/// How a report is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum ReportForm {
    /// For people.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

#[derive(Debug, Subcommand)]
enum What {
    /// PutRecords over HTTP on loopback, against a server in a process of its own.
    Put(put::PutBenchArgs),
    /// GetRecords over HTTP on loopback, every shard from its oldest record to its newest.
    Get(get::GetBenchArgs),
    /// Records pushed to registered consumers over HTTP/2, from the put to the consumer.
    Fanout(fanout::FanoutArgs),
    /// Single durable PutRecords at a fixed rate, beside the disk's own fsync.
    Latency(latency::LatencyArgs),
    /// From the put of a record to the line that `gallop tap` prints of it.
    Tap(tap::TapBenchArgs),
    /// A command that asks a running server, from the start of its process to its end.
    Cli(call::CallArgs),
    /// A usual query of ad hoc SQL over HTTP, from the request to the last row.
    Sql(sql::SqlBenchArgs),
    /// The workshop's per-minute query over generated records, from JSON lines to rows.
    Window(window::WindowArgs),
    /// Starts of a server on an empty folder, up to where it listens.
    Start(start::StartArgs),
    /// Opening a log of a given size.
    Recovery(recovery::RecoveryArgs),
    /// Sensor datagrams from a poller's hands to a durable stream, without a network.
    SensorStore(sensor::store::SensorStoreArgs),
    /// Sensor datagrams into Arrow columns, by how many at a time.
    SensorColumns(sensor::columns::SensorColumnsArgs),
    /// Memory of a stream with very many open shards.
    Shards(shards::ShardsArgs),
    /// What open dashboards cost the server, and those who put.
    Dashboards(dashboards::DashboardsArgs),
    /// Sensor frames a second by each way to receive them, over a cable between two network namespaces; needs root.
    Sensor(sensor::reception::SensorBenchArgs),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Bench::parse();
    let filter = EnvFilter::try_from_env("GALLOP_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let as_json = args.json || args.output == ReportForm::Json;
    let report = match args.what {
        What::Put(put) => put::run(put).await?,
        What::Get(get) => get::run(get).await?,
        What::Fanout(fanout) => fanout::run(fanout).await?,
        What::Latency(latency) => latency::run(latency).await?,
        What::Tap(tap) => tap::run(tap).await?,
        What::Cli(call) => call::run(call).await?,
        What::Sql(sql) => sql::run(sql).await?,
        What::Window(window) => window::run(window).await?,
        What::Start(start) => start::run(start).await?,
        What::Recovery(recovery) => recovery::run(recovery).await?,
        What::SensorStore(store) => sensor::store::run(store).await?,
        What::Dashboards(dashboards) => dashboards::run(dashboards).await?,
        What::SensorColumns(columns) => sensor::columns::run(&columns)?,
        What::Shards(shards) => shards::run(shards).await?,
        What::Sensor(sensor) => {
            return tokio::task::spawn_blocking(move || sensor::reception::run(&sensor, as_json)).await?;
        }
    };
    report.print(as_json);
    Ok(())
}
