//! PutResourcePolicy: what others may do with a stream or a registered consumer.

use serde::Deserialize;

use crate::auth::resource_policy::ResourcePolicy;
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
    #[serde(borrow)]
    policy: Option<Text<'a>>,
}

targets_resource!(Input);

/// Replaces a resource's policy; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let resource = Resource::parse(&state.options, input.resource_arn.as_deref(), input.stream_id.as_deref())?;
    let given = input.policy.as_deref().ok_or_else(|| AwsError::missing("policy"))?;
    let refused = |wrong| AwsError::invalid_argument(format!("The policy is not valid: {wrong}."));
    ResourcePolicy::parse(given).map_err(refused)?;
    stream::alter(state, resource.stream(), |description, settings| {
        *resource.part(state, description, settings)?.policy = Some(given.to_owned());
        Ok(())
    })
    .await?;
    Ok(Empty)
}
