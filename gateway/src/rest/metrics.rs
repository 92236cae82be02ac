//! `/metrics`: what the server counts of itself, as Prometheus reads it. Behind the same door as `/v1`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;

use crate::state::GatewayState;

/// The version of the text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics, in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn exposition(State(state): State<Arc<GatewayState>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, TEXT_FORMAT)], (state.metrics)())
}
