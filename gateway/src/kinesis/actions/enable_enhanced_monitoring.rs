//! EnableEnhancedMonitoring: which figures are asked for per shard.

use crate::aws::error::AwsError;
use crate::kinesis::stream::monitoring;
use crate::kinesis::stream::monitoring::Output;
use crate::state::GatewayState;

pub(crate) use crate::kinesis::stream::monitoring::Input;

/// Turns metrics on.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Output, AwsError> {
    monitoring::change(state, &input, |kept, given| kept.extend(given)).await
}
