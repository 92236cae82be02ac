//! DeleteResourcePolicy.

use serde::Deserialize;

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::aws::wire::text::Text;
use crate::kinesis::resource::Resource;
use crate::kinesis::stream;
use crate::kinesis::target::targets_resource;
use crate::state::GatewayState;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input<'a> {
    #[serde(borrow, rename = "ResourceARN")]
    resource_arn: Option<Text<'a>>,
    #[serde(borrow)]
    stream_id: Option<Text<'a>>,
}

targets_resource!(Input);

/// Takes a resource's policy away; the answer has no body. Error: it has none.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let resource = Resource::parse(&state.options, input.resource_arn.as_deref(), input.stream_id.as_deref())?;
    stream::alter(state, resource.stream(), |description, settings| {
        let taken = resource.part(state, description, settings)?.policy.take();
        let none = || AwsError::new("ResourceNotFoundException", "The resource has no policy.");
        taken.map(drop).ok_or_else(none)
    })
    .await?;
    Ok(Empty)
}
