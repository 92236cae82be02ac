//! `gallop put`: lines of JSON as records.

use anyhow::Context;
use clap::Args;

use crate::output::row_printer::OutputArgs;
use crate::producer::{ending, lines};
use crate::shutdown;

/// Arguments of `gallop put`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gallop put wildrydes --file lines.json --key-field Name\n  gallop put logs --file lines.json --key-field Name --create-shards 1\n  tail -f app.log | gallop put logs --key-field host"
)]
pub struct PutCommand {
    #[command(flatten)]
    put: lines::PutArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Sends every line, and reports.
pub async fn run(args: PutCommand) -> anyhow::Result<()> {
    let stop = shutdown::on_signal().context("signals cannot be caught")?;
    let (stream, target) = (args.put.stream.clone(), args.put.target.clone());
    match lines::run(args.put, stop.cancelled_owned()).await {
        Ok(report) => ending::receipt(args.output.choose(), &stream, &report),
        Err(error) => Err(ending::failure(error, &target).await),
    }
}
