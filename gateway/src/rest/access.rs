//! Before every request of `/v1`, where credentials are configured: who asks, and may they?
//!
//! A bearer token of the settings, or a signature for the service `gallop` (`curl --aws-sigv4 aws:amz:REGION:gallop`).
//! Every route has an [`Action`] in policies: [`guarded`] is the only way to add one.

use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawPathParams, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::auth::access::{Caller, bearer_token};
use crate::auth::canonical::PathForm;
use crate::auth::error::AuthError;
use crate::auth::policy::Verdict;
use crate::auth::verifier::{Service, Verifier};
use crate::rest::body;
use crate::rest::error::RestError;
use crate::state::{GatewayOptions, GatewayState};

/// The service's name in signatures and policies.
const SCOPE: &str = "gallop";

/// What a route lets its caller do, as policies name it: `gallop:ListTables`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    ListTables,
    DescribeTable,
    Scan,
    Query,
    GetItem,
    ListStreams,
    Reshard,
    Records,
    ListSensorSchemas,
    PutSensorSchema,
    ListSensorPorts,
    DescribeSensorPort,
    PutSensorPort,
    DeleteSensorPort,
    SensorStats,
    ListQueries,
    DescribeQuery,
    CreateQuery,
    AlterQuery,
    PauseQuery,
    ResumeQuery,
    DropQuery,
    ListDeliveries,
    DescribeDelivery,
    CreateDelivery,
    AlterDelivery,
    PauseDelivery,
    ResumeDelivery,
    DropDelivery,
    Live,
    Doctor,
    Sql,
    Metrics,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCOPE}:{self:?}")
    }
}

/// What [`check`] needs.
type Guard = State<(Arc<GatewayState>, Action)>;

/// A route that only callers who may do `action` reach.
pub(crate) fn guarded(
    state: &Arc<GatewayState>,
    action: Action,
    (schemas, paths, methods): UtoipaMethodRouter<Arc<GatewayState>>,
) -> UtoipaMethodRouter<Arc<GatewayState>> {
    (schemas, paths, methods.route_layer(from_fn_with_state((Arc::clone(state), action), check)))
}

/// Lets a request pass, or answers 401 or 403.
pub(crate) async fn check(
    State((state, action)): Guard,
    parameters: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    let Some(verifier) = state.access.verifier() else { return next.run(request).await };
    let resource = resource(&state.options, &parameters);
    let (caller, request) = match authenticate(&state, verifier, request).await {
        Ok(known) => known,
        Err(refused) => return refused,
    };
    match caller.check(&state.options.account_id, &action.to_string(), &resource, Verdict::Silent) {
        Ok(()) => next.run(request).await,
        Err(denied) => refuse(&denied),
    }
}

/// What a route is about, as policies name it: a table, a stream, or everything.
fn resource(options: &GatewayOptions, parameters: &RawPathParams) -> String {
    let named = |kind: &str| parameters.iter().find(|(name, _)| *name == kind).map(|(_, value)| value);
    let arn =
        |service, kind, name| format!("arn:aws:{service}:{}:{}:{kind}/{name}", options.region, options.account_id);
    let table = named("table").map(|table| arn("gallop", "table", table));
    table.or_else(|| named("stream").map(|stream| arn("kinesis", "stream", stream))).unwrap_or_else(|| "*".to_owned())
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
