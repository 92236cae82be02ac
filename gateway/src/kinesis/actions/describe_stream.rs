//! DescribeStream: the stream and its shards, page by page.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::aws::error::AwsError;
use crate::kinesis::wire::{self, Text};
use crate::kinesis::{error, limits};
use crate::router::GatewayState;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input<'a> {
    #[serde(borrow)]
    stream_name: Option<Text<'a>>,
    #[serde(borrow, rename = "StreamARN")]
    stream_arn: Option<Text<'a>>,
    #[serde(borrow)]
    stream_id: Option<Text<'a>>,
    limit: Option<i64>,
    #[serde(borrow)]
    exclusive_start_shard_id: Option<Text<'a>>,
}

/// Describes a stream.
pub(crate) async fn run(state: &GatewayState, body: &Bytes) -> Result<Vec<u8>, AwsError> {
    let input: Input<'_> = wire::parse(body)?;
    let stream = limits::stream(
        &state.options,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
        input.stream_id.as_deref(),
    )?;
    let limit = limits::number(input.limit, "limit", limits::PAGE_MAX, limits::PAGE_DEFAULT)?;
    let after = input.exclusive_start_shard_id.as_deref();
    let after = after.map(|id| limits::shard_id(id, "exclusiveStartShardId")).transpose()?;
    let describe = state.streams.describe(&stream).await;
    let description = describe.map_err(|failure| error::of_stream(&failure, &state.options.account_id))?;
    let mut rest = description.shards.iter().filter(|shard| after.is_none_or(|after| after < shard.id));
    let shards: Vec<Value> = rest.by_ref().take(limit).map(wire::shard).collect();
    let answer = json!({"StreamDescription": {
        "StreamName": description.name,
        "StreamARN": limits::arn(&state.options, &description.name),
        "StreamStatus": "ACTIVE",
        "StreamModeDetails": wire::mode_details(&description),
        "Shards": shards,
        "HasMoreShards": rest.next().is_some(),
        "RetentionPeriodHours": description.options.retention.as_secs() / 3600,
        "StreamCreationTimestamp": wire::seconds(description.created_at),
        "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
        "EncryptionType": "NONE",
    }});
    Ok(answer.to_string().into_bytes())
}
