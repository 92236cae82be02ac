//! ListShards: a stream's shards, filtered and page by page.

use model::clock::Timestamp;
use model::shard::{Shard, ShardId, ShardMap};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::aws::error::AwsError;
use crate::aws::wire::text::Text;
use crate::aws::wire::time::Time;
use crate::kinesis::shapes::ShardShape;
use crate::kinesis::target::{Target, Targets};
use crate::kinesis::token::{self, Kind};
use crate::kinesis::{error, limits};
use crate::router::GatewayState;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input<'a> {
    #[serde(borrow)]
    stream_name: Option<Text<'a>>,
    #[serde(borrow, rename = "StreamARN")]
    stream_arn: Option<Text<'a>>,
    #[serde(borrow)]
    stream_id: Option<Text<'a>>,
    #[serde(borrow)]
    next_token: Option<Text<'a>>,
    #[serde(borrow)]
    exclusive_start_shard_id: Option<Text<'a>>,
    max_results: Option<i64>,
    stream_creation_timestamp: Option<Time>,
    #[serde(borrow)]
    shard_filter: Option<Filter<'a>>,
}

impl Targets for Input<'_> {
    fn target(&self, state: &GatewayState) -> Result<Target, AwsError> {
        let stream = match &self.next_token {
            Some(token) => limits::stream_name(&page(state, token)?.0)?,
            None => limits::stream(
                &state.options,
                self.stream_name.as_deref(),
                self.stream_arn.as_deref(),
                self.stream_id.as_deref(),
            )?,
        };
        Ok(Target::Stream(stream))
    }
}

/// What a token of an earlier page holds.
fn page(state: &GatewayState, token: &str) -> Result<Page, AwsError> {
    let token = token::page(Kind::Shards, token, state.clock.now())?;
    serde_json::from_str(&token).map_err(|_| AwsError::invalid_argument("Invalid NextToken."))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter<'a> {
    #[serde(borrow, rename = "Type")]
    kind: Text<'a>,
    #[serde(borrow)]
    shard_id: Option<Text<'a>>,
    timestamp: Option<Time>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    shards: Vec<ShardShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// Which shards are asked for.
#[derive(Debug, Clone, Copy)]
enum Chosen {
    All,
    After(ShardId),
    AtTrimHorizon,
    AtLatest,
    AtTime(Timestamp),
    FromTime(Timestamp),
}

/// Lists shards.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Output, AwsError> {
    let limit = limits::number(input.max_results, "maxResults", limits::PAGE_MAX, limits::LIST_SHARDS_PAGE as i64)?;
    let limit = limit.min(limits::LIST_SHARDS_PAGE);
    // A token carries the stream's name and creation, the last shard and the filter of the first page.
    let continued = input.next_token.as_ref().map(|token| page(state, token)).transpose()?;
    let (stream, created_at, after, filter);
    match continued {
        Some(page) => {
            let excluded = [
                ("StreamName", input.stream_name.is_some()),
                ("StreamARN", input.stream_arn.is_some()),
                ("StreamCreationTimestamp", input.stream_creation_timestamp.is_some()),
                ("ExclusiveStartShardId", input.exclusive_start_shard_id.is_some()),
            ];
            if let Some((member, _)) = excluded.iter().find(|(_, given)| *given) {
                let message = format!("NextToken and {member} cannot be provided together.");
                return Err(AwsError::invalid_argument(message));
            }
            stream = limits::stream_name(&page.0)?;
            created_at = Some(page.1);
            after = Some(page.2);
            filter = page.3;
        }
        None => {
            stream = limits::stream(
                &state.options,
                input.stream_name.as_deref(),
                input.stream_arn.as_deref(),
                input.stream_id.as_deref(),
            )?;
            created_at = input.stream_creation_timestamp.map(|at| at.0);
            let id = input.exclusive_start_shard_id.as_deref();
            after = id.map(|id| limits::shard_id(id, "exclusiveStartShardId")).transpose()?;
            filter = input.shard_filter.as_ref().map(|filter| {
                (
                    filter.kind.to_string(),
                    filter.shard_id.as_ref().map(|id| id.to_string()),
                    filter.timestamp.map(|at| at.0),
                )
            });
        }
    }
    let describe = state.streams.describe(&stream).await;
    let description = describe.map_err(|failure| error::of_stream(&failure, &state.options.account_id))?;
    if created_at.is_some_and(|at| at != description.created_at) {
        return Err(error::not_found(stream.as_str(), &state.options.account_id));
    }
    let chosen = filter.as_ref().map_or(Ok(Chosen::All), choose)?;
    let found = select(&description.shards, chosen);
    let mut rest = found.into_iter().filter(|shard| after.is_none_or(|after| after < shard.id));
    let page: Vec<&Shard> = rest.by_ref().take(limit).collect();
    let next_token = match (page.last(), rest.next()) {
        (Some(last), Some(_)) => {
            let payload = json!([stream, description.created_at, last.id, filter]).to_string();
            Some(token::seal(Kind::Shards, state.clock.now(), payload.as_bytes()))
        }
        _ => None,
    };
    Ok(Output { shards: page.into_iter().map(ShardShape::of).collect(), next_token })
}

type FilterValue = (String, Option<String>, Option<Timestamp>);
type Page = (String, Timestamp, ShardId, Option<FilterValue>);

fn choose((kind, shard_id, timestamp): &FilterValue) -> Result<Chosen, AwsError> {
    let time = || timestamp.ok_or_else(|| AwsError::invalid_argument(format!("{kind} needs a Timestamp.")));
    match kind.as_str() {
        "AFTER_SHARD_ID" => {
            let id = shard_id.as_ref().ok_or_else(|| AwsError::invalid_argument("AFTER_SHARD_ID needs a ShardId."))?;
            limits::shard_id(id, "shardFilter.shardId").map(Chosen::After)
        }
        "FROM_TRIM_HORIZON" => Ok(Chosen::All),
        "AT_TRIM_HORIZON" => Ok(Chosen::AtTrimHorizon),
        "AT_LATEST" => Ok(Chosen::AtLatest),
        "AT_TIMESTAMP" => time().map(Chosen::AtTime),
        "FROM_TIMESTAMP" => time().map(Chosen::FromTime),
        other => Err(AwsError::validation(
            &format!("'{other}'"),
            "shardFilter.type",
            "Member must satisfy enum value set: [AFTER_SHARD_ID, AT_TRIM_HORIZON, FROM_TRIM_HORIZON, AT_LATEST, \
             AT_TIMESTAMP, FROM_TIMESTAMP]",
        )),
    }
}

fn select(shards: &ShardMap, chosen: Chosen) -> Vec<&Shard> {
    // A shard closes when its children are made.
    let open_after =
        |shard: &Shard, at: Timestamp| shard.is_open() || shards.children(shard.id).any(|child| at < child.created_at);
    match chosen {
        Chosen::All => shards.iter().collect(),
        Chosen::After(after) => shards.iter().filter(|shard| after < shard.id).collect(),
        Chosen::AtTrimHorizon => shards.roots().collect(),
        Chosen::AtLatest => shards.iter().filter(|shard| shard.is_open()).collect(),
        Chosen::AtTime(at) => shards.iter().filter(|shard| shard.created_at <= at && open_after(shard, at)).collect(),
        Chosen::FromTime(at) => shards.iter().filter(|shard| open_after(shard, at)).collect(),
    }
}
