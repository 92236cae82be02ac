//! CreateStream: on-demand with four shards where no number of shards is named.

use std::collections::BTreeMap;

use model::name::StreamName;
use model::stream::settings::StreamMode;
use model::stream::store::StreamOptions;
use serde::Deserialize;

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::aws::wire::text::Text;
use crate::kinesis::stream::mode::GivenMode;
use crate::kinesis::stream::{calls, tags, throughput};
use crate::kinesis::target::{Target, Targets};
use crate::kinesis::{error, limits};
use crate::state::GatewayState;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input<'a> {
    #[serde(borrow)]
    stream_name: Option<Text<'a>>,
    shard_count: Option<i64>,
    #[serde(borrow)]
    stream_mode_details: Option<GivenMode<'a>>,
    #[serde(rename = "MaxRecordSizeInKiB")]
    max_record_size_in_kib: Option<i64>,
    #[serde(borrow)]
    tags: Option<BTreeMap<Text<'a>, Text<'a>>>,
    #[serde(rename = "WarmThroughputMiBps")]
    warm_throughput_mibps: Option<i64>,
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

/// Creates a stream; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let name = input.name()?;
    let options = options(&input)?;
    let usage = calls::usage(state).await?;
    let exceeded = |exceeded| error::of_exceeded(&exceeded, &state.options);
    usage.room_for_shards(options.shards as usize).map_err(exceeded)?;
    if options.mode == StreamMode::OnDemand {
        usage.room_for_on_demand().map_err(exceeded)?;
    }
    let created = state.streams.create(&name, options).await;
    created.map(|_| Empty).map_err(|failure| error::of_stream(&failure, &state.options.account_id))
}

fn options(input: &Input<'_>) -> Result<StreamOptions, AwsError> {
    let mode = match &input.stream_mode_details {
        Some(details) => details.mode()?,
        None if input.shard_count.is_none() => StreamMode::OnDemand,
        None => StreamMode::Provisioned,
    };
    let warm = input.warm_throughput_mibps.map(|mibps| throughput::check(mode, mibps)).transpose()?;
    if let Some(strategy) = input.record_distribution_strategy.as_deref() {
        limits::record_distribution(strategy)?;
        if mode != StreamMode::OnDemand {
            let message = "RecordDistributionStrategy is for streams in mode ON_DEMAND only.";
            return Err(AwsError::invalid_argument(message));
        }
    }
    Ok(StreamOptions {
        shards: shards(mode, input.shard_count, warm)?,
        mode,
        record_bytes_max: limits::record_bytes_max(input.max_record_size_in_kib.unwrap_or(1024))?,
        tags: input.tags.as_ref().map(tags::given).transpose()?.unwrap_or_default(),
        warm_throughput_mibps: warm,
        ..StreamOptions::default()
    })
}

fn shards(mode: StreamMode, count: Option<i64>, warm: Option<u32>) -> Result<u32, AwsError> {
    match (mode, count) {
        (StreamMode::OnDemand, None) => Ok(throughput::shards(warm.unwrap_or(0))),
        (StreamMode::OnDemand, Some(_)) => {
            Err(AwsError::invalid_argument("ShardCount must not be given for a stream in mode ON_DEMAND."))
        }
        (StreamMode::Provisioned, None) => {
            Err(AwsError::invalid_argument("ShardCount must be given for a stream in mode PROVISIONED."))
        }
        (StreamMode::Provisioned, Some(count)) if count > limits::SHARDS_MAX => {
            let message = format!("A stream is created with at most {} shards.", limits::SHARDS_MAX);
            Err(AwsError::new("LimitExceededException", message))
        }
        (StreamMode::Provisioned, count) => Ok(limits::number(count, "shardCount", limits::SHARDS_MAX, 1)? as u32),
    }
}
