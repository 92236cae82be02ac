//! `gallop serve`: the server until a signal.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use client::shutdown;
use gateway::accept::options::AcceptOptions;
use ingest::receiver::PreparedReceiver;

use crate::config::access::admission::Admission;
use crate::config::effective::{Effective, SettingsArgs};
use crate::open_files;
use crate::serve::engine::Engine;
use crate::serve::options::{HttpOptions, Settings};
use crate::telemetry::logs::{self, LogFormat};
use crate::telemetry::traces::Traces;

/// Arguments of `gallop serve`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  gallop serve\n  gallop serve --data /var/lib/gallop --port 4567")]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Format of log lines.
    #[arg(long, env = "GALLOP_LOG_FORMAT", value_enum, default_value_t = LogFormat::Auto)]
    log_format: LogFormat,
    /// Reads the dashboard's page from this folder at every request, for work on it:
    /// `dashboard/web` of a clone.
    #[arg(long, value_name = "DIR", hide = true)]
    web_dir: Option<PathBuf>,
}

impl ServeArgs {
    /// Brings flags, variables and file together, and does everything that comes before the process
    /// has other threads: what takes privileges, and giving them up.
    pub(crate) fn prepare(self) -> anyhow::Result<Prepared> {
        let Effective { folder, data, host, port, config, signatures, known, tls, .. } = self.settings.read()?;
        let variable = |name: &str| std::env::var(name).ok();
        let traces = config.telemetry.traces(variable).map_err(anyhow::Error::msg)?.map(Traces::new);
        logs::start_server(self.log_format, traces.as_ref())?;
        let Admission { access, notice } = known.admit(signatures, &data)?;
        let accept = config.connections.options(open_files::raise());
        let accept = AcceptOptions { plain_from_anywhere: self.settings.insecure, ..accept };
        let http = HttpOptions { access, accept, tls };
        let receiver = PreparedReceiver::open(config.sensor.receiver(host));
        receiver.drop_privileges().context("privileges cannot be given up after the sensor path was set up")?;
        let (listen, web_dir) = (SocketAddr::new(host, port), self.web_dir);
        let settings = Settings { listen, data, folder, config, http, receiver, web_dir };
        Ok(Prepared { settings, notice, traces })
    }
}

/// What whoever started it is told: where it is, where it keeps everything, who may come in, and
/// what to type next.
fn banner(url: &str, data: &str, notice: &str, stream: &str) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "gallop".to_owned());
    format!(
        "gallop listens on {url} (dashboard: {url}/, AWS clients: AWS_ENDPOINT_URL={url})\n\
         data: {data}\n\
         access: {notice}\n\
         next: {program} sim --endpoint {url} --stream {stream} | {program} sql --endpoint {url} | \
         {program} doctor --endpoint {url}\n"
    )
}

/// A stream to try it with, as arguments of the simulator.
fn first_stream(settings: &Settings) -> String {
    let known = settings.config.streams.keys().next();
    known.map_or_else(|| "wildrydes --create-shards 2".to_owned(), ToString::to_string)
}

/// A server that may start.
pub(crate) struct Prepared {
    settings: Settings,
    /// What to tell whoever started it.
    notice: String,
    traces: Option<Traces>,
}

/// Serves until a signal, then drains.
pub(crate) async fn run(Prepared { settings, notice, traces }: Prepared) -> anyhow::Result<()> {
    traces.as_ref().map(Traces::send).transpose()?;
    let token = shutdown::on_signal().context("signals cannot be caught")?;
    let (data, stream) = (settings.data.display().to_string(), first_stream(&settings));
    // Nothing is taken yet: a start may be given up at any point.
    let Some(engine) = token.run_until_cancelled(Box::pin(Engine::start(settings))).await.transpose()? else {
        return Ok(());
    };
    let url = engine.url();
    let said = banner(&url, &data, &notice, &stream);
    // Whoever started it may have stopped listening.
    let _ = std::io::stdout().write_all(said.as_bytes());
    let ended = engine.run_until(token.cancelled_owned()).await;
    if let Some(traces) = traces {
        traces.end().await;
    }
    ended
}
