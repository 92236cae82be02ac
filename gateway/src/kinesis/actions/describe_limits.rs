//! DescribeLimits: what all streams together may have, and have.

use serde::{Deserialize, Serialize};

use crate::aws::error::AwsError;
use crate::kinesis::stream::calls;
use crate::kinesis::target::{Target, Targets};
use crate::state::GatewayState;
use crate::usage::{ON_DEMAND_STREAMS_MAX, OPEN_SHARDS_MAX};

#[derive(Deserialize)]
pub(crate) struct Input {}

impl Targets for Input {
    fn target(&self, _: &GatewayState) -> Result<Target, AwsError> {
        Ok(Target::Account)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    shard_limit: usize,
    open_shard_count: usize,
    on_demand_stream_count: usize,
    on_demand_stream_count_limit: usize,
}

/// Shows limits and use.
pub(crate) async fn run(state: &GatewayState, _input: Input) -> Result<Output, AwsError> {
    let usage = calls::usage(state).await?;
    Ok(Output {
        shard_limit: OPEN_SHARDS_MAX,
        open_shard_count: usage.open_shards,
        on_demand_stream_count: usage.on_demand_streams,
        on_demand_stream_count_limit: ON_DEMAND_STREAMS_MAX,
    })
}
