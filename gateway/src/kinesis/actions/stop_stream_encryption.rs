//! StopStreamEncryption: what comes from now on is plain at rest.

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::kinesis::stream::calls;
use crate::state::GatewayState;

pub(crate) use crate::kinesis::stream::encryption::Input;

/// Ends the encryption of a stream. What is encrypted stays so and needs its key; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let stream = input.stream(state)?;
    let key = input.key(state)?;
    let account = &state.options.account_id;
    calls::alter(state, &stream, |_, settings| match settings.encryption_key.take() {
        Some(in_use) if in_use == key => Ok(()),
        Some(in_use) => {
            let message = format!("Stream {stream} under account {account} is encrypted with key {in_use}, not {key}.");
            Err(AwsError::invalid_argument(message))
        }
        None => Err(AwsError::invalid_argument(format!("Stream {stream} under account {account} is not encrypted."))),
    })
    .await?;
    Ok(Empty)
}
