//! DeleteStream.

use serde::Deserialize;

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::aws::wire::text::Text;
use crate::kinesis::target::targets_stream;
use crate::kinesis::{error, limits, stream};
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
    enforce_consumer_deletion: Option<bool>,
}

targets_stream!(Input);

/// Deletes a stream with its records, and with its registered consumers only where told so; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let stream = limits::stream(
        &state.options,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
        input.stream_id.as_deref(),
    )?;
    let consumers = stream::describe(state, &stream).await?.settings.consumers.len();
    if consumers > 0 && input.enforce_consumer_deletion != Some(true) {
        let account = &state.options.account_id;
        let message = format!(
            "Stream {stream} under account {account} has {consumers} registered consumers. Deregister them, or set \
             EnforceConsumerDeletion."
        );
        return Err(AwsError::new("ResourceInUseException", message));
    }
    let deleted = state.streams.delete(&stream).await;
    deleted.map(|()| Empty).map_err(|failure| error::of_stream(&failure, &state.options.account_id))
}
