//! `/healthz`: the process answers. `/readyz`: it has opened what it needs.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};

use crate::router::GatewayState;

/// Always 200.
pub(crate) async fn live() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// 200 once ready, 503 before and while shutting down.
pub(crate) async fn ready(State(state): State<Arc<GatewayState>>) -> (StatusCode, Json<Value>) {
    if state.ready.load(Ordering::Acquire) {
        (StatusCode::OK, Json(json!({"status": "ready"})))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": "not ready"})))
    }
}
