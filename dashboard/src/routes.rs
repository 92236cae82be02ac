//! The dashboard's routes, in two parts: the page, which holds no data, and what it asks for, which belongs behind the door
//! that the REST API has.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::hub::Hub;
use crate::options::DashboardOptions;
use crate::tail::{self, Tails};
use crate::{live, page, records};

/// A dashboard that waits to be looked at.
pub struct Dashboard {
    hub: Arc<Hub>,
}

impl Dashboard {
    /// A dashboard over what `options` name.
    pub fn new(options: DashboardOptions) -> Self {
        Dashboard { hub: Hub::new(options) }
    }

    /// `GET /` and the files of the page: for every browser that calls the server by its name.
    pub fn page(&self) -> Router {
        Router::new()
            .route("/", get(page::index))
            .route("/assets/{version}/{*name}", get(page::asset))
            .with_state(Arc::new(self.hub.options().assets.clone()))
    }

    /// `/v1/live`, and `records` and `tail` of `/v1/streams/{stream}`: for those who may see data.
    pub fn data(&self) -> OpenApiRouter {
        OpenApiRouter::new()
            .routes(routes!(live::live))
            .routes(routes!(records::records))
            .with_state(Arc::clone(&self.hub))
            .merge(OpenApiRouter::new().routes(routes!(tail::tail)).with_state(Tails::new(Arc::clone(&self.hub))))
    }

    /// Reads for the pages that are open, until the server stops.
    pub fn run(&self) -> impl Future<Output = ()> + Send + 'static {
        Arc::clone(&self.hub).run()
    }
}

/// An error as the REST API writes it.
pub(crate) fn refuse(status: StatusCode, code: &str, message: impl Into<String>) -> Response {
    (status, Json(json!({"error": {"code": code, "message": message.into()}}))).into_response()
}
