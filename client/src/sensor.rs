//! `gallop sensor`: ports and schemas of a running server, changed while datagrams come in.

use anyhow::{Context, ensure};
use clap::{Args, Subcommand, ValueEnum};
use hyper::Method;
use serde_json::{Value, json};

use crate::output::receipt;
use crate::output::row_printer::{Output, OutputArgs, print_rows};
use crate::server::connection::Connection;

/// Arguments of `gallop sensor`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gallop sensor schema add 7 rpm:u16 temperature:f32 site:text8\n  gallop sensor port add 9000 --stream plant --schema 7\n  gallop sensor port add 9001 --stream plant --schema 7 --keys plant.toml --policy hold\n  gallop sensor port list\n  gallop sensor port remove 9000"
)]
pub struct SensorArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Subcommand)]
enum What {
    /// UDP ports that receive sensor datagrams.
    #[command(after_help = "Examples:\n  gallop sensor port list\n  gallop sensor port remove 9000")]
    #[command(subcommand)]
    Port(PortWhat),
    /// The fields of the records in datagrams.
    #[command(
        after_help = "Examples:\n  gallop sensor schema list\n  gallop sensor schema add 7 rpm:u16 temperature:f32 site:text8"
    )]
    #[command(subcommand)]
    Schema(SchemaWhat),
    /// Show the counters of receivers and ports, as JSON.
    #[command(after_help = "Examples:\n  gallop sensor stats\n  gallop sensor stats --output json")]
    Stats,
}

#[derive(Debug, Subcommand)]
enum PortWhat {
    /// Receive datagrams at a port, or change how a port does it.
    #[command(
        after_help = "Examples:\n  gallop sensor port add 9000 --stream plant --schema 7\n  gallop sensor port add 9001 --stream plant --schema 7 --keys plant.toml --policy hold"
    )]
    Add(PortAdd),
    /// List all ports with their counters, one JSON object a line.
    #[command(after_help = "Examples:\n  gallop sensor port list\n  gallop sensor port list --output json")]
    List,
    /// Stop receiving at a port; accepted datagrams are still stored.
    #[command(
        after_help = "Examples:\n  gallop sensor port remove 9000\n  gallop sensor port remove 9001 --output json"
    )]
    Remove {
        /// The port.
        port: u16,
    },
}

#[derive(Debug, Args)]
struct PortAdd {
    /// The UDP port.
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// The stream for the datagrams; created if it does not exist.
    #[arg(long, value_name = "NAME")]
    stream: String,
    /// The schema of the records.
    #[arg(long, value_name = "ID")]
    schema: u16,
    /// A file of sources and keys in the server's keys folder; every datagram then needs a tag.
    #[arg(long, value_name = "FILE")]
    keys: Option<String>,
    /// What to do when datagrams arrive faster than they are stored.
    #[arg(long, value_enum, default_value_t)]
    policy: Policy,
    /// What readers of the Kinesis API get [default: the stream's setting; json for a new stream].
    #[arg(long, value_enum)]
    readers: Option<Readers>,
    /// A range that datagrams may come from, such as 10.1.0.0/16; may be given more than once [default: anywhere].
    #[arg(long = "from", value_name = "RANGE")]
    addresses: Vec<String>,
    /// Maximum datagrams a second from each source.
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// Maximum datagrams at once after a pause, with --rate [default: the rate].
    #[arg(long, value_name = "N", requires = "rate")]
    burst: Option<u32>,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Policy {
    /// They are dropped and counted.
    #[default]
    DropNewest,
    /// The receiver waits, and the kernel drops and counts.
    Hold,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Readers {
    /// A JSON object for each sensor record.
    Json,
    /// The bytes of datagrams.
    Raw,
}

#[derive(Debug, Subcommand)]
enum SchemaWhat {
    /// Register a list of fields under a number.
    #[command(
        after_help = "Examples:\n  gallop sensor schema add 7 rpm:u16 temperature:f32 site:text8\n  gallop sensor schema add 8 height:f64"
    )]
    Add {
        /// The schema's number, which every datagram repeats.
        id: u16,
        /// The fields in the order of their bytes, as name:kind; kinds are u8 to u64, i8 to i64, f32, f64 and text1 to
        /// text1024.
        #[arg(required = true, value_name = "NAME:KIND", value_parser = field)]
        fields: Vec<Value>,
    },
    /// List all schemas, one JSON object a line.
    #[command(after_help = "Examples:\n  gallop sensor schema list\n  gallop sensor schema list --output json")]
    List,
}

/// A field as `name:kind`.
fn field(text: &str) -> Result<Value, String> {
    let (name, kind) = text.rsplit_once(':').ok_or_else(|| format!("`{text}` is not name:kind, as rpm:u16"))?;
    let kind = match kind.strip_prefix("text").map(str::parse::<u16>) {
        Some(Ok(width)) => json!({ "text": width }),
        Some(Err(_)) => return Err(format!("`{kind}` is not text1 to text1024")),
        None => Value::from(kind),
    };
    Ok(json!({"name": name, "kind": kind}))
}

/// Asks the server, and prints what it says.
pub async fn run(args: SensorArgs) -> anyhow::Result<()> {
    let (client, output) = (args.connection.rest().await?, args.output.choose());
    match args.what {
        What::Port(PortWhat::Add(add)) => {
            let said =
                format!("port {} receives datagrams of schema {} for stream `{}`", add.port, add.schema, add.stream);
            let (path, body) = (format!("/v1/sensor/ports/{}", add.port), body_of(add)?);
            receipt::tell(output, &said, &client.call(Method::PUT, &path, Some(&body)).await?)?;
        }
        What::Port(PortWhat::List) => {
            print_each(output, &client.call(Method::GET, "/v1/sensor/ports", None).await?["ports"])?;
        }
        What::Port(PortWhat::Remove { port }) => {
            client.call(Method::DELETE, &format!("/v1/sensor/ports/{port}"), None).await?;
            receipt::tell(
                output,
                &format!("port {port} receives nothing any more"),
                &json!({"port": port, "removed": true}),
            )?;
        }
        What::Schema(SchemaWhat::Add { id, fields }) => {
            let said = format!("schema {id} has {} fields", fields.len());
            let (path, body) = (format!("/v1/sensor/schemas/{id}"), json!({ "fields": fields }));
            receipt::tell(output, &said, &client.call(Method::PUT, &path, Some(&body)).await?)?;
        }
        What::Schema(SchemaWhat::List) => {
            print_each(output, &client.call(Method::GET, "/v1/sensor/schemas", None).await?["schemas"])?;
        }
        What::Stats => println!("{}", client.call(Method::GET, "/v1/sensor/stats", None).await?),
    }
    Ok(())
}

fn body_of(add: PortAdd) -> anyhow::Result<Value> {
    ensure!(!add.stream.is_empty(), "--stream is empty");
    let mut body = json!({"stream": add.stream, "schema": add.schema});
    body["policy"] = match add.policy {
        Policy::DropNewest => "drop-newest".into(),
        Policy::Hold => "hold".into(),
    };
    if let Some(readers) = add.readers {
        body["readers"] = match readers {
            Readers::Json => "json".into(),
            Readers::Raw => "raw".into(),
        };
    }
    if let Some(keys) = add.keys {
        body["keys"] = keys.into();
    }
    if !add.addresses.is_empty() {
        body["addresses"] = add.addresses.into();
    }
    if let Some(rate) = add.rate {
        body["rate"] = json!({"per_second": rate, "burst": add.burst.unwrap_or(rate)});
    }
    Ok(body)
}

fn print_each(output: Output, list: &Value) -> anyhow::Result<()> {
    print_rows(output, &[], list.as_array().context("the answer holds no list")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_name_and_kind() {
        assert_eq!(field("rpm:u16"), Ok(json!({"name": "rpm", "kind": "u16"})));
        assert_eq!(field("a:b:text8"), Ok(json!({"name": "a:b", "kind": {"text": 8}})));
        assert!(field("rpm").expect_err("no kind").contains("is not name:kind"));
        assert!(field("at:text").expect_err("no width").contains("text1 to text1024"));
    }
}
