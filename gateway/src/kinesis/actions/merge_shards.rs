//! MergeShards: two neighbours become one shard.

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::aws::wire::text::Text;
use crate::kinesis::input::input;
use crate::kinesis::stream::calls;
use crate::kinesis::{error, limits};
use crate::reshard;
use crate::state::GatewayState;

input!(stream {
    #[serde(borrow)]
    shard_to_merge: Option<Text<'a>>,
    #[serde(borrow)]
    adjacent_shard_to_merge: Option<Text<'a>>,
});

/// Merges two shards; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let stream = input.stream(state)?;
    let shard = input.shard_to_merge.as_deref().ok_or_else(|| AwsError::missing("shardToMerge"))?;
    let adjacent = input.adjacent_shard_to_merge.as_deref().ok_or_else(|| AwsError::missing("adjacentShardToMerge"))?;
    let account = &state.options.account_id;
    let shard = limits::shard_of(shard, "shardToMerge", &stream, account)?;
    let adjacent = limits::shard_of(adjacent, "adjacentShardToMerge", &stream, account)?;
    let change = reshard::merge(&*state.streams, &stream, shard, adjacent).await;
    calls::reshard(state, &stream, change.map_err(|refused| error::of_reshard_rules(&refused, &state.options))?)
        .await?;
    Ok(Empty)
}
