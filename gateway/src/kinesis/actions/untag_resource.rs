//! UntagResource.

use serde::Deserialize;

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::aws::wire::text::Text;
use crate::kinesis::resource::Resource;
use crate::kinesis::target::targets_resource;
use crate::kinesis::{stream, tags};
use crate::state::GatewayState;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input<'a> {
    #[serde(borrow, rename = "ResourceARN")]
    resource_arn: Option<Text<'a>>,
    #[serde(borrow)]
    stream_id: Option<Text<'a>>,
    #[serde(borrow)]
    tag_keys: Option<Vec<Text<'a>>>,
}

targets_resource!(Input);

/// Removes tags by their keys; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let resource = Resource::parse(&state.options, input.resource_arn.as_deref(), input.stream_id.as_deref())?;
    let keys = tags::given_keys(input.tag_keys.as_ref().ok_or_else(|| AwsError::missing("tagKeys"))?)?;
    stream::alter(state, resource.stream(), |description, settings| {
        tags::remove(resource.part(state, description, settings)?.tags, keys);
        Ok(())
    })
    .await?;
    Ok(Empty)
}
