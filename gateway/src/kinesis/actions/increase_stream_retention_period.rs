//! IncreaseStreamRetentionPeriod: what is past the present one stays gone.

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::kinesis::stream::retention;
use crate::kinesis::stream::retention::Direction;
use crate::state::GatewayState;

pub(crate) use crate::kinesis::stream::retention::Input;

/// Makes retention longer.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    retention::change(state, &input, Direction::Longer).await
}
