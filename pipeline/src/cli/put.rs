//! `gallop put`: lines of JSON as records.

use anyhow::{Context, ensure};
use clap::Args;

use crate::shutdown;
use crate::telemetry::logs;

/// Arguments of `gallop put`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gallop put wildrydes --file lines.json --key-field Name\n  tail -f app.log | gallop put logs --key-field host --create-shards 1"
)]
pub(crate) struct PutCommand {
    #[command(flatten)]
    put: producer_sim::lines::PutArgs,
}

/// Sends every line, and reports.
pub(crate) async fn run(args: PutCommand) -> anyhow::Result<()> {
    logs::start_quiet()?;
    let stop = shutdown::on_signal().context("signals cannot be caught")?;
    let report = producer_sim::lines::run(args.put, stop.cancelled_owned()).await?;
    println!("{report}");
    ensure!(report.failed == 0, "{} records were not taken", report.failed);
    ensure!(report.skipped == 0, "{} lines are no records; the others were sent", report.skipped);
    Ok(())
}
