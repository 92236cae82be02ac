//! StartStreamEncryption: refused by name, since there is no key to encrypt with; never a flag without effect.

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

/// Checks the request, and refuses it.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let stream = limits::stream(
        &state.options,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
        input.stream_id.as_deref(),
    )?;
    let key = encryption::given_key(input.encryption_type.as_deref(), input.key_id.as_deref())?;
    stream::describe(state, &stream).await?;
    let message = format!("Key {key} does not exist: this endpoint has no keys, and does not encrypt streams.");
    Err(AwsError::new("KMSNotFoundException", message))
}
