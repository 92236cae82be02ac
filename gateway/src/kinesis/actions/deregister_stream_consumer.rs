//! DeregisterStreamConsumer.

use serde::Deserialize;

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::aws::wire::text::Text;
use crate::kinesis::consumers::Named;
use crate::kinesis::stream;
use crate::kinesis::target::{Target, Targets};
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

/// Takes a consumer off the stream; what is pushed to it ends. The answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let named = input.named(&state.options)?;
    stream::alter(state, &named.stream, |description, settings| {
        let gone = named.find(description, &state.options.account_id)?;
        settings.consumers_gone_at = settings.consumers_gone_at.max(Some(gone.created_at));
        settings.consumers.remove(&named.name);
        Ok(())
    })
    .await?;
    Ok(Empty)
}
