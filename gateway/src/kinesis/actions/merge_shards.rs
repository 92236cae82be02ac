//! MergeShards: two neighbours become one shard.

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::aws::wire::text::Text;
use crate::kinesis::target::stream_input;
use crate::kinesis::{limits, stream};
use crate::state::GatewayState;
use model::name::StreamName;
use model::stream::settings::StreamMode;
use model::stream::shard::Reshard;

stream_input! {
    pub(crate) struct Input<'a> {
        #[serde(borrow)]
        shard_to_merge: Option<Text<'a>>,
        #[serde(borrow)]
        adjacent_shard_to_merge: Option<Text<'a>>,
    }
}

/// Merges two shards; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let stream = input.stream(state)?;
    let shard = input.shard_to_merge.as_deref().ok_or_else(|| AwsError::missing("shardToMerge"))?;
    let adjacent = input.adjacent_shard_to_merge.as_deref().ok_or_else(|| AwsError::missing("adjacentShardToMerge"))?;
    let change = checked(state, &stream, shard, adjacent).await?;
    stream::reshard(state, &stream, change).await?;
    Ok(Empty)
}

/// The change, if the stream as it is now lets it be.
pub(crate) async fn checked(
    state: &GatewayState,
    stream: &StreamName,
    shard: &str,
    adjacent: &str,
) -> Result<Reshard, AwsError> {
    let account = &state.options.account_id;
    let shard = limits::shard_of(shard, "shardToMerge", stream, account)?;
    let adjacent = limits::shard_of(adjacent, "adjacentShardToMerge", stream, account)?;
    stream::in_mode(&*stream::describe(state, stream).await?, StreamMode::Provisioned)?;
    Ok(Reshard::Merge { shard, adjacent })
}
