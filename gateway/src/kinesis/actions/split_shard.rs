//! SplitShard: one shard becomes two, from one record to the next.

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::aws::wire::text::Text;
use crate::kinesis::limits;
use crate::kinesis::stream::{self, Usage};
use crate::kinesis::target::stream_input;
use crate::state::GatewayState;
use model::name::StreamName;
use model::stream::hash_key::HashKey;
use model::stream::settings::StreamMode;
use model::stream::shard::{Reshard, ReshardError};
use model::stream::store::StreamError;

stream_input! {
    pub(crate) struct Input<'a> {
        #[serde(borrow)]
        shard_to_split: Option<Text<'a>>,
        #[serde(borrow)]
        new_starting_hash_key: Option<Text<'a>>,
    }
}

/// Splits a shard; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let stream = input.stream(state)?;
    let shard = input.shard_to_split.as_deref().ok_or_else(|| AwsError::missing("shardToSplit"))?;
    let at = input.new_starting_hash_key.as_deref().ok_or_else(|| AwsError::missing("newStartingHashKey"))?;
    let change = checked(state, &stream, shard, at).await?;
    stream::reshard(state, &stream, change).await?;
    Ok(Empty)
}

/// The change, if the stream as it is now lets it be.
pub(crate) async fn checked(
    state: &GatewayState,
    stream: &StreamName,
    shard: &str,
    at: &str,
) -> Result<Reshard, AwsError> {
    let at = limits::hash_key(at, || "newStartingHashKey".to_owned())?;
    let shard = limits::shard_of(shard, "shardToSplit", stream, &state.options.account_id)?;
    let description = stream::describe(state, stream).await?;
    stream::in_mode(&description, StreamMode::Provisioned)?;
    Usage::of(state).await?.room_for_shards(1, state)?;
    // Both children are wider than one key, as in AWS.
    if let Some(range) = description.shards.get(shard).filter(|shard| shard.is_open()).map(|shard| shard.range)
        && (at <= HashKey(range.start.0.saturating_add(1)) || range.end <= at)
    {
        let source = ReshardError::SplitOutside { shard, at, range };
        return Err(stream::refused(&StreamError::Reshard { stream: stream.clone(), source }, state));
    }
    Ok(Reshard::Split { shard, at })
}
