//! DisableEnhancedMonitoring: which figures are no longer asked for per shard.

use crate::aws::error::AwsError;
use crate::kinesis::stream::monitoring;
use crate::kinesis::stream::monitoring::Output;
use crate::state::GatewayState;

pub(crate) use crate::kinesis::stream::monitoring::Input;

/// Turns metrics off.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Output, AwsError> {
    monitoring::change(state, &input, |kept, given| kept.retain(|metric| !given.contains(metric))).await
}
