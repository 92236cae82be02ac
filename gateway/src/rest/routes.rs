//! Every route of the REST API, each with the action that policies allow or deny.
//!
//! To add one, write its handler, and add a row here and its action in `action.rs`.

use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use crate::rest::access::{self, guarded};
use crate::rest::action::Action;
use crate::rest::flow_changes::{deliveries, queries};
use crate::rest::tail::{self, Tails};
use crate::rest::{
    bodies, description, doctor, flows, health, metrics, records, reshard, sensors, sql, streams, tables,
};
use crate::state::GatewayState;

/// Routes that anyone may ask.
pub(crate) fn open() -> OpenApiRouter<Arc<GatewayState>> {
    OpenApiRouter::with_openapi(description::document()).routes(routes!(health::live)).routes(routes!(health::ready))
}

/// Routes for callers whose policy allows them, and the feed of the dashboard, with what `document` says already.
pub(crate) fn guarded_routes(
    state: &Arc<GatewayState>,
    document: utoipa::openapi::OpenApi,
    live: OpenApiRouter,
) -> OpenApiRouter<Arc<GatewayState>> {
    let tails = Tails::new(Arc::clone(&state.browse), state.stop.clone());
    let rows = [
        (Action::Metrics, routes!(metrics::exposition)),
        (Action::Doctor, routes!(doctor::diagnose)),
        (Action::ListTables, routes!(tables::list)),
        (Action::DescribeTable, routes!(tables::describe)),
        (Action::Scan, routes!(tables::scan)),
        (Action::Query, routes!(tables::query)),
        (Action::GetItem, routes!(tables::item)),
        (Action::Sql, routes!(sql::query)),
        (Action::ListStreams, routes!(streams::list)),
        (Action::Reshard, routes!(reshard::reshard)),
        (Action::Records, routes!(records::records)),
        (Action::Records, routes!(tail::tail).with_state(tails)),
        (Action::ListQueries, routes!(flows::queries)),
        (Action::DescribeQuery, routes!(flows::query)),
        (Action::CreateQuery, routes!(queries::create_query)),
        (Action::AlterQuery, routes!(queries::alter_query)),
        (Action::PauseQuery, routes!(queries::pause_query)),
        (Action::ResumeQuery, routes!(queries::resume_query)),
        (Action::DropQuery, routes!(queries::drop_query)),
        (Action::ListDeliveries, routes!(flows::deliveries)),
        (Action::DescribeDelivery, routes!(flows::delivery)),
        (Action::CreateDelivery, routes!(deliveries::create_delivery)),
        (Action::AlterDelivery, routes!(deliveries::alter_delivery)),
        (Action::PauseDelivery, routes!(deliveries::pause_delivery)),
        (Action::ResumeDelivery, routes!(deliveries::resume_delivery)),
        (Action::DropDelivery, routes!(deliveries::drop_delivery)),
        (Action::ListSensorSchemas, routes!(sensors::schemas)),
        (Action::PutSensorSchema, routes!(sensors::put_schema)),
        (Action::ListSensorPorts, routes!(sensors::ports)),
        (Action::DescribeSensorPort, routes!(sensors::port)),
        (Action::PutSensorPort, routes!(sensors::put_port)),
        (Action::DeleteSensorPort, routes!(sensors::remove_port)),
        (Action::SensorStats, routes!(sensors::stats)),
        (Action::SensorStats, routes!(sensors::sources)),
    ];
    let live = live.layer(from_fn_with_state((Arc::clone(state), Action::Live), access::check));
    let router = OpenApiRouter::with_openapi(document).merge(live.with_state(()));
    let router =
        rows.into_iter().fold(router, |router, (action, routes)| router.routes(guarded(state, action, routes)));
    router.layer(from_fn_with_state(bodies::room(), bodies::admit))
}
