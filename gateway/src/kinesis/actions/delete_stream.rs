//! DeleteStream.

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::kinesis::error;
use crate::kinesis::input::input;
use crate::kinesis::stream::calls;
use crate::state::GatewayState;

input!(stream {
    enforce_consumer_deletion: Option<bool>,
});

/// Deletes a stream with its records, and with its registered consumers only where told so; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let stream = input.stream(state)?;
    let consumers = calls::describe(state, &stream).await?.settings.consumers.len();
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
