//! Carries traces to their collector with the HTTP client and the TLS that everything else here uses.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, Response};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;

use client::server::https;

/// How long a collector has for its answer. What waits meanwhile is bounded; what does not fit is dropped.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A client whose connections live on a runtime, for callers that do not.
#[derive(Debug)]
pub(crate) struct ExportClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Handle,
}

impl ExportClient {
    /// A client on the runtime that this is called on.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let client = Client::builder(TokioExecutor::new()).build(https::connector()?);
        Ok(ExportClient { client, runtime: Handle::current() })
    }
}

#[async_trait]
impl HttpClient for ExportClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let call = async move {
            let (head, body) = client.request(request.map(Full::new)).await?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        // All of it on the runtime: whoever calls this has no timer.
        self.runtime.spawn(async move { tokio::time::timeout(ANSWER_MAX, call).await? }).await?
    }
}
