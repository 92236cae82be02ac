//! RemoveTagsFromStream.

use serde::Deserialize;

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::aws::wire::text::Text;
use crate::kinesis::target::targets_stream;
use crate::kinesis::{limits, stream, tags};
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
    tag_keys: Option<Vec<Text<'a>>>,
}

targets_stream!(Input);

/// Removes tags by their keys; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let stream = limits::stream(
        &state.options,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
        input.stream_id.as_deref(),
    )?;
    let keys = tags::given_keys(input.tag_keys.as_ref().ok_or_else(|| AwsError::missing("tagKeys"))?)?;
    stream::alter(state, &stream, |_, settings| {
        tags::remove(&mut settings.tags, keys);
        Ok(())
    })
    .await?;
    Ok(Empty)
}
