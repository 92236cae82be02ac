//! `POST /v1/sql`: a query in, its rows out as they come, one JSON object a line.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::Uri;
use http::header::{CONTENT_TYPE, HeaderValue};
use model::query::engine::SqlError;
use model::query::json_lines::json_lines;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::rest::body;
use crate::rest::error::{ErrorBody, RestError};
use crate::rest::parameters::Parameters;
use crate::rest::permission::{self, Asker};
use crate::state::GatewayState;

/// A query.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sql {
    /// One statement.
    #[schema(example = "SELECT COUNT(*) AS records FROM wildrydes")]
    sql: String,
}

/// Queries streams and archives with SQL.
///
/// Rows are sent as they are found, one JSON object a line. An error before the first row has its own status. A later error is the last line.
#[utoipa::path(post, path = "/v1/sql", tag = "sql", request_body = Sql, responses(
    (status = 200, description = "Rows, one JSON object a line.", body = String, content_type = "application/x-ndjson"),
    (status = 400, description = "The query is not valid.", body = ErrorBody),
    (status = 403, description = "The query is not allowed: it would write, or read files, or a stream that the caller may not read.", body = ErrorBody),
    (status = 422, description = "The query exceeds a limit on memory, time or files.", body = ErrorBody),
))]
pub(crate) async fn query(
    State(state): State<Arc<GatewayState>>,
    Extension(asker): Extension<Asker>,
    uri: Uri,
    request: Request,
) -> Result<Response, RestError> {
    Parameters::read(&uri, &[])?;
    let body = body::read(request.into_body()).await?;
    let input: Sql = serde_json::from_slice(&body)
        .map_err(|wrong| RestError::invalid(format!("the body is not {{\"sql\": \"…\"}}: {wrong}")))?;
    let mut lines = json_lines(state.sql.query_within(&input.sql, &permission::readable(asker)).await?);
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
