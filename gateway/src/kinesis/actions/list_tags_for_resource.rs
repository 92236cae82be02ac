//! ListTagsForResource.

use serde::Serialize;

use crate::aws::error::AwsError;
use crate::kinesis::input::input;
use crate::kinesis::stream::tags::Tag;
use crate::kinesis::stream::{calls, tags};
use crate::state::GatewayState;

input!(resource {});

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    tags: Vec<Tag>,
}

/// Lists the tags of a stream or of a registered consumer.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Output, AwsError> {
    let resource = input.resource(state)?;
    let description = calls::describe(state, resource.stream()).await?;
    let (tags, _) = resource.look(state, &description)?;
    Ok(Output { tags: tags::shown(tags.iter()) })
}
