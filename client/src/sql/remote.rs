//! A server's `POST /v1/sql`: a query in, its rows out as they come.

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use hyper::{Method, StatusCode};
use model::query::engine::{Location, SqlError, SqlErrorKind};
use serde_json::Value;

use crate::output::line_reader::LineReader;
use crate::server::authorization::Authorization;
use crate::server::http_client::{Call, HttpClient};
use crate::server::rest_client::failure_of;

/// The service's name in signatures.
const SERVICE: &str = "gallop";

/// An answer's rows as JSON lines.
pub(crate) struct JsonRows {
    /// The columns in order; none where only the lines tell.
    pub(crate) columns: Vec<String>,
    /// Chunks of whole lines.
    pub(crate) lines: BoxStream<'static, Result<Bytes, SqlError>>,
}

/// Asks a server.
#[derive(Debug)]
pub(crate) struct RemoteSql {
    http: HttpClient,
}

impl RemoteSql {
    /// Asks the server at `endpoint`, an `http://` or `https://` URL.
    pub(crate) fn new(endpoint: &str, authorization: Authorization) -> anyhow::Result<Self> {
        Ok(RemoteSql { http: HttpClient::new(endpoint, authorization)? })
    }
}

fn failed(message: String) -> SqlError {
    SqlError::new(SqlErrorKind::Failed, message)
}

/// The error in an answer `{"error": {..}}`, if it is one.
fn error_in(json: &[u8]) -> Option<SqlError> {
    let answer: Value = serde_json::from_slice(json).ok()?;
    let error = answer.as_object().filter(|answer| answer.len() == 1)?.get("error")?.as_object()?;
    let number = |key: &str| error.get(key).and_then(Value::as_u64);
    Some(SqlError {
        kind: match error.get("code").and_then(Value::as_str).unwrap_or_default() {
            "invalid_query" => SqlErrorKind::Invalid,
            "query_refused" => SqlErrorKind::Refused,
            "limit_exceeded" => SqlErrorKind::LimitExceeded,
            _ => SqlErrorKind::Failed,
        },
        message: error.get("message")?.as_str()?.to_owned(),
        location: number("line").zip(number("column")).map(|(line, column)| Location { line, column }),
        suggestion: error.get("suggestion").and_then(Value::as_str).map(str::to_owned),
    })
}

impl RemoteSql {
    /// The rows of a query. Error: a [`SqlError`] in what was asked; a [`Failure`](crate::failure::Failure) in asking.
    pub(crate) async fn query(&self, sql: &str) -> anyhow::Result<JsonRows> {
        let body = Bytes::from(serde_json::json!({ "sql": sql }).to_string());
        let headers = [("content-type", "application/json")];
        let call = Call { service: SERVICE, method: Method::POST, path: "/v1/sql", headers: &headers, body };
        let response = self.http.open(call).await?;
        let status = response.status();
        if !status.is_success() {
            let bytes = self.http.whole(response.into_body()).await?;
            let answer: Value = serde_json::from_slice(&bytes).map_err(|_| self.http.foreign(status))?;
            return Err(match error_in(&bytes) {
                Some(error) if status != StatusCode::UNAUTHORIZED && !is_denied(&answer) => error.into(),
                _ => failure_of(status, &answer).into(),
            });
        }
        let lines = LineReader::new(response.into_body());
        let lines = futures::stream::try_unfold(lines, |mut lines| async move {
            let Some(chunk) = lines.next().await.map_err(|failure| failed(failure.what().to_owned()))? else {
                return Ok(None);
            };
            let last = chunk[..chunk.len() - 1].split(|byte| *byte == b'\n').next_back().unwrap_or_default();
            match error_in(last) {
                Some(error) => Err(error),
                None => Ok(Some((chunk, lines))),
            }
        });
        Ok(JsonRows { columns: Vec::new(), lines: lines.boxed() })
    }
}

fn is_denied(answer: &Value) -> bool {
    answer.pointer("/error/code").and_then(Value::as_str) == Some("access_denied")
}
