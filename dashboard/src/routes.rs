//! The dashboard's routes, in two parts: the page, which holds no data, and its feed, which needs the permission that
//! the gateway checks. Everything else the page asks the REST API for.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::hub::Hub;
use crate::options::DashboardOptions;
use crate::{live, page};

/// A dashboard that waits to be looked at.
#[derive(Clone)]
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

    /// `/v1/live`: the feed of the page, for callers who may see data.
    pub fn feed(&self) -> OpenApiRouter {
        OpenApiRouter::new().routes(routes!(live::live)).with_state(Arc::clone(&self.hub))
    }

    /// Reads for the pages that are open, until the server stops.
    pub fn run(&self) -> impl Future<Output = ()> + Send + 'static {
        Arc::clone(&self.hub).run()
    }
}
