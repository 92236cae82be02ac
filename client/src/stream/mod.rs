//! `gallop stream`: streams and their shards, looked at and changed through the Kinesis API.

mod show;
mod change;
mod reshape;

use clap::{Args, Subcommand};

use crate::output::row_printer::OutputArgs;
use crate::server::connection::Connection;

/// Arguments of `gallop stream`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  gallop stream list\n  gallop stream split wildrydes --dry-run")]
pub struct StreamArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List all streams.
    #[command(after_help = "Examples:\n  gallop stream list\n  gallop stream list --output csv")]
    List,
    /// Show a stream's settings and its shards with their hash ranges.
    #[command(
        after_help = "Examples:\n  gallop stream describe wildrydes\n  gallop stream describe wildrydes --closed --output json"
    )]
    Describe(show::DescribeArgs),
    /// Create a stream.
    #[command(
        after_help = "Examples:\n  gallop stream create rides --shards 4 --retention 48\n  gallop stream create clicks --on-demand"
    )]
    Create(change::CreateArgs),
    /// Split one shard into two.
    #[command(
        after_help = "Examples:\n  gallop stream split wildrydes --dry-run\n  gallop stream split wildrydes 0 --at 42535295865117307932921825928971026432"
    )]
    Split(reshape::SplitArgs),
    /// Merge two neighbouring shards into one.
    #[command(
        after_help = "Examples:\n  gallop stream merge wildrydes 0 --dry-run\n  gallop stream merge wildrydes shardId-000000000000 shardId-000000000001"
    )]
    Merge(reshape::MergeArgs),
    /// Split and merge until the stream has this many shards of equal width.
    #[command(after_help = "Examples:\n  gallop stream scale wildrydes 4 --dry-run\n  gallop stream scale wildrydes 3")]
    Scale(reshape::ScaleArgs),
    /// Delete a stream with all its records.
    #[command(
        after_help = "Examples:\n  gallop stream delete old-rides --yes\n  gallop stream delete old-rides --yes --with-consumers"
    )]
    Delete(change::DeleteArgs),
    /// Set how long a stream keeps records.
    #[command(
        after_help = "Examples:\n  gallop stream retention wildrydes 168\n  gallop stream retention wildrydes 24 --output json"
    )]
    Retention(change::RetentionArgs),
}

/// Asks the server, and prints what it says.
pub async fn run(args: StreamArgs) -> anyhow::Result<()> {
    let output = args.output.choose();
    if matches!(args.what, What::List) {
        return show::list(&args.connection.rest().await?, output).await;
    }
    let client = args.connection.kinesis().await?;
    match args.what {
        What::List => Ok(()),
        What::Describe(describe) => show::describe(&client, describe, output).await,
        What::Create(create) => change::create(&client, create, output).await,
        What::Split(split) => reshape::split(&client, split, output).await,
        What::Merge(merge) => reshape::merge(&client, merge, output).await,
        What::Scale(scale) => reshape::scale(&client, scale, output).await,
        What::Delete(delete) => change::delete(&client, delete, output).await,
        What::Retention(retention) => change::retention(&client, retention, output).await,
    }
}
