//! Requests signed by AWS's own signer.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http::Request;
use http::request::Parts;
use model::clock::Timestamp;
use std::sync::Arc;

use crate::auth::canonical::PathForm;
use crate::auth::credential::Credential;
use crate::auth::error::AuthError;
use crate::auth::policy::Policy;
use crate::auth::secret::Secret;
use crate::auth::verifier::{Service, Verifier};

pub(super) const KEY: &str = "AKIDEXAMPLE";
pub(super) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_763_700_000_000);
pub(super) const SERVICE: Service<'static> =
    Service { name: "kinesis", region: "us-east-1", path_form: PathForm::Normal };

/// How to sign.
#[derive(Debug, Clone, Copy)]
pub(super) struct How {
    pub(super) secret: &'static str,
    pub(super) token: Option<&'static str>,
    pub(super) region: &'static str,
    pub(super) service: &'static str,
    pub(super) at: Timestamp,
    /// In the query, and good for so many seconds.
    pub(super) presigned: Option<u64>,
}

impl Default for How {
    fn default() -> Self {
        How { secret: SECRET, token: None, region: "us-east-1", service: "kinesis", at: NOW, presigned: None }
    }
}

pub(super) fn put_record(uri: &str, body: &str) -> Request<String> {
    let request = Request::post(uri)
        .header("host", "localhost:4567")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "Kinesis_20131202.PutRecord");
    request.body(body.to_owned()).unwrap()
}

pub(super) fn signed(how: How, mut request: Request<String>) -> Request<String> {
    let credentials = Credentials::new(KEY, how.secret, how.token.map(str::to_owned), None, "test");
    let identity = credentials.into();
    let mut settings = SigningSettings::default();
    if let Some(seconds) = how.presigned {
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(seconds));
    }
    let time = UNIX_EPOCH + Duration::from_millis(u64::try_from(how.at.as_millis()).unwrap());
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(how.region)
        .name(how.service)
        .time(time)
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let uri = request.uri().to_string();
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let body = SignableBody::Bytes(request.body().as_bytes());
    let signable = SignableRequest::new(request.method().as_str(), uri, headers, body).unwrap();
    let (instructions, _) = sign(signable, &parameters).unwrap().into_parts();
    instructions.apply_to_request_http1x(&mut request);
    request
}

pub(super) fn verifier(token: Option<&str>) -> Verifier {
    let credential = Credential::new("alice", KEY, Secret::new(SECRET), Policy::default());
    Verifier::new(vec![Credential { session_token: token.map(Secret::new), ..credential }]).unwrap()
}

pub(super) fn verify(verifier: &Verifier, parts: &Parts, body: &[u8]) -> Result<Arc<Credential>, AuthError> {
    verifier.open(parts, SERVICE, NOW)?.close(parts, SERVICE, body)
}

pub(super) fn check(verifier: &Verifier, request: Request<String>) -> Result<(), AuthError> {
    let (parts, body) = request.into_parts();
    verify(verifier, &parts, body.as_bytes()).map(|credential| assert_eq!(credential.name, "alice"))
}
