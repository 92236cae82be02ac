//! `gallop query` and `gallop delivery`: what runs in a server, how far it is, and why a query
//! writes nothing. What changes them is in `flow_changes`.

use std::io::Write;

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::failure::{Failure, Kind};
use crate::flow_changes::{
    AlterDelivery, AlterQuery, CreateDelivery, CreateQuery, DropQuery, alter_delivery, alter_query, create_delivery,
    create_query, drop_delivery, drop_query, pause, resume,
};
use crate::output::row_printer::{Output, OutputArgs, print_rows, printable};
use crate::server::connection::Connection;
use crate::server::kinesis_client::no_such;
use crate::server::rest_client::{RestClient, segment};

/// Arguments of `gallop query`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gallop query list\n  gallop query explain per-minute\n  gallop query create distances per-minute.sql --stream SOURCE_SQL_STREAM_001=wildrydes\n  gallop query pause distances"
)]
pub struct QueryArgs {
    #[command(subcommand)]
    what: QueryWhat,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Subcommand)]
enum QueryWhat {
    /// All continuous queries: rate, watermark, open windows, what was left out.
    #[command(after_help = "Examples:\n  gallop query list\n  gallop query list --output json")]
    List,
    /// All that is known of a query.
    #[command(after_help = "Examples:\n  gallop query show per-minute\n  gallop query show per-minute --output json")]
    Show {
        /// The query.
        name: String,
    },
    /// Why a query has written no row yet, or writes none now.
    #[command(
        after_help = "Examples:\n  gallop query explain per-minute\n  gallop query explain ten-seconds --output json"
    )]
    Explain {
        /// The query.
        name: String,
    },
    /// Create a query from a file of SQL and start it.
    Create(CreateQuery),
    /// Change a query that was created at run time.
    Alter(AlterQuery),
    /// Stop a query until it is resumed; it keeps its checkpoint.
    #[command(after_help = "Examples:\n  gallop query pause distances\n  gallop query pause distances --output json")]
    Pause {
        /// The query.
        name: String,
    },
    /// Start a paused query again, or one that has failed.
    #[command(after_help = "Examples:\n  gallop query resume distances\n  gallop query resume distances --output json")]
    Resume {
        /// The query.
        name: String,
    },
    /// Stop a query that was created at run time, and delete its checkpoint.
    Drop(DropQuery),
}

/// Arguments of `gallop delivery`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gallop delivery list\n  gallop delivery show summary-to-table\n  gallop delivery create live --source wildrydes-live --table UnicornSensorData\n  gallop delivery pause live"
)]
pub struct DeliveryArgs {
    #[command(subcommand)]
    what: DeliveryWhat,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Subcommand)]
enum DeliveryWhat {
    /// List all deliveries with lag, rate, last delivery and last failure.
    #[command(after_help = "Examples:\n  gallop delivery list\n  gallop delivery list --output csv")]
    List,
    /// Show everything about a delivery.
    #[command(
        after_help = "Examples:\n  gallop delivery show raw-to-archive\n  gallop delivery show raw-to-archive --output json"
    )]
    Show {
        /// The delivery.
        name: String,
    },
    /// Create a delivery of a stream to a table or the archive, and start it.
    Create(CreateDelivery),
    /// Change a delivery that was created at run time.
    Alter(AlterDelivery),
    /// Stop a delivery until it is resumed; it keeps its checkpoint.
    #[command(after_help = "Examples:\n  gallop delivery pause live\n  gallop delivery pause live --output json")]
    Pause {
        /// The delivery.
        name: String,
    },
    /// Start a paused delivery again, or one that has failed.
    #[command(after_help = "Examples:\n  gallop delivery resume live\n  gallop delivery resume live --output json")]
    Resume {
        /// The delivery.
        name: String,
    },
    /// Stop a delivery that was created at run time, and delete its checkpoint. What it delivered
    /// stays.
    #[command(after_help = "Examples:\n  gallop delivery drop live\n  gallop delivery drop summaries --output json")]
    Drop {
        /// The delivery.
        name: String,
    },
}

/// Columns of the list of queries.
const QUERY_COLUMNS: &[&str] = &[
    "name",
    "source",
    "output",
    "state",
    "records",
    "rows",
    "records_per_second",
    "behind",
    "watermark",
    "open_windows",
    "expired",
    "left_out",
];
/// Columns of the list of deliveries.
const DELIVERY_COLUMNS: &[&str] = &[
    "name",
    "source",
    "target",
    "state",
    "records",
    "records_per_second",
    "behind",
    "lag_millis",
    "dead_letters",
    "last_delivered",
];

/// Asks the server about queries.
pub async fn queries(args: QueryArgs) -> anyhow::Result<()> {
    let (client, output) = (args.connection.rest().await?, args.output.choose());
    match args.what {
        QueryWhat::List => list(&client, "queries", QUERY_COLUMNS, output).await,
        QueryWhat::Show { name } => {
            let mut query = find(&client, "query", "queries", &name).await?;
            if output != Output::Json
                && let Some(query) = query.as_object_mut()
            {
                query.remove("reasons");
                // The text of the query comes last, as it was written.
                let sql = query.remove("spec").and_then(|spec| spec["sql"].as_str().map(str::to_owned));
                query.extend(sql.map(|sql| ("sql".to_owned(), Value::from(sql.trim()))));
            }
            show(output, &query)
        }
        QueryWhat::Explain { name } => {
            let query = find(&client, "query", "queries", &name).await?;
            let reasons = query["reasons"].as_array().map(Vec::as_slice).unwrap_or_default();
            if output != Output::Table {
                return print_rows(output, &["code", "what", "fix"], reasons);
            }
            let mut to = std::io::stdout().lock();
            let (rows, records) = (&query["rows"], &query["records"]);
            writeln!(to, "query `{name}`: {rows} rows of {records} records")?;
            for (number, reason) in reasons.iter().enumerate() {
                let text = |part: &str| printable(reason[part].as_str().unwrap_or_default());
                writeln!(to, "{}. {}\n   fix: {}", number + 1, text("what"), text("fix"))?;
            }
            Ok(())
        }
        QueryWhat::Create(create) => create_query(&client, output, create).await,
        QueryWhat::Alter(alter) => alter_query(&client, output, alter).await,
        QueryWhat::Pause { name } => pause(&client, output, "query", &name).await,
        QueryWhat::Resume { name } => resume(&client, output, "query", &name).await,
        QueryWhat::Drop(drop) => drop_query(&client, output, drop).await,
    }
}

/// Asks the server about deliveries.
pub async fn deliveries(args: DeliveryArgs) -> anyhow::Result<()> {
    let (client, output) = (args.connection.rest().await?, args.output.choose());
    match args.what {
        DeliveryWhat::List => list(&client, "deliveries", DELIVERY_COLUMNS, output).await,
        DeliveryWhat::Show { name } => show(output, &find(&client, "delivery", "deliveries", &name).await?),
        DeliveryWhat::Create(create) => create_delivery(&client, output, create).await,
        DeliveryWhat::Alter(alter) => alter_delivery(&client, output, alter).await,
        DeliveryWhat::Pause { name } => pause(&client, output, "delivery", &name).await,
        DeliveryWhat::Resume { name } => resume(&client, output, "delivery", &name).await,
        DeliveryWhat::Drop { name } => drop_delivery(&client, output, &name).await,
    }
}

async fn list(client: &RestClient, what: &str, columns: &[&str], output: Output) -> anyhow::Result<()> {
    let answer = client.get(&format!("/v1/{what}")).await?;
    let rows = answer[what].as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() && output == Output::Table {
        eprintln!(
            "this server runs no {what}; name them in its settings, or create one: see `gallop {} create --help`",
            one(what)
        );
    }
    print_rows(output, columns, rows)
}

/// The word for one of `queries` or `deliveries`.
fn one(what: &str) -> &'static str {
    if what == "queries" { "query" } else { "delivery" }
}

/// One of them. One that is not there is told with the name that was meant.
async fn find(client: &RestClient, what: &str, all: &str, name: &str) -> anyhow::Result<Value> {
    match client.get(&format!("/v1/{all}/{}", segment(name))).await {
        Err(error) if error.downcast_ref::<Failure>().is_some_and(|failure| failure.kind() == Kind::NotFound) => {
            let answer = client.get(&format!("/v1/{all}")).await?;
            let names = answer[all].as_array().into_iter().flatten();
            let names: Vec<String> = names.filter_map(|row| row["name"].as_str().map(str::to_owned)).collect();
            let (list, make) = (format!("gallop {what} list"), format!("name one in the settings: [{all}.NAME]"));
            Err(no_such(what, name, &names, &list, &make).into())
        }
        answered => answered,
    }
}

/// Prints one thing: for people a line for each of its properties.
fn show(output: Output, what: &Value) -> anyhow::Result<()> {
    if output != Output::Table {
        return print_rows(output, &[], std::slice::from_ref(what));
    }
    let mut to = std::io::stdout().lock();
    for (name, value) in what.as_object().into_iter().flatten() {
        let text = match value {
            Value::Null => "-".to_owned(),
            Value::String(text) => printable(text),
            Value::Object(incident) => {
                let part = |name: &str| incident.get(name).and_then(Value::as_str).unwrap_or_default();
                printable(&format!("{}  {}", part("at"), part("message")))
            }
            other => other.to_string(),
        };
        writeln!(to, "{:<22}{text}", name.replace('_', " "))?;
    }
    Ok(())
}
