//! StartStreamEncryption: what comes from now on is encrypted at rest, with a key of the key file.

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

/// Encrypts a stream, or goes on with another key; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let stream = limits::stream(
        &state.options,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
        input.stream_id.as_deref(),
    )?;
    let key = encryption::given_key(&state.options, input.encryption_type.as_deref(), input.key_id.as_deref())?;
    stream::alter(state, &stream, |_, settings| {
        settings.encryption_key = Some(key.clone());
        Ok(())
    })
    .await?;
    Ok(Empty)
}
