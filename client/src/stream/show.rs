//! Streams and shards as they are.

use std::io::Write;

use clap::Args;
use model::clock::Timestamp;
use model::stream::hash_key::{HashKey, HashKeyRange};
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::{Shard, ShardId, ShardMap};
use serde_json::{Value, json};

use crate::failure::{Failure, Kind};
use crate::output::row_printer::{Output, print_rows};
use crate::server::kinesis_client::KinesisClient;
use crate::server::rest_client::RestClient;

/// Arguments of `gallop stream describe`.
#[derive(Debug, Args)]
pub(crate) struct DescribeArgs {
    /// The stream.
    name: String,
    /// Also show closed shards whose records have not expired.
    #[arg(long)]
    closed: bool,
}

/// Prints all streams.
pub(crate) async fn list(client: &RestClient, output: Output) -> anyhow::Result<()> {
    let answer = client.get("/v1/streams").await?;
    let rows = answer["streams"].as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() && output == Output::Table {
        eprintln!("no streams yet; create one: gallop stream create NAME");
    }
    print_rows(output, &["name", "mode", "open_shards", "retention_seconds", "created_at"], rows)
}

/// Prints a stream and its shards.
pub(crate) async fn describe(client: &KinesisClient, args: DescribeArgs, output: Output) -> anyhow::Result<()> {
    let summary = client.on(&args.name, "DescribeStreamSummary", json!({})).await?;
    let summary = &summary["StreamDescriptionSummary"];
    let map = shards(client, &args.name).await?;
    let rows: Vec<Value> = map.iter().filter(|shard| args.closed || shard.is_open()).map(row).collect();
    let created = summary["StreamCreationTimestamp"].as_f64().unwrap_or_default() * 1000.0;
    let mut stream = json!({
        "name": summary["StreamName"],
        "arn": summary["StreamARN"],
        "mode": summary.pointer("/StreamModeDetails/StreamMode"),
        "retention_hours": summary["RetentionPeriodHours"],
        "created_at": Timestamp::from_millis(created as i64).to_string(),
        "encryption": summary["EncryptionType"],
        "record_kib_max": summary["MaxRecordSizeInKiB"],
        "consumers": summary["ConsumerCount"],
        "open_shards": map.open_count(),
    });
    if output == Output::Table {
        let mut to = std::io::stdout().lock();
        for (name, value) in stream.as_object().into_iter().flatten() {
            writeln!(to, "{:<17}{}", name.replace('_', " "), value.as_str().map_or(value.to_string(), str::to_owned))?;
        }
        drop(to);
        return print_rows(output, COLUMNS, &rows);
    }
    if output == Output::Csv {
        return print_rows(output, COLUMNS, &rows);
    }
    stream["shards"] = rows.into();
    print_rows(output, &[], &[stream])
}

/// Columns of a shard.
pub(crate) const COLUMNS: &[&str] = &["shard", "open", "starting_hash_key", "ending_hash_key", "share", "parents"];

/// A shard as a row.
pub(crate) fn row(shard: &Shard) -> Value {
    json!({
        "shard": shard.id.to_string(),
        "open": shard.is_open(),
        "starting_hash_key": shard.range.start.to_string(),
        "ending_hash_key": shard.range.end.to_string(),
        "share": share(shard.range),
        "parents": shard.parents().map(|parent| parent.to_string()).collect::<Vec<_>>().join(" "),
    })
}

/// How much of all hash keys a range is.
fn share(range: HashKeyRange) -> String {
    let keys = (range.end.0 - range.start.0) as f64 + 1.0;
    format!("{:.1} %", keys / 2f64.powi(128) * 100.0)
}

/// The shards of a stream, as far as they are listed: the numbers of records in them are not asked for.
pub(crate) async fn shards(client: &KinesisClient, stream: &str) -> anyhow::Result<ShardMap> {
    let listed = client.pages(stream, "ListShards", "Shards").await?;
    let strange = || {
        Failure::new(Kind::Failed, format!("the shards of stream `{stream}` cannot be understood"))
            .why(format!("the server at {} lists them in a format that this program does not know", client.endpoint()))
            .fix("use the program that the server runs")
    };
    let shards: Option<Vec<Shard>> = listed.iter().map(read).collect();
    Ok(ShardMap::try_from(shards.ok_or_else(strange)?).map_err(|_| strange())?)
}

/// A shard as ListShards writes it.
fn read(listed: &Value) -> Option<Shard> {
    let id = |name: &str| listed.get(name).and_then(Value::as_str).map(str::parse::<ShardId>);
    let key = |name: &str| listed["HashKeyRange"][name].as_str()?.parse::<HashKey>().ok();
    let closed = listed["SequenceNumberRange"].get("EndingSequenceNumber").is_some_and(|end| !end.is_null());
    Some(Shard {
        id: id("ShardId")?.ok()?,
        range: HashKeyRange { start: key("StartingHashKey")?, end: key("EndingHashKey")? },
        parent: id("ParentShardId").transpose().ok()?,
        adjacent_parent: id("AdjacentParentShardId").transpose().ok()?,
        created_at: Timestamp::default(),
        first: SequenceNumber::FIRST,
        end: closed.then_some(SequenceNumber::FIRST),
        skips: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_read_as_they_are_listed() {
        let shard = |id: u32, start: &str, end: &str| {
            json!({"ShardId": ShardId(id).to_string(), "ParentShardId": ShardId(0).to_string(),
                "HashKeyRange": {"StartingHashKey": start, "EndingHashKey": end},
                "SequenceNumberRange": {"StartingSequenceNumber": "1"}})
        };
        let half = (1_u128 << 127).to_string();
        let below = ((1_u128 << 127) - 1).to_string();
        let all = [shard(1, "0", &below), shard(2, &half, &u128::MAX.to_string())];
        let map = ShardMap::try_from(all.iter().map(|one| read(one).expect("it reads")).collect::<Vec<_>>());
        let map = map.expect("they tile the hash space");
        assert_eq!(map.open().map(|shard| share(shard.range)).collect::<Vec<_>>(), ["50.0 %", "50.0 %"]);
        assert_eq!(map.iter().next().and_then(|shard| shard.parent), Some(ShardId(0)));
        assert!(read(&json!({"ShardId": "1"})).is_none());
    }
}
