//! `gallop tap`: follows streams, decoded and filtered, until told to stop.
//!
//! ```text
//! GET /v1/streams/A/tail ──▶ lines ──┐
//! GET /v1/streams/B/tail ──▶ lines ──┴──▶ printer ──▶ standard output      notices ──▶ standard error
//! ```

mod from;
mod printer;

use std::io::IsTerminal;

use anyhow::Context;
use bytes::Bytes;
use clap::Args;
use model::text::record_filter::Condition;
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::JoinSet;

use crate::failure::{Failure, Kind};
use crate::output::line_reader::LineReader;
use crate::output::row_printer::OutputArgs;
use crate::server::connection::Connection;
use crate::server::kinesis_client::no_such;
use crate::server::rest_client::{RestClient, segment, with_query};
use crate::shutdown;

use from::From;
use printer::Printer;

/// Streams that are followed at once, at most.
const STREAMS_MAX: usize = 16;
/// Pieces of answers that wait to be printed.
const WAITING_MAX: usize = 16;

/// Arguments of `gallop tap`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gallop tap wildrydes --limit 5 --from oldest\n  gallop tap wildrydes --filter 'HealthPoints>50' --fields Name,HealthPoints --from 10m --limit 1\n  gallop tap wildrydes-summary wildrydes-live --from oldest --limit 2 --keys --output json"
)]
pub struct TapArgs {
    /// The streams to follow.
    #[arg(required = true, value_name = "STREAM", num_args = 1..=STREAMS_MAX)]
    streams: Vec<String>,
    /// Where to start: latest, oldest, a time (2026-01-31T12:00:00Z, or 10m for ten minutes ago), a sequence number, or
    /// after:NUMBER.
    #[arg(long, value_name = "PLACE", default_value = "latest")]
    from: From,
    /// Only records that match, such as Name=Rocinante; = != < <= > >= and ~ for contains. Repeat it to require several.
    #[arg(long, value_name = "CONDITION")]
    filter: Vec<Condition>,
    /// Only these fields, in this order.
    #[arg(long, value_name = "NAME,..", value_delimiter = ',')]
    fields: Vec<String>,
    /// Stop after this many records.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Also show each record's partition key, shard, sequence number and arrival time.
    #[arg(long)]
    keys: bool,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: OutputArgs,
}

/// Follows until a signal, or until the limit.
pub async fn run(args: TapArgs) -> anyhow::Result<()> {
    let stop = shutdown::on_signal().context("signals cannot be caught")?;
    let client = std::sync::Arc::new(args.connection.rest().await?);
    let (sender, mut chunks) = channel(WAITING_MAX);
    let mut followers = JoinSet::new();
    for stream in &args.streams {
        let answer = open(&client, stream, &args).await?;
        followers.spawn(follow(LineReader::new(answer.into_body()), stream.clone(), sender.clone()));
    }
    drop(sender);
    if std::io::stderr().is_terminal() {
        eprintln!("following {}; Ctrl-C ends", args.streams.join(", "));
    }
    let several = args.streams.len() > 1;
    let mut printer = Printer::new(args.output.choose(), args.fields, args.keys, several, args.limit);
    while !printer.is_done() {
        let chunk = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            chunk = chunks.recv() => chunk,
        };
        let Some((stream, lines)) = chunk else { break };
        printer.lines(&stream, &lines)?;
    }
    let (printed, whole) = (printer.printed(), printer.is_done() || stop.is_cancelled());
    printer.finish()?;
    if std::io::stderr().is_terminal() || stop.is_cancelled() {
        eprintln!("{printed} {}", if printed == 1 { "record" } else { "records" });
    }
    if whole {
        return Ok(());
    }
    while let Some(ended) = followers.join_next().await {
        ended.context("a reader panicked")??;
    }
    Err(Failure::new(Kind::Unreachable, format!("{} is followed no more", args.streams.join(", ")))
        .why(format!("the server at {} stops", client.endpoint()))
        .fix("start it again; nothing that it acknowledged is lost")
        .into())
}

async fn open(
    client: &RestClient,
    stream: &str,
    args: &TapArgs,
) -> anyhow::Result<hyper::Response<hyper::body::Incoming>> {
    let limit = args.limit.map(|limit| limit.to_string());
    let (position, value) = args.from.parameters();
    let filters: Vec<String> = args.filter.iter().map(ToString::to_string).collect();
    let mut parameters = vec![("position", Some(position)), ("value", value.as_deref()), ("limit", limit.as_deref())];
    parameters.extend(filters.iter().map(|filter| ("filter", Some(filter.as_str()))));
    match client.follow(&with_query(&format!("/v1/streams/{}/tail", segment(stream)), &parameters)).await {
        Err(error) if error.downcast_ref::<Failure>().is_some_and(|failure| failure.code() == "stream_not_found") => {
            let streams = client.get("/v1/streams").await.unwrap_or_default();
            let names = streams["streams"].as_array().into_iter().flatten();
            let names: Vec<String> = names.filter_map(|row| row["name"].as_str().map(str::to_owned)).collect();
            Err(no_such("stream", stream, &names, "gallop stream list", "gallop stream create NAME").into())
        }
        opened => opened,
    }
}

/// Hands lines on until the answer ends or nobody wants them any more.
async fn follow(mut lines: LineReader, stream: String, to: Sender<(String, Bytes)>) -> Result<(), Failure> {
    while let Some(chunk) = lines.next().await? {
        if to.send((stream.clone(), chunk)).await.is_err() {
            break;
        }
    }
    Ok(())
}
