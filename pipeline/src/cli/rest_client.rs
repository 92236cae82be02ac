//! A server's REST API, for commands that change or show what it does.

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::cli::authorization::Authorization;
use crate::cli::failure::{Failure, Kind};
use crate::https::connector;

/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Asks a server.
pub(crate) struct RestClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    endpoint: String,
    authorization: Authorization,
}

impl RestClient {
    /// Asks the server at `endpoint`, an `http://` or `https://` URL.
    pub(crate) fn new(endpoint: &str, authorization: Authorization) -> anyhow::Result<Self> {
        let client = Client::builder(TokioExecutor::new()).build(connector()?);
        Ok(RestClient { client, endpoint: endpoint.trim_end_matches('/').to_owned(), authorization })
    }

    /// The status and the text of what stands at a path.
    pub(crate) async fn text(&self, path: &str) -> anyhow::Result<(StatusCode, String)> {
        let uri: Uri = format!("{}{path}", self.endpoint).parse()?;
        let mut request = Request::get(uri).body(Bytes::new())?;
        self.authorization.apply(&mut request).await?;
        let response = self.client.request(request.map(Full::new)).await;
        let response = response.map_err(|failure| Failure::unreachable(&self.endpoint, &failure))?;
        let (head, body) = response.into_parts();
        let bytes = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let bytes = bytes.map_err(|error| anyhow::anyhow!("the answer did not arrive whole: {error}"))?.to_bytes();
        Ok((head.status, String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The answer to a request; null where it has no body.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let text = format!("{}{path}", self.endpoint);
        let uri: Uri = text.parse().with_context(|| format!("`{text}` is not a URL like http://127.0.0.1:4567"))?;
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let request = Request::builder().method(method).uri(uri).header("content-type", "application/json");
        let mut request = request.body(body)?;
        self.authorization.apply(&mut request).await?;
        let response = self.client.request(request.map(Full::new)).await;
        let response = response.map_err(|failure| Failure::unreachable(&self.endpoint, &failure))?;
        let (head, body) = response.into_parts();
        let bytes = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let bytes = bytes.map_err(|error| anyhow::anyhow!("the answer did not arrive whole: {error}"))?.to_bytes();
        if head.status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let answer: Value = serde_json::from_slice(&bytes)
            .with_context(|| format!("the answer, with status {}, is not of a gallop server", head.status))?;
        match answer.pointer("/error/message").and_then(Value::as_str) {
            Some(message) => Err(Failure::new(Kind::of(head.status), message).into()),
            None if head.status.is_success() => Ok(answer),
            None => {
                Err(Failure::new(Kind::of(head.status), format!("the server answers with status {}", head.status))
                    .into())
            }
        }
    }
}
