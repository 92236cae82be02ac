//! Everything this server answers, as one router.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::aws::body::Bodies;
use crate::aws::frame::{self, Front};
use crate::state::GatewayState;
use crate::{kinesis, rest};

/// What a server answers until it has opened what it keeps: `/healthz`, and 503 to everything else, `/readyz` too.
pub fn starting() -> Router {
    Router::new().route("/healthz", get(rest::health::live)).fallback(rest::health::starting)
}

/// Routes of others, behind the same front door.
#[derive(Default)]
pub struct Beside {
    /// For browsers that call the server by its name, as all of `/v1`: pages without data.
    pub pages: Router,
    /// For those who may ask, as all of `/v1`, with what it says of itself. Actions of policies: see docs/SECURITY.md.
    pub data: OpenApiRouter,
}

/// AWS APIs at `POST /` and at paths of their own, our REST API below `/v1` and, for anyone, its description at `/v1/openapi.json`; `/metrics`, `/healthz`
/// and `/readyz`.
pub fn router(state: GatewayState) -> Router {
    router_beside(state, Beside::default())
}

/// [`router`], with the routes of others.
pub fn router_beside(state: GatewayState, beside: Beside) -> Router {
    let state = Arc::new(state);
    // What these routes are is said beside their handlers: `/v1/openapi.json` shows it.
    let described = OpenApiRouter::with_openapi(rest::description::document())
        .routes(routes!(rest::health::live))
        .routes(routes!(rest::health::ready));
    let (health, described) = described.split_for_parts();
    let v1 = OpenApiRouter::with_openapi(described)
        .routes(routes!(rest::metrics::exposition))
        .routes(routes!(rest::tables::list))
        .routes(routes!(rest::tables::describe))
        .routes(routes!(rest::tables::scan))
        .routes(routes!(rest::tables::query))
        .routes(routes!(rest::tables::item))
        .routes(routes!(rest::sql::query))
        .routes(routes!(rest::streams::list))
        .routes(routes!(rest::reshard::reshard))
        .routes(routes!(rest::flows::queries))
        .routes(routes!(rest::flows::query))
        .routes(routes!(rest::flows::deliveries))
        .routes(routes!(rest::flows::delivery))
        .routes(routes!(rest::sensors::schemas))
        .routes(routes!(rest::sensors::put_schema))
        .routes(routes!(rest::sensors::ports))
        .routes(routes!(rest::sensors::port, rest::sensors::put_port, rest::sensors::remove_port))
        .routes(routes!(rest::sensors::stats))
        .routes(routes!(rest::sensors::sources))
        .merge(beside.data.with_state(()));
    let (v1, described) = v1.split_for_parts();
    let v1 = v1
        .method_not_allowed_fallback(rest::error::method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&state), rest::access::check))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&state), rest::host::check));
    let document: Bytes = serde_json::to_vec_pretty(&described).expect("text and numbers are JSON").into();
    let document = async move || ([(CONTENT_TYPE, "application/json")], document.clone());
    let pages = beside
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
