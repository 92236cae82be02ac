//! GetResourcePolicy.

use serde::{Deserialize, Serialize};

use crate::aws::error::AwsError;
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

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    policy: String,
}

/// What is shown where there is none.
const NO_POLICY: &str = "{}";

/// Shows a resource's policy, word for word; where it has none, an empty document.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Output, AwsError> {
    let resource = Resource::parse(&state.options, input.resource_arn.as_deref(), input.stream_id.as_deref())?;
    let description = stream::describe(state, resource.stream()).await?;
    let (_, found) = resource.look(state, &description)?;
    Ok(Output { policy: found.unwrap_or(NO_POLICY).to_owned() })
}
