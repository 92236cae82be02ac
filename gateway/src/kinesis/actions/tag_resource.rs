//! TagResource: tags of a stream or of a registered consumer.

use std::collections::BTreeMap;

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
    tags: Option<BTreeMap<Text<'a>, Text<'a>>>,
}

targets_resource!(Input);

/// Adds tags, or gives those that are there new values; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let resource = Resource::parse(&state.options, input.resource_arn.as_deref(), input.stream_id.as_deref())?;
    let more = tags::given(input.tags.as_ref().ok_or_else(|| AwsError::missing("tags"))?)?;
    stream::alter(state, resource.stream(), |description, settings| {
        tags::add(resource.part(state, description, settings)?.tags, &more)
    })
    .await?;
    Ok(Empty)
}
