//! `/healthz`: the process answers. `/readyz`: it has opened what it needs.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use http::header::RETRY_AFTER;
use model::flow::report::Standing;
use serde::Serialize;
use utoipa::ToSchema;

use crate::rest::error::RestError;
use crate::rest::wire::flow::{FlowState, WorkerKind};
use crate::state::GatewayState;

/// How the server is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`, `ready` or `not ready`.
    status: &'static str,
}

/// Whether the server accepts requests, and which of its workers need attention.
#[derive(Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// `ready` or `not ready`. Failed workers do not change it: the server still accepts requests.
    status: &'static str,
    /// Queries, deliveries and tasks of the server that fail, or have failed in the last minute; missing when there is
    /// none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    degraded: Vec<Degraded>,
    /// `true` if nothing can be changed: the data folder was on a read-only file system when the server started. Missing
    /// otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    read_only: bool,
}

/// A worker that needs attention. Anyone may read this, so it does not say what failed: `/v1/doctor` does.
#[derive(Serialize, ToSchema)]
pub(crate) struct Degraded {
    /// What it is.
    kind: WorkerKind,
    /// Its name.
    name: String,
    /// What it does now.
    state: FlowState,
    /// Restarts after a failure.
    restarts: u64,
}

impl From<Standing> for Degraded {
    fn from(standing: Standing) -> Self {
        let Standing { kind, name, state, restarts, .. } = standing;
        Degraded { kind: kind.into(), name, state: state.into(), restarts }
    }
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
/// A server that can only be read accepts reads, so it answers 200 with `read_only`.
/// A query or delivery that fails does not make it 503, because the server still accepts records: it is listed in `degraded`.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()), responses(
    (status = 200, body = Readiness),
    (status = 503, description = "The server is starting or stopping.", body = Readiness),
))]
pub(crate) async fn ready(State(state): State<Arc<GatewayState>>) -> (StatusCode, Json<Readiness>) {
    let (now, standings) = (state.clock.now(), state.flows.as_ref().map(|flows| flows.standings()));
    let degraded =
        standings.into_iter().flatten().filter(|standing| standing.is_degraded(now)).map(Degraded::from).collect();
    let read_only = state.is_read_only;
    if state.ready.load(Ordering::Acquire) {
        (StatusCode::OK, Json(Readiness { status: "ready", degraded, read_only }))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(Readiness { status: "not ready", degraded, read_only }))
    }
}
