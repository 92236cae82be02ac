//! Streams created and deleted, and how long they keep records.

use std::io::{BufRead, IsTerminal, Write};

use clap::Args;
use serde_json::json;

use super::show;
use crate::failure::{Failure, Kind};
use crate::output::receipt;
use crate::output::row_printer::Output;
use crate::server::kinesis_client::KinesisClient;

/// Hours that a stream keeps records when nothing else is said.
const RETENTION_HOURS: u64 = 24;

/// Arguments of `gallop stream create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Its name.
    name: String,
    /// Number of shards [default: 1].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000), conflicts_with = "on_demand")]
    shards: Option<u32>,
    /// Let the server choose the number of shards.
    #[arg(long)]
    on_demand: bool,
    /// Hours to keep records.
    #[arg(long, value_name = "HOURS", default_value_t = RETENTION_HOURS, value_parser = clap::value_parser!(u64).range(24..=8760))]
    retention: u64,
}

/// Arguments of `gallop stream delete`.
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// The stream.
    name: String,
    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,
    /// Delete it even if consumers are registered.
    #[arg(long)]
    with_consumers: bool,
}

/// Arguments of `gallop stream retention`.
#[derive(Debug, Args)]
pub(crate) struct RetentionArgs {
    /// The stream.
    name: String,
    /// Hours to keep records from now on.
    #[arg(value_parser = clap::value_parser!(u64).range(24..=8760))]
    hours: u64,
}

/// Creates a stream.
pub(crate) async fn create(client: &KinesisClient, args: CreateArgs, output: Output) -> anyhow::Result<()> {
    let name = &args.name;
    let input = match args.on_demand {
        true => json!({"StreamModeDetails": {"StreamMode": "ON_DEMAND"}}),
        false => json!({"ShardCount": args.shards.unwrap_or(1)}),
    };
    client.on(name, "CreateStream", input).await?;
    if args.retention > RETENTION_HOURS {
        let longer = json!({"RetentionPeriodHours": args.retention});
        client.on(name, "IncreaseStreamRetentionPeriod", longer).await?;
    }
    let shards = show::shards(client, name).await?.open_count();
    let said = format!("stream `{name}`  {}  keeps records for {} h", counted(shards, "shard"), args.retention);
    Ok(receipt::tell(
        output,
        &said,
        &json!({"stream": name, "created": true, "open_shards": shards, "retention_hours": args.retention}),
    )?)
}

/// Deletes a stream, once somebody has said that it is meant.
pub(crate) async fn delete(client: &KinesisClient, args: DeleteArgs, output: Output) -> anyhow::Result<()> {
    let name = &args.name;
    let shards = show::shards(client, name).await?.open_count();
    if !args.yes {
        let target = format!("stream `{name}` with {} at {}", counted(shards, "shard"), client.endpoint());
        confirm(&target)?;
    }
    client.on(name, "DeleteStream", json!({"EnforceConsumerDeletion": args.with_consumers})).await?;
    Ok(receipt::tell(output, &format!("stream `{name}` is deleted"), &json!({"stream": name, "deleted": true}))?)
}

/// Asks whoever is at the terminal.
fn confirm(target: &str) -> anyhow::Result<()> {
    let unsure = |why: &str| {
        Failure::new(Kind::Usage, format!("{target} is not deleted"))
            .why(why)
            .fix("deleted records cannot be recovered; to delete anyway, add --yes")
    };
    if !std::io::stdin().is_terminal() {
        return Err(unsure("Gallop cannot ask for confirmation: standard input is not a terminal").into());
    }
    eprint!("delete {target}, with all its records? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(unsure("the answer was not yes").into()) }
}

/// Changes how long a stream keeps records.
pub(crate) async fn retention(client: &KinesisClient, args: RetentionArgs, output: Output) -> anyhow::Result<()> {
    let (name, hours) = (&args.name, args.hours);
    let summary = client.on(name, "DescribeStreamSummary", json!({})).await?;
    let before = summary.pointer("/StreamDescriptionSummary/RetentionPeriodHours").and_then(|hours| hours.as_u64());
    let before = before.unwrap_or(RETENTION_HOURS);
    let input = json!({"RetentionPeriodHours": hours});
    if hours > before {
        client.on(name, "IncreaseStreamRetentionPeriod", input).await?;
    } else if hours < before {
        client.on(name, "DecreaseStreamRetentionPeriod", input).await?;
    }
    let said = format!("stream `{name}` keeps records for {hours} h; it was {before} h");
    let object = json!({"stream": name, "retention_hours": hours, "retention_hours_before": before});
    Ok(receipt::tell(output, &said, &object)?)
}

/// `1 shard`, `2 shards`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
