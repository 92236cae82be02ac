//! SplitShard: one shard becomes two, from one record to the next.

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
    shard_to_split: Option<Text<'a>>,
    #[serde(borrow)]
    new_starting_hash_key: Option<Text<'a>>,
});

/// Splits a shard; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let stream = input.stream(state)?;
    let shard = input.shard_to_split.as_deref().ok_or_else(|| AwsError::missing("shardToSplit"))?;
    let at = input.new_starting_hash_key.as_deref().ok_or_else(|| AwsError::missing("newStartingHashKey"))?;
    let at = limits::hash_key(at, || "newStartingHashKey".to_owned())?;
    let shard = limits::shard_of(shard, "shardToSplit", &stream, &state.options.account_id)?;
    let change = reshard::split(&*state.streams, &stream, shard, at).await;
    calls::reshard(state, &stream, change.map_err(|refused| error::of_reshard_rules(&refused, &state.options))?)
        .await?;
    Ok(Empty)
}
