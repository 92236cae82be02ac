//! DeregisterStreamConsumer.

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::kinesis::stream::calls;
use crate::state::GatewayState;

pub(crate) use crate::kinesis::stream::consumers::Input;

/// Takes a consumer off the stream; what is pushed to it ends. The answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let named = input.named(state)?;
    calls::alter(state, &named.stream, |description, settings| {
        let gone = named.find(description, &state.options.account_id)?;
        settings.consumers_gone_at = settings.consumers_gone_at.max(Some(gone.created_at));
        settings.consumers.remove(&named.name);
        Ok(())
    })
    .await?;
    Ok(Empty)
}
