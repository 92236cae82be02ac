//! ListTagsForStream: page by page in order of keys.

use serde::Serialize;

use crate::aws::error::AwsError;
use crate::aws::wire::text::Text;
use crate::kinesis::input::input;
use crate::kinesis::limits;
use crate::kinesis::stream::tags::Tag;
use crate::kinesis::stream::{calls, tags};
use crate::state::GatewayState;

input!(stream {
    #[serde(borrow)]
    exclusive_start_tag_key: Option<Text<'a>>,
    limit: Option<i64>,
});

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    tags: Vec<Tag>,
    has_more_tags: bool,
}

/// Lists a stream's tags.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Output, AwsError> {
    let stream = input.stream(state)?;
    let limit = limits::number(input.limit, "limit", tags::TAGS_MAX as i64, tags::TAGS_MAX as i64)?;
    let description = calls::describe(state, &stream).await?;
    let after = input.exclusive_start_tag_key.as_deref();
    let mut rest = description.settings.tags.iter().filter(|(key, _)| after.is_none_or(|after| after < key.as_str()));
    let tags = tags::shown(rest.by_ref().take(limit));
    Ok(Output { tags, has_more_tags: rest.next().is_some() })
}
