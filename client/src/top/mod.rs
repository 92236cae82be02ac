//! `gallop top`: what a server does, second by second, on a terminal; elsewhere one snapshot as JSON.

mod exposition;
mod snapshot;
mod picture;
mod screen;

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use crate::output::row_printer::{Output, OutputArgs};
use crate::server::connection::Connection;
use crate::shutdown;

use screen::Screen;
use snapshot::{Sample, Snapshot};

/// Arguments of `gallop top`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gallop top\n  gallop top --once\n  gallop top --every 5 --endpoint http://127.0.0.1:4567"
)]
pub struct TopArgs {
    /// Seconds between updates; rates are averages over this time.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=60))]
    every: u64,
    /// Print one JSON object and stop; this is the default if standard output is not a terminal.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: OutputArgs,
}

/// Looks until `q` or a signal.
pub async fn run(args: TopArgs) -> anyhow::Result<()> {
    let client = args.connection.rest().await?;
    let every = Duration::from_secs(args.every);
    let mut before = Sample::take(&client).await?;
    if args.once || args.output.asked() == Some(Output::Json) || !std::io::stdout().is_terminal() {
        tokio::time::sleep(every).await;
        let snapshot = Snapshot::between(&before, &Sample::take(&client).await?);
        println!("{}", serde_json::to_string(&snapshot)?);
        return Ok(());
    }
    let stop = shutdown::on_signal().context("signals cannot be caught")?;
    let mut screen = Screen::open()?;
    let mut pause = tokio::time::interval(every);
    let mut failure = None;
    let mut snapshot = Snapshot::between(&before, &before);
    loop {
        screen.show(|width, height| picture::lines(&snapshot, client.endpoint(), failure.as_deref(), width, height))?;
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = screen.quit() => return Ok(()),
            _ = pause.tick() => {}
        }
        // A server that stops is waited for: it may come again.
        match Sample::take(&client).await {
            Ok(now) => {
                snapshot = Snapshot::between(&before, &now);
                (before, failure) = (now, None);
            }
            Err(error) => failure = Some(error.to_string().lines().next().unwrap_or_default().to_owned()),
        }
    }
}
