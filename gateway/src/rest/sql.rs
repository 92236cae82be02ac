//! `POST /v1/sql`: a query in, its rows out as they come, one JSON object a line.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{StatusCode, Uri};
use model::sql::SqlError;
use serde::Deserialize;

use crate::aws::body::BODY_READ_MAX;
use crate::rest::error::RestError;
use crate::rest::parameters::Parameters;
use crate::router::GatewayState;

/// The most bytes of a query with its frame.
pub(crate) const QUERY_BYTES_MAX: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    sql: String,
}

/// Runs a query. An error before the first rows has its status; a later one is the last line.
pub(crate) async fn query(
    State(state): State<Arc<GatewayState>>,
    uri: Uri,
    request: Request,
) -> Result<Response, RestError> {
    Parameters::read(&uri, &[])?;
    let body = tokio::time::timeout(BODY_READ_MAX, axum::body::to_bytes(request.into_body(), QUERY_BYTES_MAX)).await;
    let body = body.ok().and_then(Result::ok).ok_or_else(|| {
        let message = format!("the body did not arrive whole or is over {QUERY_BYTES_MAX} bytes");
        RestError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    })?;
    let input: Input = serde_json::from_slice(&body)
        .map_err(|wrong| RestError::invalid(format!("the body is not {{\"sql\": \"…\"}}: {wrong}")))?;
    let mut lines = state.sql.query(&input.sql).await?.lines;
    let first = lines.next().await.transpose()?;
    let mut response = Response::new(Body::from_stream(until_error(first, lines)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

/// The lines, ended by the first error written as a line.
fn until_error(
    first: Option<Bytes>,
    rest: BoxStream<'static, Result<Bytes, SqlError>>,
) -> impl futures::Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    let rest = rest.scan(false, |ended, line| {
        let item = if *ended { None } else { Some(line) };
        if let Some(Err(_)) = &item {
            *ended = true;
        }
        futures::future::ready(item)
    });
    let rest = rest.map(|line| line.unwrap_or_else(|failure| RestError::from(failure).into_line().into()));
    stream::iter(first).chain(rest).map(Ok)
}
