//! `gallop bench`: figures for this machine, as text and as JSON.

mod backlog;
mod call;
mod dashboards;
mod fanout;
mod get;
mod http;
mod latency;
mod load;
mod pace;
mod page;
mod process;
mod put;
mod recovery;
mod report;
mod sensor;
mod sensor_columns;
mod sensor_store;
mod server;
mod shards;
mod sign;
mod start;
mod subscription;
mod tap;
mod window;

use clap::{Args, Subcommand, ValueEnum};

use crate::telemetry::logs;

/// Arguments of `gallop bench`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  gallop bench put\n  gallop bench latency --output json")]
pub(crate) struct BenchArgs {
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
    /// The workshop's per-minute query over generated records, from JSON lines to rows.
    Window(window::WindowArgs),
    /// Starts of a server on an empty folder, up to where it listens.
    Start(start::StartArgs),
    /// Opening a log of a given size.
    Recovery(recovery::RecoveryArgs),
    /// Sensor datagrams from a poller's hands to a durable stream, without a network.
    SensorStore(sensor_store::SensorStoreArgs),
    /// Sensor datagrams into Arrow columns, by how many at a time.
    SensorColumns(sensor_columns::SensorColumnsArgs),
    /// Memory of a stream with very many open shards.
    Shards(shards::ShardsArgs),
    /// What open dashboards cost the server, and those who put.
    Dashboards(dashboards::DashboardsArgs),
    /// Sensor frames a second by each way to receive them, over a cable between two network namespaces; needs root.
    Sensor(sensor::SensorBenchArgs),
}

/// Runs one benchmark and prints its report.
pub(crate) async fn run(args: BenchArgs) -> anyhow::Result<()> {
    logs::start_quiet()?;
    let as_json = args.json || args.output == ReportForm::Json;
    let report = match args.what {
        What::Put(put) => put::run(put).await?,
        What::Get(get) => get::run(get).await?,
        What::Fanout(fanout) => fanout::run(fanout).await?,
        What::Latency(latency) => latency::run(latency).await?,
        What::Tap(tap) => tap::run(tap).await?,
        What::Cli(call) => call::run(call).await?,
        What::Window(window) => window::run(window).await?,
        What::Start(start) => start::run(start).await?,
        What::Recovery(recovery) => recovery::run(recovery).await?,
        What::SensorStore(store) => sensor_store::run(store).await?,
        What::Dashboards(dashboards) => dashboards::run(dashboards).await?,
        What::SensorColumns(columns) => sensor_columns::run(&columns)?,
        What::Shards(shards) => shards::run(shards).await?,
        What::Sensor(sensor) => {
            return tokio::task::spawn_blocking(move || sensor::run(&sensor, as_json)).await?;
        }
    };
    report.print(as_json);
    Ok(())
}
