//! `gallop serve`: the server until a signal.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use crate::config::exposure;
use crate::config::file::{Config, FILE_NAME, PORT};
use crate::wiring::{Engine, Settings};
use crate::{shutdown, telemetry};

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
    /// Listen beyond loopback although nobody is asked for a name, or nothing is encrypted.
    #[arg(long)]
    insecure: bool,
}

impl ServeArgs {
    /// Brings flags, variables and file together.
    pub(crate) fn settings(self) -> anyhow::Result<Settings> {
        let beside_data = self.data.as_ref().map_or(PathBuf::from(DATA), PathBuf::clone).join(FILE_NAME);
        let file = self.config.or_else(|| beside_data.exists().then_some(beside_data));
        let config = file.as_deref().map(Config::read).transpose()?.unwrap_or_default();
        let folder = file.as_deref().and_then(std::path::Path::parent).map(PathBuf::from).unwrap_or_default();
        let host = self.host.or(config.host).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        exposure::check(host, !config.credentials.is_empty(), false, self.insecure).map_err(anyhow::Error::msg)?;
        let port = self.port.or(config.port).unwrap_or(PORT);
        let data = self.data.or_else(|| config.data.clone()).unwrap_or_else(|| DATA.into());
        Ok(Settings { listen: SocketAddr::new(host, port), data, folder, config })
    }
}

/// Serves until a signal, then drains.
pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<()> {
    telemetry::start(false)?;
    let settings = args.settings()?;
    let token = shutdown::on_signal().context("signals cannot be caught")?;
    let data = settings.data.display().to_string();
    let engine = Engine::start(settings).await?;
    println!("gallop listens on {} and keeps its data in {data}", engine.url());
    engine.run_until(token.cancelled_owned()).await
}
