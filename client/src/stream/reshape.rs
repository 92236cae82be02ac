//! Shards split, merged and brought to a number; first shown, if asked for, and never done then.

use clap::Args;
use model::clock::Timestamp;
use model::stream::hash_key::HashKey;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::{Reshard, ReshardError, Shard, ShardId, ShardMap};
use serde_json::{Value, json};

use super::show;
use crate::failure::{Failure, Kind};
use crate::output::receipt;
use crate::output::row_printer::{Output, print_rows};
use crate::server::kinesis_client::KinesisClient;

/// Arguments of `gallop stream split`.
#[derive(Debug, Args)]
pub(crate) struct SplitArgs {
    /// The stream.
    name: String,
    /// The shard, as shardId-000000000003 or 3 [default: the widest].
    #[arg(value_parser = shard)]
    shard: Option<ShardId>,
    /// First hash key of the second new shard [default: the middle of the shard].
    #[arg(long, value_name = "KEY")]
    at: Option<HashKey>,
    /// Show the hash ranges before and after, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Arguments of `gallop stream merge`.
#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// The stream.
    name: String,
    /// One shard, as shardId-000000000003 or 3.
    #[arg(value_parser = shard)]
    shard: ShardId,
    /// Its neighbour [default: the narrower one].
    #[arg(value_parser = shard)]
    neighbour: Option<ShardId>,
    /// Show the hash ranges before and after, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Arguments of `gallop stream scale`.
#[derive(Debug, Args)]
pub(crate) struct ScaleArgs {
    /// The stream.
    name: String,
    /// Number of shards it should have.
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    shards: u32,
    /// Show the hash ranges before and after, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// A change of a stream's shards, worked out before anything is asked for.
struct Plan {
    stream: String,
    before: ShardMap,
    change: Reshard,
    after: ShardMap,
}

impl Plan {
    fn new(stream: &str, before: ShardMap, change: Reshard) -> Result<Plan, Failure> {
        let after = before
            .resharded(change, Timestamp::default(), |_| SequenceNumber::FIRST)
            .map_err(|refused| refusal(stream, &before, &refused))?;
        Ok(Plan { stream: stream.to_owned(), before, change, after })
    }

    /// Shards that are open on one side only.
    fn only(one: &ShardMap, other: &ShardMap) -> Vec<Value> {
        let open = |shard: &&Shard| !other.get(shard.id).is_some_and(Shard::is_open);
        one.open().filter(open).map(show::row).collect()
    }

    /// Shows it.
    fn print(&self, output: Output) -> anyhow::Result<()> {
        let (before, after) = (Plan::only(&self.before, &self.after), Plan::only(&self.after, &self.before));
        if output == Output::Json {
            let plan = json!({"stream": self.stream, "dry_run": true, "before": before, "after": after});
            return print_rows(output, &[], &[plan]);
        }
        let side = |side: &str, rows: Vec<Value>| {
            rows.into_iter()
                .map(|mut row| {
                    row["when"] = side.into();
                    row
                })
                .collect::<Vec<_>>()
        };
        let rows = [side("before", before), side("after", after)].concat();
        let columns = ["when", "shard", "starting_hash_key", "ending_hash_key", "share", "parents"];
        print_rows(output, &columns, &rows)?;
        eprintln!("nothing was changed; without --dry-run it is done");
        Ok(())
    }

    /// Does it, or only shows it.
    async fn run(self, client: &KinesisClient, dry_run: bool, output: Output) -> anyhow::Result<()> {
        if dry_run {
            return self.print(output);
        }
        let (operation, input) = match self.change {
            Reshard::Split { shard, at } => {
                ("SplitShard", json!({"ShardToSplit": shard.to_string(), "NewStartingHashKey": at.to_string()}))
            }
            Reshard::Merge { shard, adjacent } => (
                "MergeShards",
                json!({"ShardToMerge": shard.to_string(), "AdjacentShardToMerge": adjacent.to_string()}),
            ),
            Reshard::Uniform { shards } => {
                ("UpdateShardCount", json!({"TargetShardCount": shards, "ScalingType": "UNIFORM_SCALING"}))
            }
        };
        client.on(&self.stream, operation, input).await?;
        let now = show::shards(client, &self.stream).await?;
        let gone = Plan::only(&self.before, &now);
        let new = Plan::only(&now, &self.before);
        let names = |rows: &[Value]| {
            rows.iter().filter_map(|row| row["shard"].as_str().map(str::to_owned)).collect::<Vec<_>>().join(", ")
        };
        let said = match new.is_empty() {
            true => format!("stream `{}` has {} shards already", self.stream, now.open_count()),
            false => format!("stream `{}`: {} replace {}", self.stream, names(&new), names(&gone)),
        };
        let object = json!({"stream": self.stream, "open_shards": now.open_count(), "closed": gone, "new": new});
        Ok(receipt::tell(output, &said, &object)?)
    }
}

/// Splits a shard.
pub(crate) async fn split(client: &KinesisClient, args: SplitArgs, output: Output) -> anyhow::Result<()> {
    let before = show::shards(client, &args.name).await?;
    let widest = before.open().max_by_key(|shard| shard.range.end.0 - shard.range.start.0).expect("one is open");
    let shard = args.shard.unwrap_or(widest.id);
    let middle =
        before.get(shard).map(|shard| HashKey(shard.range.start.0 + (shard.range.end.0 - shard.range.start.0) / 2 + 1));
    let at = args.at.or(middle).unwrap_or(HashKey::MIN);
    Plan::new(&args.name, before, Reshard::Split { shard, at })?.run(client, args.dry_run, output).await
}

/// Merges two shards.
pub(crate) async fn merge(client: &KinesisClient, args: MergeArgs, output: Output) -> anyhow::Result<()> {
    let before = show::shards(client, &args.name).await?;
    let adjacent = match args.neighbour {
        Some(neighbour) => neighbour,
        None => neighbour(&before, args.shard).ok_or_else(|| match before.get(args.shard) {
            None => refusal(&args.name, &before, &ReshardError::NotFound(args.shard)),
            Some(shard) if !shard.is_open() => refusal(&args.name, &before, &ReshardError::Closed(args.shard)),
            Some(_) => Failure::new(Kind::Conflict, format!("{} has no neighbour", args.shard))
                .why(format!("it is the only open shard of stream `{}`", args.name))
                .fix("a stream needs at least one shard, so there is nothing to merge"),
        })?,
    };
    let change = Reshard::Merge { shard: args.shard, adjacent };
    Plan::new(&args.name, before, change)?.run(client, args.dry_run, output).await
}

/// Brings a stream to a number of shards.
pub(crate) async fn scale(client: &KinesisClient, args: ScaleArgs, output: Output) -> anyhow::Result<()> {
    let before = show::shards(client, &args.name).await?;
    Plan::new(&args.name, before, Reshard::Uniform { shards: args.shards })?.run(client, args.dry_run, output).await
}

/// The narrower one of the open shards beside `shard`.
fn neighbour(map: &ShardMap, shard: ShardId) -> Option<ShardId> {
    let open: Vec<&Shard> = map.open().collect();
    let at = open.iter().position(|open| open.id == shard)?;
    let beside = [at.checked_sub(1), Some(at + 1)].into_iter().flatten().filter_map(|at| open.get(at));
    beside.min_by_key(|beside| beside.range.end.0 - beside.range.start.0).map(|beside| beside.id)
}

/// Why shards cannot change like that, and what to do.
fn refusal(stream: &str, map: &ShardMap, refused: &ReshardError) -> Failure {
    let kind = match refused {
        ReshardError::NotFound(_) => Kind::NotFound,
        ReshardError::Closed(_) | ReshardError::NotAdjacent(..) => Kind::Conflict,
        ReshardError::TooMany(_) => Kind::Limit,
        ReshardError::SplitOutside { .. } | ReshardError::Unsupported(_) => Kind::Usage,
    };
    let open: Vec<String> = map.open().take(4).map(|shard| shard.id.to_string()).collect();
    let more = if map.open_count() > open.len() { ", .." } else { "" };
    let fix = match refused {
        ReshardError::SplitOutside { .. } => "leave --at out to split in the middle".to_owned(),
        _ => format!("list the shards: gallop stream describe {stream}"),
    };
    Failure::new(kind, format!("the shards of stream `{stream}` cannot be changed: {refused}"))
        .why(format!("the open shards, in order of their hash keys, are {}{more}", open.join(", ")))
        .fix(fix)
}

/// A shard as people write it: whole, or by its number.
fn shard(text: &str) -> Result<ShardId, String> {
    text.parse().or_else(|_| text.parse().map(ShardId)).map_err(|_| {
        format!("`{text}` is not a shard: write shardId-000000000003, or 3; gallop stream describe shows them")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrower_neighbour_is_merged_with() {
        let map = ShardMap::uniform(3, Timestamp::default());
        let at = HashKey(map.get(ShardId(0)).expect("it is there").range.start.0 + 1000);
        let map = Plan::new("s", map, Reshard::Split { shard: ShardId(0), at }).expect("it splits").after;
        assert_eq!(neighbour(&map, ShardId(4)), Some(ShardId(3)), "a thousand keys");
        assert_eq!(neighbour(&map, ShardId(2)), Some(ShardId(1)));
        assert_eq!(neighbour(&map, ShardId(0)), None, "closed");
    }

    #[test]
    fn a_plan_shows_what_opens_and_what_closes() {
        let plan = |shards, change| Plan::new("s", ShardMap::uniform(shards, Timestamp::default()), change);
        let names = |rows: Vec<Value>| {
            rows.iter().map(|row| row["shard"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
        };
        let merged = plan(2, Reshard::Merge { shard: ShardId(0), adjacent: ShardId(1) }).expect("neighbours");
        assert_eq!(names(Plan::only(&merged.before, &merged.after)), [ShardId(0).to_string(), ShardId(1).to_string()]);
        assert_eq!(names(Plan::only(&merged.after, &merged.before)), [ShardId(2).to_string()]);
        let same = plan(2, Reshard::Uniform { shards: 2 }).expect("nothing to do");
        assert!(Plan::only(&same.before, &same.after).is_empty());
        assert!(plan(1, Reshard::Split { shard: ShardId(7), at: HashKey(1) }).is_err());
    }

    #[test]
    fn shards_are_named_whole_or_by_number() {
        assert_eq!(shard("shardId-000000000012"), Ok(ShardId(12)));
        assert_eq!(shard("12"), Ok(ShardId(12)));
        assert!(shard("shard-12").is_err() && shard("-1").is_err());
    }
}
