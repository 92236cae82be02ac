//! ListStreams, page by page in order of names.

use bytes::Bytes;
use model::stream_store::StreamError;
use serde::Deserialize;
use serde_json::json;

use crate::aws::error::AwsError;
use crate::kinesis::token::{self, Kind};
use crate::kinesis::wire::{self, Text};
use crate::kinesis::{error, limits};
use crate::router::GatewayState;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input<'a> {
    limit: Option<i64>,
    #[serde(borrow)]
    exclusive_start_stream_name: Option<Text<'a>>,
    #[serde(borrow)]
    next_token: Option<Text<'a>>,
}

/// Lists streams.
pub(crate) async fn run(state: &GatewayState, body: &Bytes) -> Result<Vec<u8>, AwsError> {
    let input: Input<'_> = wire::parse(body)?;
    let limit = limits::number(input.limit, "limit", limits::PAGE_MAX, limits::PAGE_DEFAULT)?;
    let after = match &input.next_token {
        Some(text) => Some(wire::page_token(Kind::Streams, text, state.clock.now())?),
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
            // Deleted since it was listed.
            Err(StreamError::NotFound(_)) => continue,
            described => described.map_err(failed)?,
        };
        summaries.push(json!({
            "StreamName": name,
            "StreamARN": limits::arn(&state.options, name),
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": wire::mode_details(&description),
            "StreamCreationTimestamp": wire::seconds(description.created_at),
        }));
    }
    let mut answer = json!({"StreamNames": page, "HasMoreStreams": more, "StreamSummaries": summaries});
    if let Some(last) = page.last().filter(|_| more) {
        answer["NextToken"] = token::seal(Kind::Streams, state.clock.now(), last.as_str().as_bytes()).into();
    }
    Ok(answer.to_string().into_bytes())
}
