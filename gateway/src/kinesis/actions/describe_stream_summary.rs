//! DescribeStreamSummary: the stream without its shards.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

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
}

/// Describes a stream in short.
pub(crate) async fn run(state: &GatewayState, body: &Bytes) -> Result<Vec<u8>, AwsError> {
    let input: Input<'_> = wire::parse(body)?;
    let stream = limits::stream(
        &state.options,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
        input.stream_id.as_deref(),
    )?;
    let describe = state.streams.describe(&stream).await;
    let description = describe.map_err(|failure| error::of_stream(&failure, &state.options.account_id))?;
    let answer = json!({"StreamDescriptionSummary": {
        "StreamName": description.name,
        "StreamARN": limits::arn(&state.options, &description.name),
        "StreamStatus": "ACTIVE",
        "StreamModeDetails": wire::mode_details(&description),
        "RetentionPeriodHours": description.options.retention.as_secs() / 3600,
        "StreamCreationTimestamp": wire::seconds(description.created_at),
        "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
        "EncryptionType": "NONE",
        "OpenShardCount": description.shards.open_count(),
        "ConsumerCount": 0,
        "MaxRecordSizeInKiB": description.options.record_bytes_max >> 10,
    }});
    Ok(answer.to_string().into_bytes())
}
