//! Before every request of `/v1`, where credentials are configured: who asks, and may they?
//!
//! A bearer token of the settings, or a signature for the service `gallop` (`curl --aws-sigv4 aws:amz:REGION:gallop`).
//! Every route has an action in policies; a route without one is open only to those who may use all of `gallop:*`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, Method, StatusCode};

use crate::auth::access::{Caller, bearer_token};
use crate::auth::canonical::PathForm;
use crate::auth::error::AuthError;
use crate::auth::policy::Verdict;
use crate::auth::verifier::{Service, Verifier};
use crate::rest::body;
use crate::rest::error::RestError;
use crate::state::GatewayState;

/// The service's name in signatures and policies.
const SCOPE: &str = "gallop";

/// Lets a request pass, or answers 401 or 403.
pub(crate) async fn check(
    State(state): State<Arc<GatewayState>>,
    path: Option<MatchedPath>,
    parameters: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    let Some(verifier) = state.access.verifier() else { return next.run(request).await };
    let table = parameters.iter().find(|(name, _)| *name == "table").map(|(_, table)| table.to_owned());
    let action = action(request.method(), path.as_ref().map_or("", MatchedPath::as_str));
    let (caller, request) = match authenticate(&state, verifier, request).await {
        Ok(known) => known,
        Err(refused) => return refused,
    };
    let options = &state.options;
    let resource = match table {
        Some(table) => format!("arn:aws:gallop:{}:{}:table/{table}", options.region, options.account_id),
        None => "*".to_owned(),
    };
    match caller.check(&options.account_id, action, &resource, Verdict::Silent) {
        Ok(()) => next.run(request).await,
        Err(denied) => refuse(&denied),
    }
}

/// What a route is called in policies.
fn action(method: &Method, path: &str) -> &'static str {
    match (method.as_str(), path) {
        ("GET" | "HEAD", "/v1/tables") => "gallop:ListTables",
        ("GET" | "HEAD", "/v1/tables/{table}") => "gallop:DescribeTable",
        ("GET" | "HEAD", "/v1/tables/{table}/items") => "gallop:Scan",
        ("GET" | "HEAD", "/v1/tables/{table}/items/{partition}") => "gallop:Query",
        ("GET" | "HEAD", "/v1/tables/{table}/items/{partition}/{sort}") => "gallop:GetItem",
        ("GET" | "HEAD", "/v1/streams") => "gallop:ListStreams",
        ("POST", "/v1/streams/{stream}/reshard") => "gallop:Reshard",
        ("GET" | "HEAD", "/v1/sensor/schemas") => "gallop:ListSensorSchemas",
        ("PUT", "/v1/sensor/schemas/{schema}") => "gallop:PutSensorSchema",
        ("GET" | "HEAD", "/v1/sensor/ports") => "gallop:ListSensorPorts",
        ("GET" | "HEAD", "/v1/sensor/ports/{port}") => "gallop:DescribeSensorPort",
        ("PUT", "/v1/sensor/ports/{port}") => "gallop:PutSensorPort",
        ("DELETE", "/v1/sensor/ports/{port}") => "gallop:DeleteSensorPort",
        ("GET" | "HEAD", "/v1/sensor/stats" | "/v1/sensor/sources") => "gallop:SensorStats",
        ("GET" | "HEAD", "/v1/streams/{stream}/records" | "/v1/streams/{stream}/tail") => "gallop:Records",
        ("GET" | "HEAD", "/v1/queries") => "gallop:ListQueries",
        ("GET" | "HEAD", "/v1/queries/{query}") => "gallop:DescribeQuery",
        ("GET" | "HEAD", "/v1/deliveries") => "gallop:ListDeliveries",
        ("GET" | "HEAD", "/v1/deliveries/{delivery}") => "gallop:DescribeDelivery",
        ("GET" | "HEAD", "/v1/live") => "gallop:Live",
        ("GET" | "HEAD", "/v1/doctor") => "gallop:Doctor",
        ("POST", "/v1/sql") => "gallop:Sql",
        ("GET" | "HEAD", "/metrics") => "gallop:Metrics",
        _ => "gallop:Unknown",
    }
}

async fn authenticate(
    state: &GatewayState,
    verifier: &Verifier,
    request: Request,
) -> Result<(Caller, Request), Response> {
    if let Some(token) = bearer_token(request.headers()) {
        let credential = verifier.bearer(token).map_err(|refused| refuse(&refused))?;
        return Ok((Caller::Principal(credential), request));
    }
    let (parts, body) = request.into_parts();
    let service = Service { name: SCOPE, region: &state.options.region, path_form: PathForm::AsSent };
    let unproven = verifier.open(&parts, service, state.clock.now()).map_err(|refused| refuse(&refused))?;
    let body = body::read(body).await.map_err(IntoResponse::into_response)?;
    let credential = unproven.close(&parts, service, &body).map_err(|refused| refuse(&refused))?;
    Ok((Caller::Principal(credential), Request::from_parts(parts, Body::from(body))))
}

fn refuse(refused: &AuthError) -> Response {
    let (status, code, message) = match refused {
        AuthError::Missing => (
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "send `Authorization: Bearer TOKEN`, or sign with AWS Signature Version 4 for the service `gallop`"
                .to_owned(),
        ),
        AuthError::Denied(why) => (StatusCode::FORBIDDEN, "access_denied", why.clone()),
        other => (StatusCode::UNAUTHORIZED, "unauthenticated", other.to_string()),
    };
    let mut response = RestError::new(status, code, message).into_response();
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
