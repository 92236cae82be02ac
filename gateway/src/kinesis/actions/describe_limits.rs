//! DescribeLimits: what all streams together may have, and have.

use serde::{Deserialize, Serialize};

use crate::aws::error::AwsError;
use crate::kinesis::limits;
use crate::kinesis::stream::Usage;
use crate::kinesis::target::targets_account;
use crate::state::GatewayState;

#[derive(Deserialize)]
pub(crate) struct Input {}

targets_account!(Input);

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
    let usage = Usage::of(state).await?;
    Ok(Output {
        shard_limit: limits::ACCOUNT_SHARDS_MAX,
        open_shard_count: usage.open_shards,
        on_demand_stream_count: usage.on_demand_streams,
        on_demand_stream_count_limit: limits::ON_DEMAND_STREAMS_MAX,
    })
}
