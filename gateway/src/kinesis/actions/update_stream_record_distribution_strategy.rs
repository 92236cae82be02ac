//! UpdateStreamRecordDistributionStrategy: records go where their partition keys say, and nowhere else.

use model::stream::settings::StreamMode;
use serde::Deserialize;

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::aws::wire::text::Text;
use crate::kinesis::target::targets_stream_arn;
use crate::kinesis::{limits, stream};
use crate::state::GatewayState;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input<'a> {
    #[serde(borrow, rename = "StreamARN")]
    stream_arn: Option<Text<'a>>,
    #[serde(borrow)]
    stream_id: Option<Text<'a>>,
    #[serde(borrow)]
    record_distribution_strategy: Option<Text<'a>>,
}

targets_stream_arn!(Input);

/// Confirms USER_PARTITION_KEY, refuses AUTO; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let stream = limits::stream_by_arn(&state.options, input.stream_arn.as_deref(), input.stream_id.as_deref())?;
    let strategy = input.record_distribution_strategy.as_deref();
    let strategy = strategy.ok_or_else(|| AwsError::missing("recordDistributionStrategy"))?;
    limits::record_distribution(strategy)?;
    stream::in_mode(&*stream::describe(state, &stream).await?, StreamMode::OnDemand)?;
    Ok(Empty)
}
