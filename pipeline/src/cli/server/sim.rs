//! `gallop sim`: the simulator as a subcommand.

use anyhow::Context;
use clap::Args;

use client::output::row_printer::OutputArgs;
use client::producer::ending;
use client::shutdown;

/// Arguments of `gallop sim`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gallop sim --unicorns 20\n  gallop sim --stream test --create-shards 4 --unicorns 1000 --seconds 2"
)]
pub(crate) struct SimCommand {
    #[command(flatten)]
    sim: producer_sim::sim::SimArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Sends until a signal, and reports.
pub(crate) async fn run(args: SimCommand) -> anyhow::Result<()> {
    let stop = shutdown::on_signal().context("signals cannot be caught")?;
    let (stream, target) = (args.sim.stream.clone(), args.sim.target.clone());
    match producer_sim::sim::run(args.sim, stop.cancelled_owned()).await {
        Ok(report) => ending::receipt(args.output.choose(), &stream, &report),
        Err(error) => Err(ending::failure(error, &target).await),
    }
}
