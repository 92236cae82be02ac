//! UpdateShardCount: so many open shards of equal width, by splits and merges that take effect together.

use model::name::StreamName;
use model::stream::settings::StreamMode;
use model::stream::shard::Reshard;
use serde::Serialize;

use crate::aws::error::AwsError;
use crate::aws::wire::text::Text;
use crate::kinesis::input::input;
use crate::kinesis::limits;
use crate::kinesis::stream::calls;
use crate::state::GatewayState;

input!(stream {
    target_shard_count: Option<i64>,
    #[serde(borrow)]
    scaling_type: Option<Text<'a>>,
});

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    stream_name: StreamName,
    current_shard_count: usize,
    target_shard_count: usize,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
}

/// Changes the number of shards, at most ten times a day, to at most the double and at least the half.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Output, AwsError> {
    let stream = input.stream(state)?;
    let target = input.target_shard_count.ok_or_else(|| AwsError::missing("targetShardCount"))?;
    let target = limits::number(Some(target), "targetShardCount", i64::from(u32::MAX), 1)?;
    let scaling = input.scaling_type.as_deref().ok_or_else(|| AwsError::missing("scalingType"))?;
    if scaling != "UNIFORM_SCALING" {
        let constraint = "Member must satisfy enum value set: [UNIFORM_SCALING]";
        return Err(AwsError::validation(&format!("'{scaling}'"), "scalingType", constraint));
    }
    let description = calls::describe(state, &stream).await?;
    calls::in_mode(&description, StreamMode::Provisioned)?;
    let current = description.shards.open_count();
    check_target(current, target)?;
    calls::room_for_shards(state, target.saturating_sub(current)).await?;
    let now = state.clock.now();
    calls::alter(state, &stream, |_, settings| {
        calls::once_more(&mut settings.shard_count_set_at, now, limits::SHARD_COUNTS_A_DAY, "UpdateShardCount")
    })
    .await?;
    let shards = u32::try_from(target).expect("checked against a small bound");
    calls::reshard(state, &stream, Reshard::Uniform { shards }).await?;
    let stream_arn = limits::arn(&state.options, &stream);
    Ok(Output { stream_name: stream, current_shard_count: current, target_shard_count: target, stream_arn })
}

fn check_target(current: usize, target: usize) -> Result<(), AwsError> {
    let counts = format!("Current open shard count: {current}, Target shard count: {target}");
    let refused = |text: &str| Err(AwsError::new("LimitExceededException", format!("{text} {counts}")));
    if target > limits::SHARDS_MAX as usize {
        return refused("UpdateShardCount cannot scale up over 10000 shards in a stream.");
    }
    if target > current * 2 {
        return refused("UpdateShardCount cannot scale up over double your current open shard count.");
    }
    if target * 2 < current {
        return refused("UpdateShardCount cannot scale down below half your current open shard count.");
    }
    Ok(())
}
