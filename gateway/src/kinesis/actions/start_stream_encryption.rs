//! StartStreamEncryption: what comes from now on is encrypted at rest, with a key of the key file.

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::kinesis::stream::calls;
use crate::state::GatewayState;

pub(crate) use crate::kinesis::stream::encryption::Input;

/// Encrypts a stream, or goes on with another key; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let stream = input.stream(state)?;
    let key = input.key(state)?;
    calls::alter(state, &stream, |_, settings| {
        settings.encryption_key = Some(key.clone());
        Ok(())
    })
    .await?;
    Ok(Empty)
}
