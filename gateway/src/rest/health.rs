//! `/healthz`: the process answers. `/readyz`: it has opened what it needs.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use http::header::RETRY_AFTER;
use serde_json::{Value, json};

use crate::rest::error::RestError;
use crate::router::GatewayState;

/// Always 200.
pub(crate) async fn live() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// 503 to everything, while a server starts.
pub(crate) async fn starting() -> impl IntoResponse {
    let message = "the server opens its streams, tables and archive; ask again in a second";
    ([(RETRY_AFTER, "1")], RestError::new(StatusCode::SERVICE_UNAVAILABLE, "starting", message))
}

/// 200 once ready, 503 before and while shutting down.
pub(crate) async fn ready(State(state): State<Arc<GatewayState>>) -> (StatusCode, Json<Value>) {
    if state.ready.load(Ordering::Acquire) {
        (StatusCode::OK, Json(json!({"status": "ready"})))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": "not ready"})))
    }
}
