//! GetResourcePolicy.

use serde::Serialize;

use crate::aws::error::AwsError;
use crate::kinesis::input::input;
use crate::kinesis::stream::calls;
use crate::state::GatewayState;

input!(resource {});

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    policy: String,
}

/// What is shown where there is none.
const NO_POLICY: &str = "{}";

/// Shows a resource's policy, word for word; where it has none, an empty document.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Output, AwsError> {
    let resource = input.resource(state)?;
    let description = calls::describe(state, resource.stream()).await?;
    let (_, found) = resource.look(state, &description)?;
    Ok(Output { policy: found.unwrap_or(NO_POLICY).to_owned() })
}
