//! Warm throughput: an on-demand stream is given as many shards as take that much.

use model::name::StreamName;
use model::stream::settings::StreamMode;
use model::stream::shard::Reshard;
use model::stream::store::StreamDescription;
use serde::Serialize;

use crate::aws::error::AwsError;
use crate::kinesis::limits;
use crate::kinesis::stream::calls;
use crate::state::GatewayState;

/// `WarmThroughput`.
#[derive(Debug, Serialize)]
pub(crate) struct WarmThroughput {
    #[serde(rename = "TargetMiBps")]
    target_mibps: u32,
    #[serde(rename = "CurrentMiBps")]
    current_mibps: u32,
}

impl WarmThroughput {
    /// Of a stream; nothing where none was asked for.
    pub(crate) fn of(description: &StreamDescription) -> Option<Self> {
        let target_mibps = description.settings.warm_throughput_mibps?;
        let shards = i64::try_from(description.shards.open_count()).unwrap_or(i64::MAX);
        let taken = u32::try_from(shards * limits::SHARD_MIBPS).unwrap_or(u32::MAX);
        // The shards of a stream are bounded a little below the largest throughput that can be asked for.
        let current_mibps = if shards == limits::SHARDS_MAX { target_mibps } else { target_mibps.min(taken) };
        Some(WarmThroughput { target_mibps, current_mibps })
    }
}

/// A throughput of a request. Error: the stream is none that has one, or it is too much.
pub(crate) fn check(mode: StreamMode, mibps: i64) -> Result<u32, AwsError> {
    if mode != StreamMode::OnDemand {
        return Err(AwsError::invalid_argument("WarmThroughputMiBps is for streams in mode ON_DEMAND only."));
    }
    if mibps < 0 {
        let constraint = "Member must have value greater than or equal to 0";
        return Err(AwsError::validation(&format!("'{mibps}'"), "warmThroughputMiBps", constraint));
    }
    if mibps > limits::WARM_MIBPS_MAX {
        let message = format!("A stream is kept ready for at most {} MiB a second.", limits::WARM_MIBPS_MAX);
        return Err(AwsError::new("LimitExceededException", message));
    }
    Ok(u32::try_from(mibps).expect("between 0 and a small bound"))
}

/// The open shards of an on-demand stream that is kept ready for `mibps`.
pub(crate) fn shards(mibps: u32) -> u32 {
    let shards = (i64::from(mibps) / limits::SHARD_MIBPS).min(limits::SHARDS_MAX);
    limits::ON_DEMAND_SHARDS.max(u32::try_from(shards).expect("a small bound"))
}

/// Gives an on-demand stream the shards for `mibps`, and no more.
pub(crate) async fn warm(state: &GatewayState, stream: &StreamName, mibps: u32) -> Result<WarmThroughput, AwsError> {
    let description = calls::describe(state, stream).await?;
    calls::in_mode(&description, StreamMode::OnDemand)?;
    let shards = shards(mibps);
    let more = (shards as usize).saturating_sub(description.shards.open_count());
    calls::room_for_shards(state, more).await?;
    let altered = calls::alter(state, stream, |description, settings| {
        calls::in_mode(description, StreamMode::OnDemand)?;
        settings.warm_throughput_mibps = Some(mibps);
        Ok(())
    });
    altered.await?;
    let description = calls::reshard(state, stream, Reshard::Uniform { shards }).await?;
    Ok(WarmThroughput::of(&description).unwrap_or(WarmThroughput { target_mibps: mibps, current_mibps: mibps }))
}
