//! DescribeStreamSummary: the stream without its shards.

use model::name::StreamName;
use model::stream::settings::StreamMode;
use serde::Serialize;

use crate::aws::error::AwsError;
use crate::aws::wire::time::Time;
use crate::kinesis::input::input;
use crate::kinesis::limits;
use crate::kinesis::stream::calls;
use crate::kinesis::stream::encryption::Encryption;
use crate::kinesis::stream::shapes::{EnhancedMetrics, ModeDetails};
use crate::kinesis::stream::throughput::WarmThroughput;
use crate::state::GatewayState;

input!(stream {});

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    stream_description_summary: Summary,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Summary {
    stream_name: StreamName,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    stream_status: &'static str,
    stream_mode_details: ModeDetails,
    retention_period_hours: u64,
    stream_creation_timestamp: Time,
    enhanced_monitoring: [EnhancedMetrics; 1],
    #[serde(flatten)]
    encryption: Encryption,
    open_shard_count: usize,
    consumer_count: usize,
    #[serde(rename = "MaxRecordSizeInKiB")]
    max_record_size_in_kib: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    warm_throughput: Option<WarmThroughput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_distribution_strategy: Option<&'static str>,
    channel_count: usize,
    queue_count: usize,
}

/// Describes a stream in short.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Output, AwsError> {
    let stream = input.stream(state)?;
    let description = calls::describe(state, &stream).await?;
    Ok(Output {
        stream_description_summary: Summary {
            stream_name: description.name.clone(),
            stream_arn: limits::arn(&state.options, &description.name),
            stream_status: "ACTIVE",
            stream_mode_details: ModeDetails::of(&description),
            retention_period_hours: description.settings.retention.as_secs() / 3600,
            stream_creation_timestamp: Time(description.created_at),
            enhanced_monitoring: [EnhancedMetrics::of(&description)],
            encryption: Encryption::of(description.settings.encryption_key.as_ref()),
            open_shard_count: description.shards.open_count(),
            consumer_count: description.settings.consumers.len(),
            max_record_size_in_kib: description.settings.record_bytes_max >> 10,
            warm_throughput: WarmThroughput::of(&description),
            // Only streams in this mode have one.
            record_distribution_strategy: (description.settings.mode == StreamMode::OnDemand)
                .then_some("USER_PARTITION_KEY"),
            channel_count: 0,
            queue_count: 0,
        },
    })
}
