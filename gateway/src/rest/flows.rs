//! `GET` of `/v1/queries` and `/v1/deliveries`: what continuous queries and delivery streams do, and why one writes
//! nothing. What changes them is in `flow_changes`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::{StatusCode, Uri};
use model::flow::explain::explain;
use model::flow::report;
use model::flow::spec::{FlowKind, FlowSpec};
use serde::Serialize;
use utoipa::ToSchema;

use crate::rest::error::{ErrorBody, RestError};
use crate::rest::parameters::Parameters;
use crate::rest::wire::flow::{DeliveryReport, QueryReport, QuerySpec, Reason};
use crate::state::GatewayState;

type Shared = State<Arc<GatewayState>>;

/// Continuous queries. A query with several pumps is a report for each.
#[derive(Serialize, ToSchema)]
pub(crate) struct QueryList {
    queries: Vec<QueryReport>,
}

impl FromIterator<report::QueryReport> for QueryList {
    fn from_iter<I: IntoIterator<Item = report::QueryReport>>(reports: I) -> Self {
        QueryList { queries: reports.into_iter().map(QueryReport::from).collect() }
    }
}

/// A continuous query, and why it has written no row yet or writes none now. The most important reason comes first.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExplainedQuery {
    #[serde(flatten)]
    query: QueryReport,
    reasons: Vec<Reason>,
    /// What the query was created with.
    spec: Option<QuerySpec>,
}

/// All delivery streams.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeliveryList {
    deliveries: Vec<DeliveryReport>,
}

pub(super) async fn all_queries(state: &GatewayState) -> Vec<report::QueryReport> {
    match &state.flows {
        Some(flows) => flows.queries().await,
        None => Vec::new(),
    }
}

pub(super) async fn all_deliveries(state: &GatewayState) -> Vec<report::DeliveryReport> {
    match &state.flows {
        Some(flows) => flows.deliveries().await,
        None => Vec::new(),
    }
}

/// Lists continuous queries in order of their names.
///
/// For each: counts, rate, watermark, open windows, left out and expired records, and the last error.
#[utoipa::path(get, path = "/v1/queries", tag = "flows", responses((status = 200, body = QueryList)))]
pub(crate) async fn queries(State(state): Shared, uri: Uri) -> Result<Json<QueryList>, RestError> {
    Parameters::read(&uri, &[])?;
    Ok(Json(all_queries(&state).await.into_iter().collect()))
}

/// Shows one query, and why it has written no row yet or writes none now.
#[utoipa::path(get, path = "/v1/queries/{query}", tag = "flows", params(
    ("query" = String, Path, description = "The query."),
), responses((status = 200, body = ExplainedQuery), (status = 404, description = "No such query.", body = ErrorBody)))]
pub(crate) async fn query(
    State(state): Shared,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Json<ExplainedQuery>, RestError> {
    Parameters::read(&uri, &[])?;
    let found = all_queries(&state).await.into_iter().find(|query| query.name.as_str() == name);
    let missing = || RestError::new(StatusCode::NOT_FOUND, "query_not_found", format!("query `{name}` does not exist"));
    let query = found.ok_or_else(missing)?;
    let reasons = explain(&query, &all_deliveries(&state).await, state.clock.now());
    let spec = match &state.flow_admin {
        Some(admin) => admin.spec(FlowKind::Query, &query.query).await.ok(),
        None => None,
    };
    let spec = match spec {
        Some(FlowSpec::Query(spec)) => Some(spec.into()),
        _ => None,
    };
    let reasons = reasons.into_iter().map(Reason::from).collect();
    Ok(Json(ExplainedQuery { query: query.into(), reasons, spec }))
}

/// Lists delivery streams in order of their names.
///
/// For each: counts, rate, lag, last delivery and current failure.
#[utoipa::path(get, path = "/v1/deliveries", tag = "flows", responses((status = 200, body = DeliveryList)))]
pub(crate) async fn deliveries(State(state): Shared, uri: Uri) -> Result<Json<DeliveryList>, RestError> {
    Parameters::read(&uri, &[])?;
    let deliveries = all_deliveries(&state).await.into_iter().map(DeliveryReport::from).collect();
    Ok(Json(DeliveryList { deliveries }))
}

/// Shows one delivery stream.
#[utoipa::path(get, path = "/v1/deliveries/{delivery}", tag = "flows", params(
    ("delivery" = String, Path, description = "The delivery stream."),
), responses((status = 200, body = DeliveryReport), (status = 404, description = "No such delivery.", body = ErrorBody)))]
pub(crate) async fn delivery(
    State(state): Shared,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Json<DeliveryReport>, RestError> {
    Parameters::read(&uri, &[])?;
    let found = all_deliveries(&state).await.into_iter().find(|delivery| delivery.name.as_str() == name);
    let missing =
        || RestError::new(StatusCode::NOT_FOUND, "delivery_not_found", format!("delivery `{name}` does not exist"));
    found.map(|found| Json(found.into())).ok_or_else(missing)
}
