//! PutResourcePolicy: what others may do with a stream or a registered consumer.

use crate::auth::resource_policy::ResourcePolicy;
use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::aws::wire::text::Text;
use crate::kinesis::input::input;
use crate::kinesis::stream::calls;
use crate::state::GatewayState;

input!(resource {
    #[serde(borrow)]
    policy: Option<Text<'a>>,
});

/// Replaces a resource's policy; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let resource = input.resource(state)?;
    let given = input.policy.as_deref().ok_or_else(|| AwsError::missing("policy"))?;
    let refused = |wrong| AwsError::invalid_argument(format!("The policy is not valid: {wrong}."));
    ResourcePolicy::parse(given).map_err(refused)?;
    calls::alter(state, resource.stream(), |description, settings| {
        *resource.part(state, description, settings)?.policy = Some(given.to_owned());
        Ok(())
    })
    .await?;
    Ok(Empty)
}
