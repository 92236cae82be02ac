//! ListStreamConsumers: page by page in order of names.

use model::clock::Timestamp;
use serde::Serialize;
use serde_json::json;

use crate::aws::error::AwsError;
use crate::aws::wire::text::Text;
use crate::aws::wire::time::Time;
use crate::kinesis::input::input;
use crate::kinesis::stream::calls;
use crate::kinesis::stream::consumers::Consumer;
use crate::kinesis::token::Kind;
use crate::kinesis::{error, limits, token};
use crate::state::GatewayState;

input!(stream_arn {
    #[serde(borrow)]
    next_token: Option<Text<'a>>,
    max_results: Option<i64>,
    stream_creation_timestamp: Option<Time>,
});

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    consumers: Vec<Consumer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// The stream, when it was created, and the last consumer shown.
type Page = (String, Timestamp, String);

/// Lists registered consumers.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Output, AwsError> {
    let stream = input.stream(state)?;
    let limit = limits::number(input.max_results, "maxResults", limits::PAGE_MAX, limits::PAGE_DEFAULT)?;
    let limit = limit.min(limits::PAGE_DEFAULT as usize);
    let mut created_at = input.stream_creation_timestamp.map(|at| at.0);
    let mut after = None;
    if let Some(text) = input.next_token.as_deref() {
        if created_at.is_some() {
            let message = "NextToken and StreamCreationTimestamp cannot be provided together.";
            return Err(AwsError::invalid_argument(message));
        }
        let page = token::page(Kind::Consumers, text, state.clock.now())?;
        let broken = || AwsError::invalid_argument("Invalid NextToken.");
        let (of, at, last): Page = serde_json::from_str(&page).map_err(|_| broken())?;
        if of != stream.as_str() {
            return Err(broken());
        }
        (created_at, after) = (Some(at), Some(last));
    }
    let description = calls::describe(state, &stream).await?;
    if created_at.is_some_and(|at| at != description.created_at) {
        return Err(error::not_found(stream.as_str(), &state.options.account_id));
    }
    let all = description.settings.consumers.iter();
    let mut rest = all.filter(|(name, _)| after.as_deref().is_none_or(|after| after < name.as_str()));
    let page: Vec<_> = rest.by_ref().take(limit).collect();
    let next_token = page.last().filter(|_| rest.next().is_some()).map(|(last, _)| {
        let payload = json!([stream, description.created_at, last]).to_string();
        token::seal(Kind::Consumers, state.clock.now(), payload.as_bytes())
    });
    let show = |(name, consumer)| Consumer::of(&state.options, &stream, name, consumer);
    Ok(Output { consumers: page.into_iter().map(show).collect(), next_token })
}
