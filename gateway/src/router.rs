//! Everything this server answers, as one router.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use utoipa_axum::router::OpenApiRouter;

use crate::aws::body::Bodies;
use crate::aws::frame::{self, Front};
use crate::state::GatewayState;
use crate::{kinesis, rest};

/// What a server answers until it has opened what it keeps: `/healthz`, and 503 to everything else,
/// `/readyz` too.
pub fn starting() -> Router {
    Router::new().route("/healthz", get(rest::health::live)).fallback(rest::health::starting)
}

/// The operation of an AWS API that a request names in `X-Amz-Target`, if this server has it.
pub fn operation_of(target: &str) -> Option<&'static str> {
    kinesis::service::operation_of(target)
}

/// Routes of the dashboard.
#[derive(Default)]
pub struct DashboardRoutes {
    /// Pages without data, for browsers that call the server by its name.
    pub pages: Router,
    /// The feed of the page, for callers who may `gallop:Live`.
    pub live: OpenApiRouter,
}

/// AWS APIs at `POST /` and at paths of their own, our REST API below `/v1` and, for anyone, its
/// description at `/v1/openapi.json`; `/metrics`, `/healthz` and `/readyz`.
pub fn router(state: GatewayState) -> Router {
    router_with(state, DashboardRoutes::default())
}

/// [`router`], with the routes of the dashboard.
pub fn router_with(state: GatewayState, dashboard: DashboardRoutes) -> Router {
    let state = Arc::new(state);
    let (health, described) = rest::routes::open().split_for_parts();
    let (v1, described) = rest::routes::guarded_routes(&state, described, dashboard.live).split_for_parts();
    let v1 = v1
        .method_not_allowed_fallback(rest::error::method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&state), rest::host::check));
    let document: Bytes = serde_json::to_vec_pretty(&described).expect("text and numbers are JSON").into();
    let document = async move || ([(CONTENT_TYPE, "application/json")], document.clone());
    let pages = dashboard
        .pages
        .with_state(())
        .route("/v1/openapi.json", get(document))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&state), rest::host::check));
    let front = Front {
        options: state.options.clone(),
        access: Arc::clone(&state.access),
        clock: Arc::clone(&state.clock),
        bodies: Bodies::default(),
    };
    Router::new()
        .merge(frame::routes(front, vec![Box::new(kinesis::service::hosted(Arc::clone(&state)))]))
        .merge(health)
        .merge(v1)
        .merge(pages)
        .fallback(rest::error::not_found)
        .with_state(state)
}
