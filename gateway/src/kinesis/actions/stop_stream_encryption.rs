//! StopStreamEncryption: what comes from now on is plain at rest.

use serde::Deserialize;

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::aws::wire::text::Text;
use crate::kinesis::target::targets_stream;
use crate::kinesis::{encryption, limits, stream};
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
    #[serde(borrow)]
    encryption_type: Option<Text<'a>>,
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
}

targets_stream!(Input);

/// Ends the encryption of a stream. What is encrypted stays so and needs its key; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let stream = limits::stream(
        &state.options,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
        input.stream_id.as_deref(),
    )?;
    let key = encryption::given_key(&state.options, input.encryption_type.as_deref(), input.key_id.as_deref())?;
    let account = &state.options.account_id;
    stream::alter(state, &stream, |_, settings| match settings.encryption_key.take() {
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
