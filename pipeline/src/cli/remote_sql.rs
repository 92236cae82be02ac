//! A server's `POST /v1/sql` as a [`SqlEngine`].

use anyhow::Context;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use model::sql::{Location, SqlEngine, SqlError, SqlErrorKind, SqlRows};
use serde_json::Value;

use crate::cli::authorization::Authorization;
use crate::cli::failure::innermost;
use crate::https;

/// Asks a server.
#[derive(Debug)]
pub(crate) struct RemoteSql {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    uri: Uri,
    authorization: Authorization,
}

/// The longest error answer that is read.
const ERROR_BYTES_MAX: usize = 1 << 20;

impl RemoteSql {
    /// Asks the server at `endpoint`, an `http://` or `https://` URL.
    pub(crate) fn new(endpoint: &str, authorization: Authorization) -> anyhow::Result<Self> {
        let text = format!("{}/v1/sql", endpoint.trim_end_matches('/'));
        let uri = text.parse().with_context(|| format!("`{endpoint}` is not a URL like http://127.0.0.1:4567"))?;
        let client = Client::builder(TokioExecutor::new()).build(https::connector()?);
        Ok(RemoteSql { client, uri, authorization })
    }

    fn request(&self, sql: &str) -> Result<Request<Bytes>, hyper::http::Error> {
        let body = serde_json::json!({ "sql": sql }).to_string();
        Request::post(self.uri.clone()).header("content-type", "application/json").body(Bytes::from(body))
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
        kind: SqlErrorKind::Failed,
        message: error.get("message")?.as_str()?.to_owned(),
        location: number("line").zip(number("column")).map(|(line, column)| Location { line, column }),
        suggestion: error.get("suggestion").and_then(Value::as_str).map(str::to_owned),
    })
}

#[async_trait]
impl SqlEngine for RemoteSql {
    async fn query(&self, sql: &str) -> Result<SqlRows, SqlError> {
        let mut request = self.request(sql).map_err(|error| failed(error.to_string()))?;
        self.authorization.apply(&mut request).await.map_err(|error| failed(format!("{error:#}")))?;
        let request = request.map(Full::new);
        let response = self.client.request(request).await.map_err(|failure| {
            let (uri, why) = (&self.uri, innermost(&failure));
            failed(format!(
                "no server answers at {uri} ({why}); start one with `gallop serve`, or name it with --endpoint"
            ))
        })?;
        if !response.status().is_success() {
            let status = response.status();
            let limited = http_body_util::Limited::new(response.into_body(), ERROR_BYTES_MAX);
            let answer = limited.collect().await.map_err(|error| failed(error.to_string()))?.to_bytes();
            return Err(error_in(&answer).unwrap_or_else(|| failed(format!("the server answered {status}"))));
        }
        let chunks = response.into_body().into_data_stream();
        let lines =
            futures::stream::try_unfold((chunks, BytesMut::new(), false), |(mut chunks, mut rest, done)| async move {
                loop {
                    if let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') {
                        let lines = rest.split_to(end + 1).freeze();
                        let last =
                            lines[..lines.len() - 1].split(|byte| *byte == b'\n').next_back().unwrap_or_default();
                        return match error_in(last) {
                            Some(error) => Err(error),
                            None => Ok(Some((lines, (chunks, rest, done)))),
                        };
                    }
                    match chunks.next().await {
                        Some(chunk) => rest.extend_from_slice(
                            &chunk.map_err(|error| failed(format!("the answer broke off: {error}")))?,
                        ),
                        None if rest.is_empty() => return Ok(None),
                        None => return Err(failed("the answer broke off in the middle of a row".to_owned())),
                    }
                }
            });
        Ok(SqlRows { columns: Vec::new(), lines: lines.boxed() })
    }
}
