//! MergeShards: two neighbours become one shard.

use model::shard::Reshard;
use model::stream_settings::StreamMode;
use serde::Deserialize;

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::aws::wire::text::Text;
use crate::kinesis::target::targets_stream;
use crate::kinesis::{limits, stream};
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
    shard_to_merge: Option<Text<'a>>,
    #[serde(borrow)]
    adjacent_shard_to_merge: Option<Text<'a>>,
}

targets_stream!(Input);

/// Merges two shards; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let stream = limits::stream(
        &state.options,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
        input.stream_id.as_deref(),
    )?;
    let account = &state.options.account_id;
    let one = input.shard_to_merge.as_deref().ok_or_else(|| AwsError::missing("shardToMerge"))?;
    let other = input.adjacent_shard_to_merge.as_deref().ok_or_else(|| AwsError::missing("adjacentShardToMerge"))?;
    let shard = limits::shard_of(one, "shardToMerge", &stream, account)?;
    let adjacent = limits::shard_of(other, "adjacentShardToMerge", &stream, account)?;
    stream::in_mode(&*stream::describe(state, &stream).await?, StreamMode::Provisioned)?;
    stream::reshard(state, &stream, Reshard::Merge { shard, adjacent }).await?;
    Ok(Empty)
}
