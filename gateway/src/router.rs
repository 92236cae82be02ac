//! Everything this server answers, as one router.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::routing::{get, post, put};
use model::clock::Clock;
use model::flow::Flows;
use model::sensor_admin::SensorAdmin;
use model::sql::SqlEngine;
use model::stream_store::StreamStore;
use model::table::TableStore;
use tokio::runtime::Handle;

use crate::auth::access::Access;
use crate::{kinesis, rest};

/// Writes down what the server counts of itself.
pub type Exposition = Arc<dyn Fn() -> String + Send + Sync>;

/// What the front door stands before.
#[derive(Clone)]
pub struct GatewayState {
    /// Streams.
    pub streams: Arc<dyn StreamStore>,
    /// Tables.
    pub tables: Arc<dyn TableStore>,
    /// Ad hoc queries.
    pub sql: Arc<dyn SqlEngine>,
    /// Continuous queries and deliveries, where there are any.
    pub flows: Option<Arc<dyn Flows>>,
    /// Control of sensor ports, where sensor datagrams are taken.
    pub sensors: Option<Arc<dyn SensorAdmin>>,
    /// Time: iterators expire by it.
    pub clock: Arc<dyn Clock>,
    /// What `/readyz` says.
    pub ready: Arc<AtomicBool>,
    /// What `/metrics` answers: Prometheus' text format.
    pub metrics: Exposition,
    /// Who may come in.
    pub access: Arc<Access>,
    /// Its blocking threads write large answers.
    pub bulk: Handle,
    /// Names in answers, and of the server.
    pub options: GatewayOptions,
}

/// The region and the account that ARNs and error texts name, and the names of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayOptions {
    /// Such as `us-east-1`.
    pub region: String,
    /// Twelve digits.
    pub account_id: String,
    /// Names, besides loopback and the own address, under which browsers may reach the server.
    pub hosts: Vec<String>,
    /// Origins, such as `https://app.example`, whose pages may call the Kinesis API from a browser.
    pub origins: Vec<String>,
}

impl Default for GatewayOptions {
    fn default() -> Self {
        GatewayOptions {
            region: "us-east-1".to_owned(),
            account_id: "000000000000".to_owned(),
            hosts: Vec::new(),
            origins: Vec::new(),
        }
    }
}

/// What a server answers until it has opened what it keeps: `/healthz`, and 503 to everything else, `/readyz` too.
pub fn starting() -> Router {
    Router::new().route("/healthz", get(rest::health::live)).fallback(rest::health::starting)
}

/// Routes of others, behind the same front door.
#[derive(Default)]
pub struct Beside {
    /// For browsers that call the server by its name, as all of `/v1`: pages without data.
    pub pages: Router,
    /// For those who may ask, as all of `/v1`. Actions of policies: see docs/SECURITY.md.
    pub data: Router,
}

/// Kinesis at `POST /`, our REST API below `/v1`, `/metrics`, and `/healthz` and `/readyz`.
pub fn router(state: GatewayState) -> Router {
    router_beside(state, Beside::default())
}

/// [`router`], with the routes of others.
pub fn router_beside(state: GatewayState, beside: Beside) -> Router {
    let state = Arc::new(state);
    let v1 = Router::new()
        .route("/v1/tables", get(rest::tables::list))
        .route("/v1/tables/{table}", get(rest::tables::describe))
        .route("/v1/tables/{table}/items", get(rest::tables::scan))
        .route("/v1/tables/{table}/items/{partition}", get(rest::tables::query))
        .route("/v1/tables/{table}/items/{partition}/{sort}", get(rest::tables::item))
        .route("/v1/sql", post(rest::sql::query))
        .route("/v1/streams", get(rest::streams::list))
        .route("/v1/streams/{stream}/reshard", post(rest::reshard::reshard))
        .route("/v1/queries", get(rest::flows::queries))
        .route("/v1/queries/{query}", get(rest::flows::query))
        .route("/v1/deliveries", get(rest::flows::deliveries))
        .route("/v1/deliveries/{delivery}", get(rest::flows::delivery))
        .route("/v1/sensor/schemas", get(rest::sensors::schemas))
        .route("/v1/sensor/schemas/{schema}", put(rest::sensors::put_schema))
        .route("/v1/sensor/ports", get(rest::sensors::ports))
        .route(
            "/v1/sensor/ports/{port}",
            get(rest::sensors::port).put(rest::sensors::put_port).delete(rest::sensors::remove_port),
        )
        .route("/v1/sensor/stats", get(rest::sensors::stats))
        .route("/v1/sensor/sources", get(rest::sensors::sources))
        .route("/metrics", get(rest::metrics::exposition))
        .merge(beside.data.with_state(()))
        .method_not_allowed_fallback(rest::error::method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&state), rest::access::check))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&state), rest::host::check));
    let pages =
        beside.pages.with_state(()).layer(axum::middleware::from_fn_with_state(Arc::clone(&state), rest::host::check));
    Router::new()
        .route("/", kinesis::router::routes(Arc::clone(&state)))
        .route("/healthz", get(rest::health::live))
        .route("/readyz", get(rest::health::ready))
        .merge(v1)
        .merge(pages)
        .fallback(rest::error::not_found)
        .with_state(state)
}
