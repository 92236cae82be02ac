//! `gallop sim`: the simulator as a subcommand.

use anyhow::{Context, ensure};
use clap::Args;

use crate::shutdown;
use crate::telemetry::logs;

/// Arguments of `gallop sim`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gallop sim --unicorns 20\n  gallop sim --stream test --create-shards 4 --unicorns 1000 --seconds 60"
)]
pub(crate) struct SimCommand {
    #[command(flatten)]
    sim: producer_sim::sim::SimArgs,
}

/// Sends until a signal, and reports.
pub(crate) async fn run(args: SimCommand) -> anyhow::Result<()> {
    logs::start_quiet()?;
    let stop = shutdown::on_signal().context("signals cannot be caught")?;
    let report = producer_sim::sim::run(args.sim, stop.cancelled_owned()).await?;
    println!("{report}");
    ensure!(report.failed == 0, "{} records were not taken", report.failed);
    Ok(())
}
