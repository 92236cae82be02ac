//! `gallop query` and `gallop delivery` where they change something: create, alter, pause, resume, drop.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use hyper::Method;
use serde_json::{Map, Value, json};

use crate::failure::{Failure, Kind};
use crate::output::receipt;
use crate::output::row_printer::Output;
use crate::server::rest_client::{RestClient, segment};

/// Where a flow starts reading when it has no checkpoint.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Start {
    /// The oldest record kept.
    TrimHorizon,
    /// Only records that arrive from now on.
    Latest,
}

impl Start {
    fn as_str(self) -> &'static str {
        match self {
            Start::TrimHorizon => "trim-horizon",
            Start::Latest => "latest",
        }
    }
}

/// Arguments of `gallop query create`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gallop query create distances per-minute.sql --stream SOURCE_SQL_STREAM_001=wildrydes\n  gallop query create recent per-minute.sql --stream SOURCE_SQL_STREAM_001=wildrydes --start latest"
)]
pub(crate) struct CreateQuery {
    /// The name of the query.
    name: String,
    /// File with its SQL.
    file: PathBuf,
    /// The stream behind a name in the SQL, as NAME=STREAM; can be repeated.
    #[arg(long = "stream", value_name = "NAME=STREAM", value_parser = stream)]
    streams: Vec<(String, String)>,
    /// Where to start reading [default: trim-horizon].
    #[arg(long, value_enum)]
    start: Option<Start>,
}

/// Arguments of `gallop query alter`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gallop query alter distances --start latest\n  gallop query alter distances --sql per-minute.sql --restart"
)]
pub(crate) struct AlterQuery {
    /// The query.
    name: String,
    /// File with the new SQL.
    #[arg(long, value_name = "FILE")]
    sql: Option<PathBuf>,
    /// The stream behind a name in the SQL, as NAME=STREAM; replaces all earlier ones.
    #[arg(long = "stream", value_name = "NAME=STREAM", value_parser = stream)]
    streams: Vec<(String, String)>,
    /// Where to start reading when there is no checkpoint.
    #[arg(long, value_enum)]
    start: Option<Start>,
    /// Discard the query's checkpoint and open windows, and start again.
    #[arg(long)]
    restart: bool,
}

/// Arguments of `gallop query drop`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  gallop query drop distances\n  gallop query drop recent --delete-output")]
pub(crate) struct DropQuery {
    /// The query.
    name: String,
    /// Also delete the streams that it wrote.
    #[arg(long)]
    delete_output: bool,
}

/// Where a delivery's records go.
#[derive(Debug, Args)]
pub(crate) struct Destination {
    /// Write records as items of this table.
    #[arg(long, value_name = "NAME", conflicts_with = "archive")]
    table: Option<String>,
    /// Write records as objects of the archive.
    #[arg(long)]
    archive: bool,
    /// Compression of the objects: zstd, gzip or none.
    #[arg(long, value_name = "KIND", requires = "archive")]
    compression: Option<String>,
    /// Close an object at this many bytes before compression.
    #[arg(long, value_name = "N", requires = "archive")]
    bytes_max: Option<u64>,
    /// Close an object this many seconds after its first record.
    #[arg(long, value_name = "N", requires = "archive")]
    interval_seconds: Option<u64>,
}

impl Destination {
    fn body(&self) -> Option<Value> {
        if let Some(table) = &self.table {
            return Some(json!({"table": table}));
        }
        let mut options = Map::new();
        options.extend(self.compression.as_ref().map(|kind| ("compression".to_owned(), json!(kind))));
        options.extend(self.bytes_max.map(|bytes| ("bytes_max".to_owned(), json!(bytes))));
        options.extend(self.interval_seconds.map(|seconds| ("interval_seconds".to_owned(), json!(seconds))));
        self.archive.then(|| json!({"archive": options}))
    }
}

/// Arguments of `gallop delivery create`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gallop delivery create live --source wildrydes-live --table UnicornSensorData\n  gallop delivery create summaries --source wildrydes-summary --archive --start latest"
)]
pub(crate) struct CreateDelivery {
    /// The name of the delivery.
    name: String,
    /// The stream to deliver.
    #[arg(long, value_name = "STREAM")]
    source: String,
    #[command(flatten)]
    destination: Destination,
    /// Where to start reading [default: trim-horizon].
    #[arg(long, value_enum)]
    start: Option<Start>,
}

/// Arguments of `gallop delivery alter`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gallop delivery alter summaries --archive --interval-seconds 300\n  gallop delivery alter live --start latest --restart"
)]
pub(crate) struct AlterDelivery {
    /// The delivery.
    name: String,
    /// The new stream to deliver.
    #[arg(long, value_name = "STREAM")]
    source: Option<String>,
    #[command(flatten)]
    destination: Destination,
    /// Where to start reading when there is no checkpoint.
    #[arg(long, value_enum)]
    start: Option<Start>,
    /// Discard the delivery's checkpoint, and start again.
    #[arg(long)]
    restart: bool,
}

/// A stream as `NAME=STREAM`.
fn stream(text: &str) -> Result<(String, String), String> {
    let (name, stream) = text.split_once('=').ok_or_else(|| format!("`{text}` is not NAME=STREAM, as SOURCE=rides"))?;
    Ok((name.to_owned(), stream.to_owned()))
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).map_err(|error| {
        let what = format!("{} cannot be read", file.display());
        Failure::new(Kind::Usage, what).why(error.to_string()).fix("name a file of SQL").into()
    })
}

fn streams(given: &[(String, String)]) -> Value {
    given.iter().map(|(name, stream)| (name.clone(), Value::from(stream.as_str()))).collect::<Map<_, _>>().into()
}

/// Creates a query.
pub(crate) async fn create_query(client: &RestClient, output: Output, create: CreateQuery) -> anyhow::Result<()> {
    let CreateQuery { name, file, streams: given, start } = create;
    let mut body = json!({"name": name, "sql": read(&file)?, "streams": streams(&given)});
    if let Some(start) = start {
        body["start"] = start.as_str().into();
    }
    let answer = call(client, Method::POST, "/v1/queries", Some(&body), Some(&file)).await?;
    Ok(receipt::tell(output, &format!("query `{name}` is created and running"), &answer)?)
}

/// Changes a query.
pub(crate) async fn alter_query(client: &RestClient, output: Output, alter: AlterQuery) -> anyhow::Result<()> {
    let mut body = json!({"restart": alter.restart});
    if let Some(file) = &alter.sql {
        body["sql"] = read(file)?.into();
    }
    if !alter.streams.is_empty() {
        body["streams"] = streams(&alter.streams);
    }
    if let Some(start) = alter.start {
        body["start"] = start.as_str().into();
    }
    let path = format!("/v1/queries/{}", segment(&alter.name));
    let answer = call(client, Method::PATCH, &path, Some(&body), alter.sql.as_deref()).await?;
    let how = if alter.restart { "starts again" } else { "continues" };
    Ok(receipt::tell(output, &format!("query `{}` is altered and {how}", alter.name), &answer)?)
}

/// Drops a query.
pub(crate) async fn drop_query(client: &RestClient, output: Output, drop: DropQuery) -> anyhow::Result<()> {
    let DropQuery { name, delete_output } = drop;
    let parameters = if delete_output { "?output=delete" } else { "" };
    let path = format!("/v1/queries/{}{parameters}", segment(&name));
    call(client, Method::DELETE, &path, None, None).await?;
    let what = if delete_output { "and the streams that it wrote are deleted" } else { "; its output stays" };
    let line = format!("query `{name}` is dropped {what}").replace(" ;", ";");
    Ok(receipt::tell(output, &line, &json!({"dropped": name, "output_deleted": delete_output}))?)
}

/// Creates a delivery.
pub(crate) async fn create_delivery(client: &RestClient, output: Output, create: CreateDelivery) -> anyhow::Result<()> {
    let CreateDelivery { name, source, destination, start } = create;
    let destination = destination.body().ok_or_else(|| {
        Failure::new(Kind::Usage, "the delivery has no destination").fix("give --table NAME or --archive")
    })?;
    let mut body = json!({"name": name, "source": source, "destination": destination});
    if let Some(start) = start {
        body["start"] = start.as_str().into();
    }
    let answer = call(client, Method::POST, "/v1/deliveries", Some(&body), None).await?;
    Ok(receipt::tell(output, &format!("delivery `{name}` is created and running"), &answer)?)
}

/// Changes a delivery.
pub(crate) async fn alter_delivery(client: &RestClient, output: Output, alter: AlterDelivery) -> anyhow::Result<()> {
    let mut body = json!({"restart": alter.restart});
    if let Some(source) = alter.source {
        body["source"] = source.into();
    }
    if let Some(destination) = alter.destination.body() {
        body["destination"] = destination;
    }
    if let Some(start) = alter.start {
        body["start"] = start.as_str().into();
    }
    let path = format!("/v1/deliveries/{}", segment(&alter.name));
    let answer = call(client, Method::PATCH, &path, Some(&body), None).await?;
    let how = if alter.restart { "starts again" } else { "continues" };
    Ok(receipt::tell(output, &format!("delivery `{}` is altered and {how}", alter.name), &answer)?)
}

/// Drops a delivery.
pub(crate) async fn drop_delivery(client: &RestClient, output: Output, name: &str) -> anyhow::Result<()> {
    call(client, Method::DELETE, &format!("/v1/deliveries/{}", segment(name)), None, None).await?;
    let line = format!("delivery `{name}` is dropped; what it delivered stays");
    Ok(receipt::tell(output, &line, &json!({"dropped": name}))?)
}

/// Pauses a `query` or a `delivery`.
pub(crate) async fn pause(client: &RestClient, output: Output, what: &str, name: &str) -> anyhow::Result<()> {
    let answer = act(client, what, name, "pause").await?;
    Ok(receipt::tell(output, &format!("{what} `{name}` is paused; resume it: gallop {what} resume {name}"), &answer)?)
}

/// Resumes a `query` or a `delivery`.
pub(crate) async fn resume(client: &RestClient, output: Output, what: &str, name: &str) -> anyhow::Result<()> {
    let answer = act(client, what, name, "resume").await?;
    Ok(receipt::tell(output, &format!("{what} `{name}` is running again"), &answer)?)
}

async fn act(client: &RestClient, what: &str, name: &str, verb: &str) -> anyhow::Result<Value> {
    let all = if what == "query" { "queries" } else { "deliveries" };
    call(client, Method::POST, &format!("/v1/{all}/{}/{verb}", segment(name)), None, None).await
}

/// Asks the server. What it says of a file's SQL is shown with the file, and what only a restart allows with the flag.
async fn call(
    client: &RestClient,
    method: Method,
    path: &str,
    body: Option<&Value>,
    file: Option<&Path>,
) -> anyhow::Result<Value> {
    let answered = client.call(method, path, body).await;
    answered.map_err(|error| match error.downcast::<Failure>() {
        Ok(failure) => told(failure, file).into(),
        Err(error) => error,
    })
}

/// A failure of the server in its parts: it says what is wrong, and then, after a semicolon, what to do.
fn told(failure: Failure, file: Option<&Path>) -> Failure {
    match (failure.code(), file) {
        ("differs", _) => {
            let what = failure.what().split("; its checkpoint").next().unwrap_or_default();
            Failure::new(failure.kind(), what)
                .why("its checkpoint belongs to the earlier definition")
                .fix("add --restart to discard the checkpoint and start again")
        }
        ("invalid_query", Some(file)) => failure.or_fix(&format!("correct {}", file.display())),
        ("conflict" | "invalid_parameter", _) => match failure.what().split_once("; ") {
            Some((what, fix)) => Failure::new(failure.kind(), what).fix(fix),
            None => failure,
        },
        _ => failure,
    }
}
