//! UpdateStreamRecordDistributionStrategy: records go where their partition keys say, and nowhere else.

use model::stream::settings::StreamMode;

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::aws::wire::text::Text;
use crate::kinesis::input::input;
use crate::kinesis::limits;
use crate::kinesis::stream::calls;
use crate::state::GatewayState;

input!(stream_arn {
    #[serde(borrow)]
    record_distribution_strategy: Option<Text<'a>>,
});

/// Confirms USER_PARTITION_KEY, refuses AUTO; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let stream = input.stream(state)?;
    let strategy = input.record_distribution_strategy.as_deref();
    let strategy = strategy.ok_or_else(|| AwsError::missing("recordDistributionStrategy"))?;
    limits::record_distribution(strategy)?;
    calls::in_mode(&*calls::describe(state, &stream).await?, StreamMode::OnDemand)?;
    Ok(Empty)
}
