//! CreateStream: on-demand with four shards where no number of shards is named.

use model::name::StreamName;
use model::stream_settings::StreamMode;
use model::stream_store::StreamOptions;
use serde::Deserialize;

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::aws::wire::text::Text;
use crate::kinesis::target::{Target, Targets};
use crate::kinesis::{error, limits};
use crate::router::GatewayState;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input<'a> {
    #[serde(borrow)]
    stream_name: Option<Text<'a>>,
    shard_count: Option<i64>,
    #[serde(borrow)]
    stream_mode_details: Option<ModeDetails<'a>>,
    #[serde(rename = "MaxRecordSizeInKiB")]
    max_record_size_in_kib: Option<i64>,
    tags: Option<serde::de::IgnoredAny>,
    #[serde(rename = "WarmThroughputMiBps")]
    warm_throughput: Option<serde::de::IgnoredAny>,
    #[serde(borrow)]
    record_distribution_strategy: Option<Text<'a>>,
}

impl Targets for Input<'_> {
    fn target(&self, _: &GatewayState) -> Result<Target, AwsError> {
        self.name().map(Target::Stream)
    }
}

impl Input<'_> {
    fn name(&self) -> Result<StreamName, AwsError> {
        limits::stream_name(self.stream_name.as_ref().ok_or_else(|| AwsError::missing("streamName"))?)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ModeDetails<'a> {
    #[serde(borrow)]
    stream_mode: Text<'a>,
}

/// Creates a stream; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let name = input.name()?;
    let options = options(&input)?;
    let created = state.streams.create(&name, options).await;
    created.map(|_| Empty).map_err(|failure| error::of_stream(&failure, &state.options.account_id))
}

fn options(input: &Input<'_>) -> Result<StreamOptions, AwsError> {
    if input.tags.is_some() {
        return Err(AwsError::not_supported("Tags"));
    }
    if input.warm_throughput.is_some() {
        return Err(AwsError::not_supported("WarmThroughputMiBps"));
    }
    if input.record_distribution_strategy.as_deref().is_some_and(|strategy| strategy == "AUTO") {
        return Err(AwsError::not_supported("RecordDistributionStrategy AUTO"));
    }
    let mode = match input.stream_mode_details.as_ref().map(|details| &*details.stream_mode.0) {
        None if input.shard_count.is_none() => StreamMode::OnDemand,
        None | Some("PROVISIONED") => StreamMode::Provisioned,
        Some("ON_DEMAND") => StreamMode::OnDemand,
        Some(other) => {
            let constraint = "Member must satisfy enum value set: [PROVISIONED, ON_DEMAND]";
            return Err(AwsError::validation(&format!("'{other}'"), "streamModeDetails.streamMode", constraint));
        }
    };
    let shards = match (mode, input.shard_count) {
        (StreamMode::OnDemand, None) => limits::ON_DEMAND_SHARDS,
        (StreamMode::OnDemand, Some(_)) => {
            return Err(AwsError::invalid_argument("ShardCount must not be given for a stream in mode ON_DEMAND."));
        }
        (StreamMode::Provisioned, None) => {
            return Err(AwsError::invalid_argument("ShardCount must be given for a stream in mode PROVISIONED."));
        }
        (StreamMode::Provisioned, Some(count)) if count > limits::SHARDS_MAX => {
            let message = format!("A stream is created with at most {} shards.", limits::SHARDS_MAX);
            return Err(AwsError::new("LimitExceededException", message));
        }
        (StreamMode::Provisioned, count) => limits::number(count, "shardCount", limits::SHARDS_MAX, 1)? as u32,
    };
    let record_kib = input.max_record_size_in_kib.unwrap_or(1024);
    if record_kib < 1024 {
        let constraint = "Member must have value greater than or equal to 1024";
        return Err(AwsError::validation(&format!("'{record_kib}'"), "maxRecordSizeInKiB", constraint));
    }
    let record_bytes_max = limits::number(Some(record_kib), "maxRecordSizeInKiB", 10_240, 1024)? << 10;
    Ok(StreamOptions { shards, mode, record_bytes_max, ..StreamOptions::default() })
}
