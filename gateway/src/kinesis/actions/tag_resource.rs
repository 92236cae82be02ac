//! TagResource: tags of a stream or of a registered consumer.

use std::collections::BTreeMap;

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::aws::wire::text::Text;
use crate::kinesis::input::input;
use crate::kinesis::stream::{calls, tags};
use crate::state::GatewayState;

input!(resource {
    #[serde(borrow)]
    tags: Option<BTreeMap<Text<'a>, Text<'a>>>,
});

/// Adds tags, or gives those that are there new values; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let resource = input.resource(state)?;
    let more = tags::given(input.tags.as_ref().ok_or_else(|| AwsError::missing("tags"))?)?;
    calls::alter(state, resource.stream(), |description, settings| {
        tags::add(resource.part(state, description, settings)?.tags, &more)
    })
    .await?;
    Ok(Empty)
}
