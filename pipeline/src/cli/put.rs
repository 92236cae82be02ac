//! `gallop put`: lines of JSON as records.

use anyhow::Context;
use clap::Args;

use crate::cli::produce;
use crate::cli::row_printer::OutputArgs;
use crate::shutdown;
use crate::telemetry::logs;

/// Arguments of `gallop put`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gallop put wildrydes --file lines.json --key-field Name\n  gallop put logs --file lines.json --key-field Name --create-shards 1\n  tail -f app.log | gallop put logs --key-field host"
)]
pub(crate) struct PutCommand {
    #[command(flatten)]
    put: producer_sim::lines::PutArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Sends every line, and reports.
pub(crate) async fn run(args: PutCommand) -> anyhow::Result<()> {
    logs::start_quiet()?;
    let stop = shutdown::on_signal().context("signals cannot be caught")?;
    let (stream, target) = (args.put.stream.clone(), args.put.target.clone());
    match producer_sim::lines::run(args.put, stop.cancelled_owned()).await {
        Ok(report) => produce::receipt(args.output.choose(), &stream, &report),
        Err(error) => Err(produce::failure(error, &target).await),
    }
}
