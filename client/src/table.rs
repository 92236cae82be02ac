//! `gallop table`: tables and their items, read over the REST API.

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::Value;

use crate::failure::{Failure, Kind};
use crate::output::row_printer::{Output, OutputArgs, RowPrinter, print_rows};
use crate::server::connection::Connection;
use crate::server::kinesis_client::no_such;
use crate::server::rest_client::{RestClient, segment, with_query};

/// The most items that one request asks for.
const PAGE_ITEMS_MAX: u64 = 1000;
/// Items that are printed when no limit is named.
const ITEMS_DEFAULT: u64 = 100;

/// Arguments of `gallop table`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gallop table list\n  gallop table query UnicornSensorData Shadowfax --newest --limit 3"
)]
pub struct TableArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List all tables with their keys.
    #[command(after_help = "Examples:\n  gallop table list\n  gallop table list --output json")]
    List,
    /// Show a table's keys.
    #[command(
        after_help = "Examples:\n  gallop table describe UnicornSensorData\n  gallop table describe UnicornSensorData --output json"
    )]
    Describe {
        /// The table.
        table: String,
    },
    /// Show one item by its key.
    #[command(
        after_help = "Examples:\n  gallop table get UnicornSensorData Shadowfax '2026-01-31 12:00:00.000'\n  gallop table get UnicornSensorData Shadowfax '2026-01-31 12:00:00.000' --output csv"
    )]
    Get {
        /// The table.
        table: String,
        /// The partition key.
        partition: String,
        /// The sort key, if the table has one.
        sort: Option<String>,
    },
    /// List all items, in the table's own order.
    #[command(
        after_help = "Examples:\n  gallop table scan UnicornSensorData\n  gallop table scan UnicornSensorData --limit 5 --output csv"
    )]
    Scan {
        /// The table.
        table: String,
        /// Maximum number of items; 0 for all.
        #[arg(long, value_name = "N", default_value_t = ITEMS_DEFAULT)]
        limit: u64,
    },
    /// List the items of one partition key, ordered by sort key.
    #[command(
        after_help = "Examples:\n  gallop table query UnicornSensorData Shadowfax\n  gallop table query UnicornSensorData Shadowfax --from '2026-01-31' --newest --limit 3"
    )]
    Query {
        /// The table.
        table: String,
        /// The partition key.
        partition: String,
        /// Smallest sort key.
        #[arg(long, value_name = "KEY")]
        from: Option<String>,
        /// Largest sort key.
        #[arg(long, value_name = "KEY")]
        to: Option<String>,
        /// Largest sort keys first.
        #[arg(long)]
        newest: bool,
        /// Maximum number of items; 0 for all.
        #[arg(long, value_name = "N", default_value_t = ITEMS_DEFAULT)]
        limit: u64,
    },
}

/// Asks the server, and prints what it says.
pub async fn run(args: TableArgs) -> anyhow::Result<()> {
    let (client, output) = (args.connection.rest().await?, args.output.choose());
    match args.what {
        What::List => {
            let answer = client.get("/v1/tables").await?;
            let tables = answer["tables"].as_array().into_iter().flatten();
            let rows: Vec<Value> = match output {
                Output::Json => tables.cloned().collect(),
                Output::Table | Output::Csv => tables.map(schema).collect(),
            };
            print_rows(output, &["name", "partition_key", "sort_key"], &rows)
        }
        What::Describe { table } => {
            let answer = ask(&client, &table, &format!("/v1/tables/{}", segment(&table))).await?;
            print_rows(output, &[], &[if output == Output::Json { answer } else { schema(&answer) }])
        }
        What::Get { table, partition, sort } => {
            let item = get(&client, &table, &partition, sort.as_deref()).await?;
            print_rows(output, &[], &[item])
        }
        What::Scan { table, limit } => {
            pages(&client, &table, &format!("/v1/tables/{}/items", segment(&table)), &[], limit, output).await
        }
        What::Query { table, partition, from, to, newest, limit } => {
            let path = format!("/v1/tables/{}/items/{}", segment(&table), segment(&partition));
            let order = newest.then_some("desc");
            let parameters = [("from", from.as_deref()), ("to", to.as_deref()), ("order", order)];
            pages(&client, &table, &path, &parameters, limit, output).await
        }
    }
}

/// A schema on one row.
fn schema(schema: &Value) -> Value {
    let key = |name: &str| {
        let key = &schema[name];
        let parts = (key.get("name").and_then(Value::as_str), key.get("key_type").and_then(Value::as_str));
        match parts {
            (Some(name), Some(kind)) => Value::from(format!("{name} ({kind})")),
            _ => key.clone(),
        }
    };
    serde_json::json!({"name": schema["name"], "partition_key": key("partition_key"), "sort_key": key("sort_key")})
}

/// One item.
async fn get(client: &RestClient, table: &str, partition: &str, sort: Option<&str>) -> anyhow::Result<Value> {
    let items = format!("/v1/tables/{}/items/{}", segment(table), segment(partition));
    if let Some(sort) = sort {
        return ask(client, table, &format!("{items}/{}", segment(sort))).await;
    }
    let schema = ask(client, table, &format!("/v1/tables/{}", segment(table))).await?;
    if let Some(key) = schema["sort_key"]["name"].as_str() {
        return Err(Failure::new(Kind::Usage, format!("items of table `{table}` have two keys, but you gave one"))
            .why(format!("the second one is the sort key `{key}`"))
            .fix(format!("give both, or list all items of the first: gallop table query {table} {partition}"))
            .into());
    }
    let page = ask(client, table, &format!("{items}?limit=1")).await?;
    match page["items"].get(0) {
        Some(item) => Ok(item.clone()),
        None => Err(Failure::new(Kind::NotFound, format!("table `{table}` has no item `{partition}`"))
            .why("keys must match exactly")
            .fix(format!("see which items exist: gallop table scan {table} --limit 5"))
            .into()),
    }
}

/// The answer of a table. One that is not there is told with the name that was meant.
async fn ask(client: &RestClient, table: &str, path: &str) -> anyhow::Result<Value> {
    match client.call(Method::GET, path, None).await {
        Err(error) => Err(meant(client, table, error).await),
        answered => answered,
    }
}

async fn meant(client: &RestClient, table: &str, error: anyhow::Error) -> anyhow::Error {
    let code = error.downcast_ref::<Failure>().map(Failure::code).unwrap_or_default();
    match code {
        "table_not_found" => {
            let tables = client.get("/v1/tables").await.unwrap_or_default();
            let names = tables["tables"].as_array().into_iter().flatten();
            let names: Vec<String> = names.filter_map(|row| row["name"].as_str().map(str::to_owned)).collect();
            no_such("table", table, &names, "gallop table list", "name it in the settings: [tables.NAME]").into()
        }
        "item_not_found" => match error.downcast::<Failure>() {
            Ok(failure) => failure
                .why("keys must match exactly")
                .fix(format!("see which items exist: gallop table scan {table} --limit 5"))
                .into(),
            Err(error) => error,
        },
        "invalid_parameter" => match error.downcast::<Failure>() {
            Ok(failure) => failure
                .why(format!("the request does not match the keys of table `{table}`"))
                .fix(format!("see the keys: gallop table describe {table}"))
                .into(),
            Err(error) => error,
        },
        _ => error,
    }
}

/// Prints items page by page, at most `limit`, or all for 0.
async fn pages(
    client: &RestClient,
    table: &str,
    path: &str,
    parameters: &[(&str, Option<&str>)],
    limit: u64,
    output: Output,
) -> anyhow::Result<()> {
    let mut left = if limit == 0 { u64::MAX } else { limit };
    let mut after: Option<String> = None;
    let mut printer = RowPrinter::new(output, Vec::new(), std::io::stdout());
    while left > 0 {
        let page_limit = left.min(PAGE_ITEMS_MAX).to_string();
        let mut all = parameters.to_vec();
        all.extend([("limit", Some(page_limit.as_str())), ("after", after.as_deref())]);
        let page = ask(client, table, &with_query(path, &all)).await?;
        for item in page["items"].as_array().into_iter().flatten().take(usize::try_from(left).unwrap_or(usize::MAX)) {
            printer.lines(format!("{item}\n").as_bytes())?;
            left -= 1;
        }
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    printer.finish()?;
    if after.is_some() && limit != 0 {
        eprintln!("there are more; --limit 0 prints all");
    }
    Ok(())
}
