//! DescribeStream: the stream and its shards, page by page.

use model::name::StreamName;
use serde::Serialize;

use crate::aws::error::AwsError;
use crate::aws::wire::text::Text;
use crate::aws::wire::time::Time;
use crate::kinesis::input::input;
use crate::kinesis::limits;
use crate::kinesis::stream::calls;
use crate::kinesis::stream::encryption::Encryption;
use crate::kinesis::stream::shapes::{EnhancedMetrics, ModeDetails, ShardShape};
use crate::state::GatewayState;

input!(stream {
    limit: Option<i64>,
    #[serde(borrow)]
    exclusive_start_shard_id: Option<Text<'a>>,
});

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    stream_description: Description,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Description {
    stream_name: StreamName,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    stream_status: &'static str,
    stream_mode_details: ModeDetails,
    shards: Vec<ShardShape>,
    has_more_shards: bool,
    retention_period_hours: u64,
    stream_creation_timestamp: Time,
    enhanced_monitoring: [EnhancedMetrics; 1],
    #[serde(flatten)]
    encryption: Encryption,
}

/// Describes a stream.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Output, AwsError> {
    let stream = input.stream(state)?;
    let limit = limits::number(input.limit, "limit", limits::PAGE_MAX, limits::PAGE_DEFAULT)?;
    let after = input.exclusive_start_shard_id.as_deref();
    let after = after.map(|id| limits::shard_id(id, "exclusiveStartShardId")).transpose()?;
    let description = calls::describe(state, &stream).await?;
    let mut rest = description.shards.iter().filter(|shard| after.is_none_or(|after| after < shard.id));
    let shards = rest.by_ref().take(limit).map(ShardShape::of).collect();
    Ok(Output {
        stream_description: Description {
            stream_name: description.name.clone(),
            stream_arn: limits::arn(&state.options, &description.name),
            stream_status: "ACTIVE",
            stream_mode_details: ModeDetails::of(&description),
            shards,
            has_more_shards: rest.next().is_some(),
            retention_period_hours: description.settings.retention.as_secs() / 3600,
            stream_creation_timestamp: Time(description.created_at),
            enhanced_monitoring: [EnhancedMetrics::of(&description)],
            encryption: Encryption::of(description.settings.encryption_key.as_ref()),
        },
    })
}
