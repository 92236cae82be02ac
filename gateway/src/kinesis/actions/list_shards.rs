//! ListShards: a stream's shards, filtered and page by page.

use std::collections::HashMap;

use model::clock::Timestamp;
use model::name::StreamName;
use model::stream::shard::{Shard, ShardId, ShardMap};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::aws::error::AwsError;
use crate::aws::wire::text::Text;
use crate::aws::wire::time::Time;
use crate::kinesis::stream::calls;
use crate::kinesis::stream::shapes::ShardShape;
use crate::kinesis::target::{Target, Targets};
use crate::kinesis::token::Kind;
use crate::kinesis::{error, limits, token};
use crate::state::GatewayState;

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
        self.listing(state).map(|listing| Target::Stream(listing.stream))
    }
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

/// A listing at the place where this page begins. A token carries the stream's name and creation, the last shard
/// shown and the filter of the first page.
struct Listing {
    stream: StreamName,
    created_at: Option<Timestamp>,
    after: Option<ShardId>,
    filter: Option<FilterValue>,
}

type FilterValue = (String, Option<String>, Option<Timestamp>);
type Page = (String, Timestamp, ShardId, Option<FilterValue>);

impl Input<'_> {
    fn listing(&self, state: &GatewayState) -> Result<Listing, AwsError> {
        match &self.next_token {
            Some(token) => self.continued(state, token),
            None => self.begun(state),
        }
    }

    fn begun(&self, state: &GatewayState) -> Result<Listing, AwsError> {
        let (name, arn, id) = (self.stream_name.as_deref(), self.stream_arn.as_deref(), self.stream_id.as_deref());
        let after = self.exclusive_start_shard_id.as_deref();
        Ok(Listing {
            stream: limits::stream(&state.options, name, arn, id)?,
            created_at: self.stream_creation_timestamp.map(|at| at.0),
            after: after.map(|id| limits::shard_id(id, "exclusiveStartShardId")).transpose()?,
            filter: self.shard_filter.as_ref().map(Filter::value),
        })
    }

    /// What is said again beside a token must be what was said at first.
    fn continued(&self, state: &GatewayState, token: &str) -> Result<Listing, AwsError> {
        let token = token::page(Kind::Shards, token, state.clock.now())?;
        let page = serde_json::from_str::<Page>(&token);
        let (stream, created_at, last, filter) = page.map_err(|_| AwsError::invalid_argument("Invalid NextToken."))?;
        let excluded = [
            ("StreamName", self.stream_name.is_some()),
            ("StreamCreationTimestamp", self.stream_creation_timestamp.is_some()),
            ("ExclusiveStartShardId", self.exclusive_start_shard_id.is_some()),
        ];
        if let Some((member, _)) = excluded.iter().find(|(_, given)| *given) {
            return Err(AwsError::invalid_argument(format!("NextToken and {member} cannot be provided together.")));
        }
        let stream = limits::stream_name(&stream)?;
        let arn = self.stream_arn.as_deref();
        if limits::stream(&state.options, arn.is_none().then_some(stream.as_str()), arn, self.stream_id.as_deref())?
            != stream
        {
            return Err(AwsError::invalid_argument("The NextToken is not of the stream that StreamARN names."));
        }
        if self.shard_filter.is_some() && self.shard_filter.as_ref().map(Filter::value) != filter {
            return Err(AwsError::invalid_argument("The NextToken is of a listing with another ShardFilter."));
        }
        Ok(Listing { stream, created_at: Some(created_at), after: Some(last), filter })
    }
}

impl Filter<'_> {
    fn value(&self) -> FilterValue {
        let shard_id = self.shard_id.as_ref().map(|id| id.to_string());
        (self.kind.to_string(), shard_id, self.timestamp.map(|at| at.0))
    }
}

/// Lists shards.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Output, AwsError> {
    let limit = limits::number(input.max_results, "maxResults", limits::PAGE_MAX, limits::LIST_SHARDS_PAGE as i64)?;
    let limit = limit.min(limits::LIST_SHARDS_PAGE);
    let Listing { stream, created_at, after, filter } = input.listing(state)?;
    let description = calls::describe(state, &stream).await?;
    if created_at.is_some_and(|at| at != description.created_at) {
        return Err(error::not_found(stream.as_str(), &state.options.account_id));
    }
    let chosen = filter.as_ref().map_or(Ok(Chosen::All), choose)?;
    let found = select(&description.shards, chosen);
    let mut rest = found.into_iter().filter(|shard| after.is_none_or(|after| after < shard.id));
    let page: Vec<&Shard> = rest.by_ref().take(limit).collect();
    let next_token = page.last().filter(|_| rest.next().is_some()).map(|last| {
        let payload = json!([stream, description.created_at, last.id, filter]).to_string();
        token::seal(Kind::Shards, state.clock.now(), payload.as_bytes())
    });
    Ok(Output { shards: page.into_iter().map(ShardShape::of).collect(), next_token })
}

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
    // A shard closes when its children are made, and is taken for open at that moment too.
    let closings = shards.iter().flat_map(|child| child.parents().map(|parent| (parent, child.created_at)));
    let closed_at: HashMap<ShardId, Timestamp> = closings.collect();
    let open_at_or_after =
        |shard: &Shard, at: Timestamp| shard.is_open() || closed_at.get(&shard.id).is_some_and(|closed| at <= *closed);
    // What retention left without parents was there as far back as anyone can ask.
    let created_by = |shard: &Shard, at: Timestamp| {
        shard.created_at <= at || shard.parents().all(|parent| shards.get(parent).is_none())
    };
    match chosen {
        Chosen::All => shards.iter().collect(),
        Chosen::After(after) => shards.iter().filter(|shard| after < shard.id).collect(),
        Chosen::AtTrimHorizon => shards.roots().collect(),
        Chosen::AtLatest => shards.iter().filter(|shard| shard.is_open()).collect(),
        Chosen::AtTime(at) => {
            shards.iter().filter(|shard| created_by(shard, at) && open_at_or_after(shard, at)).collect()
        }
        Chosen::FromTime(at) => shards.iter().filter(|shard| open_at_or_after(shard, at)).collect(),
    }
}
