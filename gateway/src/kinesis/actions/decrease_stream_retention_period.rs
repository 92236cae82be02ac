//! DecreaseStreamRetentionPeriod: records older than the new one are not readable from then on.

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::kinesis::stream::retention;
use crate::kinesis::stream::retention::Direction;
use crate::state::GatewayState;

pub(crate) use crate::kinesis::stream::retention::Input;

/// Makes retention shorter.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    retention::change(state, &input, Direction::Shorter).await
}
