//! `POST /v1/streams/{stream}/reshard`: splits a shard or merges two neighbours, or shows what that would do.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use http::Uri;
use model::clock::Timestamp;
use model::name::StreamName;
use model::stream::hash_key::{HashKey, InvalidHashKey};
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::{InvalidShardId, Reshard, Shard, ShardId, ShardMap};
use model::stream::store::StreamError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::reshard;
use crate::rest::body;
use crate::rest::error::{ErrorBody, RestError};
use crate::rest::parameters::Parameters;
use crate::state::GatewayState;

/// What is to be done: one of both.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReshardInput {
    split: Option<Split>,
    merge: Option<Merge>,
    /// Nothing is changed, only said.
    #[serde(default)]
    preview: bool,
}

/// A shard that becomes two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Split {
    #[schema(example = "shardId-000000000000")]
    shard: String,
    /// First hash key of the second child; the middle without it.
    at: Option<String>,
}

/// Two neighbours that become one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Merge {
    shard: String,
    adjacent: String,
}

/// What a change closes and opens.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReshardAnswer {
    #[schema(value_type = String)]
    stream: StreamName,
    preview: bool,
    closed: Vec<ShardRow>,
    opened: Vec<ShardRow>,
}

/// A shard, with its part of the hash space.
#[derive(Serialize, ToSchema)]
struct ShardRow {
    shard: String,
    /// The first hash key, in decimal.
    start: String,
    /// The last hash key, in decimal.
    end: String,
    /// From 0 to 1.
    share: f64,
}

/// Changes the shards, or previews the change, by the rules of SplitShard and MergeShards.
#[utoipa::path(post, path = "/v1/streams/{stream}/reshard", tag = "streams", params(
    ("stream" = String, Path, description = "The stream."),
), request_body = ReshardInput, responses(
    (status = 200, body = ReshardAnswer),
    (status = 400, description = "The shards cannot be changed like this.", body = ErrorBody),
    (status = 404, description = "No such stream.", body = ErrorBody),
))]
pub(crate) async fn reshard(
    State(state): State<Arc<GatewayState>>,
    Path(stream): Path<String>,
    uri: Uri,
    body: Body,
) -> Result<Json<ReshardAnswer>, RestError> {
    Parameters::read(&uri, &[])?;
    let stream = StreamName::new(&stream).map_err(|wrong| RestError::invalid(wrong.to_string()))?;
    let bytes = body::read(body).await?;
    let input: ReshardInput = serde_json::from_slice(&bytes)
        .map_err(|wrong| RestError::invalid(format!("the body is not a reshard request: {wrong}")))?;
    let streams = &*state.streams;
    let before = streams.describe(&stream).await?;
    let change = match (&input.split, &input.merge) {
        (Some(Split { shard, at }), None) => {
            let shard = shard_id(shard)?;
            let at = match at {
                Some(at) => at.parse().map_err(|wrong: InvalidHashKey| RestError::invalid(wrong.to_string()))?,
                None => middle(&before.shards, shard),
            };
            reshard::split(streams, &stream, shard, at).await?
        }
        (None, Some(Merge { shard, adjacent })) => {
            reshard::merge(streams, &stream, shard_id(shard)?, shard_id(adjacent)?).await?
        }
        _ => return Err(RestError::invalid("give either `split` or `merge`")),
    };
    let after = if input.preview {
        would_be(&before.shards, change, &stream, state.clock.now())?
    } else {
        streams.reshard(&stream, change).await?.shards.clone()
    };
    let is_open = |shards: &ShardMap, shard: &Shard| shards.get(shard.id).is_some_and(Shard::is_open);
    let closed = before.shards.open().filter(|shard| !is_open(&after, shard)).map(row);
    let opened = after.open().filter(|shard| !is_open(&before.shards, shard)).map(row);
    let (closed, opened) = (closed.collect(), opened.collect());
    Ok(Json(ReshardAnswer { stream, preview: input.preview, closed, opened }))
}

fn shard_id(text: &str) -> Result<ShardId, RestError> {
    text.parse().map_err(|wrong: InvalidShardId| RestError::invalid(wrong.to_string()))
}

/// The map that the change would leave. Numbers of records are not part of it.
fn would_be(shards: &ShardMap, change: Reshard, stream: &StreamName, now: Timestamp) -> Result<ShardMap, StreamError> {
    let resharded = shards.resharded(change, now, |_| SequenceNumber::FIRST);
    resharded.map_err(|source| StreamError::Reshard { stream: stream.clone(), source })
}

/// The hash key that cuts a shard in two halves; of a shard that does not exist any, for the rules to report it.
fn middle(shards: &ShardMap, shard: ShardId) -> HashKey {
    let range = shards.get(shard).map(|shard| shard.range);
    range.map_or(HashKey(0), |range| HashKey(range.start.0 + (range.end.0 - range.start.0) / 2 + 1))
}

fn row(shard: &Shard) -> ShardRow {
    ShardRow {
        shard: shard.id.to_string(),
        start: shard.range.start.to_string(),
        end: shard.range.end.to_string(),
        share: (shard.range.end.0 - shard.range.start.0) as f64 / u128::MAX as f64,
    }
}
