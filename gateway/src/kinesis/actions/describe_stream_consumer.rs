//! DescribeStreamConsumer.

use serde::Serialize;

use crate::aws::error::AwsError;
use crate::kinesis::limits;
use crate::kinesis::stream::calls;
use crate::kinesis::stream::consumers::Consumer;
use crate::state::GatewayState;

pub(crate) use crate::kinesis::stream::consumers::Input;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    consumer_description: Consumer,
}

/// Describes a registered consumer.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Output, AwsError> {
    let named = input.named(state)?;
    let description = calls::describe(state, &named.stream).await?;
    let found = named.find(&description, &state.options.account_id)?;
    let consumer = Consumer::of(&state.options, &named.stream, &named.name, found);
    Ok(Output { consumer_description: consumer.with_stream(limits::arn(&state.options, &named.stream)) })
}
