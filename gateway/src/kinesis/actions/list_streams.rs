//! ListStreams, page by page in order of names.

use model::name::StreamName;
use model::stream::store::StreamError;
use serde::{Deserialize, Serialize};

use crate::aws::error::AwsError;
use crate::aws::wire::text::Text;
use crate::aws::wire::time::Time;
use crate::kinesis::stream::shapes::ModeDetails;
use crate::kinesis::target::{Target, Targets};
use crate::kinesis::token::Kind;
use crate::kinesis::{error, limits, token};
use crate::state::GatewayState;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input<'a> {
    limit: Option<i64>,
    #[serde(borrow)]
    exclusive_start_stream_name: Option<Text<'a>>,
    #[serde(borrow)]
    next_token: Option<Text<'a>>,
}

impl Targets for Input<'_> {
    fn target(&self, _: &GatewayState) -> Result<Target, AwsError> {
        Ok(Target::Account)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    stream_names: Vec<StreamName>,
    has_more_streams: bool,
    stream_summaries: Vec<Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Summary {
    stream_name: StreamName,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    stream_status: &'static str,
    stream_mode_details: ModeDetails,
    stream_creation_timestamp: Time,
}

/// Lists streams.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Output, AwsError> {
    let limit = limits::number(input.limit, "limit", limits::PAGE_MAX, limits::PAGE_DEFAULT)?;
    let after = match &input.next_token {
        Some(text) => Some(token::page(Kind::Streams, text, state.clock.now())?),
        None => input.exclusive_start_stream_name.as_ref().map(|name| name.to_string()),
    };
    let failed = |failure: StreamError| error::of_stream(&failure, &state.options.account_id);
    let names = state.streams.list().await.map_err(failed)?;
    let mut rest = names.into_iter().filter(|name| after.as_ref().is_none_or(|after| after.as_str() < name.as_str()));
    let page: Vec<_> = rest.by_ref().take(limit).collect();
    let more = rest.next().is_some();
    let mut summaries = Vec::with_capacity(page.len());
    for name in &page {
        let description = match state.streams.describe(name).await {
            // Deleted since it was listed, or it cannot be opened: whoever asks for it by name is told.
            Err(StreamError::NotFound(_) | StreamError::Damaged { .. } | StreamError::Io { .. }) => continue,
            Err(StreamError::KeyMissing { .. } | StreamError::KeyDiffers { .. }) => continue,
            described => described.map_err(failed)?,
        };
        summaries.push(Summary {
            stream_name: name.clone(),
            stream_arn: limits::arn(&state.options, name),
            stream_status: "ACTIVE",
            stream_mode_details: ModeDetails::of(&description),
            stream_creation_timestamp: Time(description.created_at),
        });
    }
    let last = page.last().filter(|_| more);
    let next_token = last.map(|last| token::seal(Kind::Streams, state.clock.now(), last.as_str().as_bytes()));
    Ok(Output { stream_names: page, has_more_streams: more, stream_summaries: summaries, next_token })
}
