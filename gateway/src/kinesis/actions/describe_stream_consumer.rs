//! DescribeStreamConsumer.

use serde::{Deserialize, Serialize};

use crate::aws::error::AwsError;
use crate::aws::wire::text::Text;
use crate::kinesis::consumers::{Consumer, Named};
use crate::kinesis::target::{Target, Targets};
use crate::kinesis::{limits, stream};
use crate::router::{GatewayOptions, GatewayState};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input<'a> {
    #[serde(borrow, rename = "StreamARN")]
    stream_arn: Option<Text<'a>>,
    #[serde(borrow)]
    consumer_name: Option<Text<'a>>,
    #[serde(borrow, rename = "ConsumerARN")]
    consumer_arn: Option<Text<'a>>,
    #[serde(borrow)]
    stream_id: Option<Text<'a>>,
}

impl Targets for Input<'_> {
    fn target(&self, state: &GatewayState) -> Result<Target, AwsError> {
        self.named(&state.options).map(Named::target)
    }
}

impl Input<'_> {
    fn named(&self, options: &GatewayOptions) -> Result<Named, AwsError> {
        Named::of(
            options,
            self.stream_arn.as_deref(),
            self.consumer_name.as_deref(),
            self.consumer_arn.as_deref(),
            self.stream_id.as_deref(),
        )
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    consumer_description: Consumer,
}

/// Describes a registered consumer.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Output, AwsError> {
    let named = input.named(&state.options)?;
    let description = stream::describe(state, &named.stream).await?;
    let found = named.find(&description, &state.options.account_id)?;
    let consumer = Consumer::of(&state.options, &named.stream, &named.name, found);
    Ok(Output { consumer_description: consumer.with_stream(limits::arn(&state.options, &named.stream)) })
}
