//! One server over HTTP/1.1, as all commands that ask call it: requests signed or with a token, and failures that say what
//! to do.

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::failure::{Failure, Kind, innermost};
use crate::server::authorization::Authorization;
use crate::server::https;

/// The longest answer that is read as a whole.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// What a request is, besides where it goes.
#[derive(Debug)]
pub struct Call<'a> {
    /// The service that signatures name.
    pub service: &'a str,
    pub method: Method,
    /// Path and query.
    pub path: &'a str,
    /// Header fields.
    pub headers: &'a [(&'static str, &'a str)],
    pub body: Bytes,
}

/// Asks a server.
#[derive(Debug)]
pub struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    endpoint: String,
    authorization: Authorization,
}

impl HttpClient {
    /// Asks the server at `endpoint`, an `http://` or `https://` URL.
    pub fn new(endpoint: &str, authorization: Authorization) -> anyhow::Result<Self> {
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        let uri = endpoint.parse::<Uri>().ok();
        if !uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()) {
            return Err(Failure::new(Kind::Usage, format!("`{endpoint}` is not the URL of a server"))
                .why("it begins with neither http:// nor https://, or names no host")
                .fix("give --endpoint or AWS_ENDPOINT_URL as http://127.0.0.1:4567")
                .into());
        }
        let client = Client::builder(TokioExecutor::new()).build(https::connector_to(&endpoint)?);
        Ok(HttpClient { client, endpoint, authorization })
    }

    /// The server.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The answer, whose body is still to come.
    pub async fn open(&self, call: Call<'_>) -> anyhow::Result<Response<Incoming>> {
        let text = format!("{}{}", self.endpoint, call.path);
        let uri: Uri = text.parse().with_context(|| format!("`{text}` is not a URL"))?;
        let mut request = Request::builder().method(call.method).uri(uri);
        for (name, value) in call.headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(call.body)?;
        self.authorization.apply(call.service, &mut request).await?;
        let response = self.client.request(request.map(Full::new)).await;
        response.map_err(|failure| Failure::unreachable(&self.endpoint, &failure).into())
    }

    /// The answer whole.
    pub async fn call(&self, call: Call<'_>) -> anyhow::Result<(StatusCode, Bytes)> {
        let (head, body) = self.open(call).await?.into_parts();
        Ok((head.status, self.whole(body).await?))
    }

    /// The rest of an answer.
    pub async fn whole(&self, body: Incoming) -> anyhow::Result<Bytes> {
        match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) => Err(Failure::new(Kind::Failed, "the answer did not arrive whole")
                .why(innermost(&*error))
                .fix(format!("see whether the server at {} still runs, and try again", self.endpoint))
                .into()),
        }
    }

    /// An answer that no gallop server gives.
    pub fn foreign(&self, status: StatusCode) -> Failure {
        Failure::new(Kind::Failed, format!("the answer of {} is not that of a gallop server", self.endpoint))
            .why(format!("its status is {status} and its body is not the JSON that was expected"))
            .fix("name the server with --endpoint or AWS_ENDPOINT_URL")
    }
}
