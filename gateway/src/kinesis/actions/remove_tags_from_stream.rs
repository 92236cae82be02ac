//! RemoveTagsFromStream.

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::aws::wire::text::Text;
use crate::kinesis::input::input;
use crate::kinesis::stream::{calls, tags};
use crate::state::GatewayState;

input!(stream {
    #[serde(borrow)]
    tag_keys: Option<Vec<Text<'a>>>,
});

/// Removes tags by their keys; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let stream = input.stream(state)?;
    let keys = tags::given_keys(input.tag_keys.as_ref().ok_or_else(|| AwsError::missing("tagKeys"))?)?;
    calls::alter(state, &stream, |_, settings| {
        tags::remove(&mut settings.tags, keys);
        Ok(())
    })
    .await?;
    Ok(Empty)
}
