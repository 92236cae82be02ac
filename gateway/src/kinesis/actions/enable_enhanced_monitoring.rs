//! EnableEnhancedMonitoring: which figures are asked for per shard.

use serde::Deserialize;

use crate::aws::error::AwsError;
use crate::aws::wire::text::Text;
use crate::kinesis::limits;
use crate::kinesis::monitoring::{self, Output};
use crate::kinesis::target::targets_stream;
use crate::router::GatewayState;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input<'a> {
    #[serde(borrow)]
    stream_name: Option<Text<'a>>,
    #[serde(borrow, rename = "StreamARN")]
    stream_arn: Option<Text<'a>>,
    #[serde(borrow)]
    stream_id: Option<Text<'a>>,
    #[serde(borrow)]
    shard_level_metrics: Option<Vec<Text<'a>>>,
}

targets_stream!(Input);

/// Turns metrics on.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Output, AwsError> {
    let stream = limits::stream(
        &state.options,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
        input.stream_id.as_deref(),
    )?;
    let given = input.shard_level_metrics.as_ref().ok_or_else(|| AwsError::missing("shardLevelMetrics"))?;
    let metrics = monitoring::given(given)?;
    monitoring::change(state, &stream, |kept| kept.extend(&metrics)).await
}
