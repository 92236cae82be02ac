//! DeleteResourcePolicy.

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::kinesis::input::input;
use crate::kinesis::stream::calls;
use crate::state::GatewayState;

input!(resource {});

/// Takes a resource's policy away; the answer has no body. Error: it has none.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let resource = input.resource(state)?;
    calls::alter(state, resource.stream(), |description, settings| {
        let taken = resource.part(state, description, settings)?.policy.take();
        let none = || AwsError::new("ResourceNotFoundException", "The resource has no policy.");
        taken.map(drop).ok_or_else(none)
    })
    .await?;
    Ok(Empty)
}
