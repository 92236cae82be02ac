//! AddTagsToStream.

use std::collections::BTreeMap;

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::aws::wire::text::Text;
use crate::kinesis::input::input;
use crate::kinesis::stream::{calls, tags};
use crate::state::GatewayState;

input!(stream {
    #[serde(borrow)]
    tags: Option<BTreeMap<Text<'a>, Text<'a>>>,
});

/// Adds tags, or gives those that are there new values; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let stream = input.stream(state)?;
    let more = tags::given(input.tags.as_ref().ok_or_else(|| AwsError::missing("tags"))?)?;
    calls::alter(state, &stream, |_, settings| tags::add(&mut settings.tags, &more)).await?;
    Ok(Empty)
}
