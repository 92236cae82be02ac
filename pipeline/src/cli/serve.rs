//! `gallop serve`: the server until a signal.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use gateway::accept::options::AcceptOptions;
use ingest::receiver::PreparedReceiver;

use crate::config::account;
use crate::config::admission::{Admission, Known, Signatures};
use crate::config::exposure;
use crate::config::file::{Config, FILE_NAME, PORT};
use crate::telemetry::logs::{self, LogFormat};
use crate::telemetry::traces::Traces;
use crate::wiring::{Engine, Entrance, Settings};
use crate::{open_files, shutdown};

/// Folder that is used when none is named.
const DATA: &str = "gallop-data";

/// Arguments of `gallop serve`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  gallop serve\n  gallop serve --data /var/lib/gallop --port 4567")]
pub(crate) struct ServeArgs {
    /// Settings file; without it, `gallop.toml` in the data folder if it is there.
    #[arg(long, env = "GALLOP_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder for everything that is kept [default: gallop-data].
    #[arg(long, env = "GALLOP_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1].
    #[arg(long, env = "GALLOP_HOST", value_name = "ADDRESS")]
    host: Option<IpAddr>,
    /// Port to listen on; 0 takes a free one [default: 4567].
    #[arg(long, env = "GALLOP_PORT", value_name = "N")]
    port: Option<u16>,
    /// Whether signatures are verified [default: if there are credentials].
    #[arg(long, env = "GALLOP_SIGNATURES", value_enum)]
    signatures: Option<Signatures>,
    /// Region in ARNs and signatures [default: us-east-1].
    #[arg(long, env = "GALLOP_REGION", value_name = "NAME", value_parser = account::region)]
    region: Option<String>,
    /// Account in ARNs, twelve digits [default: 000000000000].
    #[arg(long, env = "GALLOP_ACCOUNT_ID", value_name = "DIGITS", value_parser = account::account_id)]
    account_id: Option<String>,
    /// How log lines look.
    #[arg(long, env = "GALLOP_LOG_FORMAT", value_enum, default_value_t = LogFormat::Auto)]
    log_format: LogFormat,
    /// Listen beyond loopback although nobody is asked for a name, or nothing is encrypted.
    #[arg(long)]
    insecure: bool,
    /// Reads the dashboard's page from this folder at every request, for work on it: `dashboard/web` of a clone.
    #[arg(long, value_name = "DIR", hide = true)]
    web_dir: Option<PathBuf>,
}

impl ServeArgs {
    /// Brings flags, variables and file together, and does everything that comes before the process has other threads:
    /// what takes privileges, and giving them up.
    pub(crate) fn prepare(self) -> anyhow::Result<Prepared> {
        let beside_data = self.data.as_ref().map_or(PathBuf::from(DATA), PathBuf::clone).join(FILE_NAME);
        let file = self.config.or_else(|| beside_data.exists().then_some(beside_data));
        let mut config = file.as_deref().map(Config::read).transpose()?.unwrap_or_default();
        let variable = |name: &str| std::env::var(name).ok();
        let traces = config.telemetry.traces(variable).map_err(anyhow::Error::msg)?.map(Traces::new);
        logs::start_server(self.log_format, traces.as_ref())?;
        let folder = file.as_deref().and_then(std::path::Path::parent).map(PathBuf::from).unwrap_or_default();
        let host = self.host.or(config.host).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let port = self.port.or(config.port).unwrap_or(PORT);
        let data = self.data.or_else(|| config.data.clone()).unwrap_or_else(|| DATA.into());
        config.region = self.region.or(config.region);
        config.account_id = self.account_id.or(config.account_id);

        #[cfg(feature = "kafka")]
        {
            let variable = |name: &str| std::env::var(name).ok();
            config.kafka = config.kafka.map(|kafka| kafka.with_credentials(variable)).transpose()?;
        }
        let tls = config.tls.as_ref().map(|tls| tls.open(&folder)).transpose()?;
        let known = Known::collect(&config, &folder, &data)?;
        let signatures = self.signatures.or(config.signatures).unwrap_or(known.usual());
        exposure::check(host, signatures == Signatures::Verify, tls.is_some(), self.insecure)
            .map_err(anyhow::Error::msg)?;
        let Admission { access, notice } = known.admit(signatures, &data)?;
        let accept = config.connections.options(open_files::raise());
        let accept = AcceptOptions { plain_from_anywhere: self.insecure, ..accept };
        let entrance = Entrance { access, accept, tls };
        let receiver = PreparedReceiver::open(config.sensor.receiver(host));
        receiver.drop_privileges().context("privileges cannot be given up after the sensor path was set up")?;
        let (listen, web_dir) = (SocketAddr::new(host, port), self.web_dir);
        let settings = Settings { listen, data, folder, config, entrance, receiver, web_dir };
        Ok(Prepared { settings, notice, traces })
    }
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
    let data = settings.data.display().to_string();
    // Nothing is taken yet: a start may be given up at any point.
    let Some(engine) = token.run_until_cancelled(Box::pin(Engine::start(settings))).await.transpose()? else {
        return Ok(());
    };
    let url = engine.url();
    let said = format!("gallop listens on {url} and keeps its data in {data}\n{notice}\ndashboard: {url}/\n");
    // Whoever started it may have stopped listening.
    let _ = std::io::stdout().write_all(said.as_bytes());
    let ended = engine.run_until(token.cancelled_owned()).await;
    if let Some(traces) = traces {
        traces.end().await;
    }
    ended
}
