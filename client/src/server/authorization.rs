//! How a request to a server says who asks: by a token of the server's settings, or by a signature.

use std::time::SystemTime;

use crate::server::identity::Identity;
use anyhow::Context;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use hyper::Request;
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};

/// Who asks.
#[derive(Debug)]
pub enum Authorization {
    /// Whoever has this token.
    Token(HeaderValue),
    /// Whoever has these keys.
    Signature(Identity),
}

impl Authorization {
    /// By a token.
    pub fn token(token: &str) -> anyhow::Result<Self> {
        let value = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut value = value.ok().context("the token has characters that no token has")?;
        value.set_sensitive(true);
        Ok(Authorization::Token(value))
    }

    /// Puts it on a request to `service`, which must not be changed afterwards.
    pub async fn apply(&self, service: &str, request: &mut Request<Bytes>) -> anyhow::Result<()> {
        match self {
            Authorization::Token(token) => {
                request.headers_mut().insert(AUTHORIZATION, token.clone());
                Ok(())
            }
            Authorization::Signature(identity) => signed(service, request, identity).await,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a signature tells the time of this machine")]
async fn signed(service: &str, request: &mut Request<Bytes>, identity: &Identity) -> anyhow::Result<()> {
    let host = request.uri().authority().context("the URL names no host")?.as_str().to_owned();
    request.headers_mut().insert(HOST, HeaderValue::from_str(&host)?);
    let credentials = identity.credentials.provide_credentials().await.context("there are no keys to sign with")?;
    let credentials = credentials.into();
    let parameters = v4::SigningParams::builder()
        .identity(&credentials)
        .region(&identity.region)
        .name(service)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()?
        .into();
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| Ok((name.as_str(), value.to_str()?)));
    let headers: Vec<(&str, &str)> = headers.collect::<anyhow::Result<_>>()?;
    let body = SignableBody::Bytes(request.body());
    let uri = request.uri().to_string();
    let signable = SignableRequest::new(request.method().as_str(), uri, headers.into_iter(), body)?;
    let (instructions, _) = sign(signable, &parameters)?.into_parts();
    instructions.apply_to_request_http1x(request);
    Ok(())
}
