//! `gallop query` and `gallop delivery` where they change something: create, alter, pause, resume, drop.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use hyper::Method;
use serde_json::{Map, Value, json};

use crate::cli::failure::{Failure, Kind};
use crate::cli::receipt;
use crate::cli::rest_client::{RestClient, segment};
use crate::cli::row_printer::Output;

/// Where a flow begins when it has no progress.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Start {
    /// At the oldest record that is kept.
    TrimHorizon,
    /// After what is there.
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
    /// The file of its SQL.
    file: PathBuf,
    /// Which stream a name in the SQL stands for, as NAME=STREAM; may be given more than once.
    #[arg(long = "stream", value_name = "NAME=STREAM", value_parser = stream)]
    streams: Vec<(String, String)>,
    /// Where it begins [default: trim-horizon].
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
    /// A file of other SQL.
    #[arg(long, value_name = "FILE")]
    sql: Option<PathBuf>,
    /// Which stream a name in the SQL stands for, as NAME=STREAM, instead of all that were given before.
    #[arg(long = "stream", value_name = "NAME=STREAM", value_parser = stream)]
    streams: Vec<(String, String)>,
    /// Where it begins when it has no progress.
    #[arg(long, value_enum)]
    start: Option<Start>,
    /// Drops the query's progress and its open windows, and begins anew.
    #[arg(long)]
    restart: bool,
}

/// Arguments of `gallop query drop`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  gallop query drop distances\n  gallop query drop recent --delete-output")]
pub(crate) struct DropQuery {
    /// The query.
    name: String,
    /// Deletes the streams that it wrote, too.
    #[arg(long)]
    delete_output: bool,
}

/// Where a delivery's records go.
#[derive(Debug, Args)]
pub(crate) struct Destination {
    /// Writes records as items of this table.
    #[arg(long, value_name = "NAME", conflicts_with = "archive")]
    table: Option<String>,
    /// Writes records as objects of the archive.
    #[arg(long)]
    archive: bool,
    /// How the objects are compressed: zstd, gzip or none.
    #[arg(long, value_name = "KIND", requires = "archive")]
    compression: Option<String>,
    /// An object is cut when it has this many bytes before compression.
    #[arg(long, value_name = "N", requires = "archive")]
    bytes_max: Option<u64>,
    /// An object is cut this long after its first record, in seconds.
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
    after_help = "Examples:\n  gallop delivery create live --source wildrydes-live --table UnicornSensorData\n  gallop delivery create summaries --source wildrydes-summary --archive --compression gzip --start latest"
)]
pub(crate) struct CreateDelivery {
    /// The name of the delivery.
    name: String,
    /// The stream to deliver.
    #[arg(long, value_name = "STREAM")]
    source: String,
    #[command(flatten)]
    destination: Destination,
    /// Where it begins [default: trim-horizon].
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
    /// Another stream to deliver.
    #[arg(long, value_name = "STREAM")]
    source: Option<String>,
    #[command(flatten)]
    destination: Destination,
    /// Where it begins when it has no progress.
    #[arg(long, value_enum)]
    start: Option<Start>,
    /// Drops the delivery's progress, and begins anew.
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
    Ok(receipt::tell(output, &format!("query `{name}` is created and runs"), &answer)?)
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
    let how = if alter.restart { "began anew" } else { "goes on" };
    Ok(receipt::tell(output, &format!("query `{}` is altered and {how}", alter.name), &answer)?)
}

/// Drops a query.
pub(crate) async fn drop_query(client: &RestClient, output: Output, drop: DropQuery) -> anyhow::Result<()> {
    let DropQuery { name, delete_output } = drop;
    let parameters = if delete_output { "?output=delete" } else { "" };
    let path = format!("/v1/queries/{}{parameters}", segment(&name));
    call(client, Method::DELETE, &path, None, None).await?;
    let what = if delete_output { "and the streams that it wrote are deleted" } else { "; what it wrote stays" };
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
    Ok(receipt::tell(output, &format!("delivery `{name}` is created and runs"), &answer)?)
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
    let how = if alter.restart { "began anew" } else { "goes on" };
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
    Ok(receipt::tell(output, &format!("{what} `{name}` works again"), &answer)?)
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
            let what = failure.what().split("; its progress").next().unwrap_or_default();
            Failure::new(failure.kind(), what)
                .why("its progress belongs to what it did so far")
                .fix("give --restart to drop that progress and begin anew, or leave it as it is")
        }
        ("invalid_query", Some(file)) => failure.or_fix(&format!("correct {}", file.display())),
        ("conflict" | "invalid_parameter", _) => match failure.what().split_once("; ") {
            Some((what, fix)) => Failure::new(failure.kind(), what).fix(fix),
            None => failure,
        },
        _ => failure,
    }
}
