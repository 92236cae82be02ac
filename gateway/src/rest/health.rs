//! `/healthz`: the process answers. `/readyz`: it has opened what it needs.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use http::header::RETRY_AFTER;
use serde::Serialize;
use utoipa::ToSchema;

use crate::rest::error::RestError;
use crate::state::GatewayState;

/// How the server is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`, `ready` or `not ready`.
    status: &'static str,
}

/// Reports that the process runs. Always 200; requires no credentials.
#[utoipa::path(get, path = "/healthz", tag = "health", security(()), responses((status = 200, body = Health)))]
pub(crate) async fn live() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// 503 to everything, while a server starts.
pub(crate) async fn starting() -> impl IntoResponse {
    let message = "the server opens its streams, tables and archive; ask again in a second";
    ([(RETRY_AFTER, "1")], RestError::new(StatusCode::SERVICE_UNAVAILABLE, "starting", message))
}

/// Reports whether the server accepts requests: 200 once recovery is complete, 503 before that and while it stops. Requires no credentials.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()), responses(
    (status = 200, body = Health),
    (status = 503, description = "The server is starting or stopping.", body = Health),
))]
pub(crate) async fn ready(State(state): State<Arc<GatewayState>>) -> (StatusCode, Json<Health>) {
    if state.ready.load(Ordering::Acquire) {
        (StatusCode::OK, Json(Health { status: "ready" }))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status: "not ready" }))
    }
}
