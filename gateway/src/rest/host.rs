//! Before every request of `/v1`: is its sender allowed to ask?

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::X_CONTENT_TYPE_OPTIONS;
use http::{HeaderValue, StatusCode};

use crate::host;
use crate::rest::error::RestError;
use crate::state::GatewayState;

/// Lets a request pass, or answers 403.
pub(crate) async fn check(State(state): State<Arc<GatewayState>>, request: Request, next: Next) -> Response {
    let hosts = &state.options.hosts;
    let host = host::foreign_host(&request, hosts).map(|host| ("Host", host));
    let mut response = match host.or_else(|| host::foreign_origin(&request, hosts).map(|origin| ("Origin", origin))) {
        Some((header, foreign)) => {
            let message = format!("{header} `{foreign}` is not this server: use a loopback name or its own address");
            RestError::new(StatusCode::FORBIDDEN, "host_refused", message).into_response()
        }
        None => next.run(request).await,
    };
    // Rows and records are whatever somebody sent: no browser may take them for a page.
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
