//! Pages of other origins: which may call, and the headers by which a browser lets them.
//!
//! A page may call from a loopback origin, from a name of this server, and from the origins that the settings name.
//! Everything else is refused before the request is read, and without any of these headers.

use axum::extract::Request;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderValue, ORIGIN, VARY,
};

use crate::aws::error::AwsError;
use crate::host;
use crate::state::GatewayOptions;

/// What the SDKs for browsers send.
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-encoding, content-type, x-amz-content-sha256, x-amz-date, x-amz-security-token, \
     x-amz-target, x-amz-user-agent, amz-sdk-invocation-id, amz-sdk-request",
);

/// What they read, besides the body.
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static("date, x-amz-id-2, x-amzn-errortype, x-amzn-requestid");

/// How long a browser remembers: two days, as with AWS.
const MAX_AGE_SECS: HeaderValue = HeaderValue::from_static("172800");

/// The origin that an answer is for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cors {
    /// Nothing for clients that are no browsers.
    origin: Option<HeaderValue>,
}

impl Cors {
    /// Checks a request's origin.
    pub(crate) fn check(request: &Request, options: &GatewayOptions) -> Result<Cors, AwsError> {
        let Some(origin) = request.headers().get(ORIGIN) else { return Cors::without_origin(request, options) };
        let named = options.origins.iter().any(|named| named.as_bytes() == origin.as_bytes());
        match host::foreign_origin(request, &options.hosts) {
            Some(foreign) if !named => {
                let message = format!("Origin {foreign} is not this server, and its settings do not allow it.");
                Err(AwsError::new("AccessDeniedException", message))
            }
            _ => Ok(Cors { origin: Some(origin.clone()) }),
        }
    }

    /// A browser that names no origin asks for a page of this server's own: under its own name, then.
    fn without_origin(request: &Request, options: &GatewayOptions) -> Result<Cors, AwsError> {
        match host::foreign_host(request, &options.hosts) {
            Some(foreign) if host::is_of_browser(request) => {
                let message = format!("Host {foreign} is not this server.");
                Err(AwsError::new("AccessDeniedException", message))
            }
            _ => Ok(Cors::default()),
        }
    }

    /// Lets the page read the answer.
    pub(crate) fn allow(self, response: &mut Response) {
        let headers = response.headers_mut();
        if let Some(origin) = self.origin {
            // The same URL answers others without these headers: no cache may mix the two.
            headers.append(VARY, HeaderValue::from_static("origin"));
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
        }
    }

    /// Lets the browser send the request that it asks about.
    pub(crate) fn preflight(self, response: &mut Response) {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECS);
        self.allow(response);
    }
}
