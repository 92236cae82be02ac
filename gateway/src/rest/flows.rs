//! `/v1/queries` and `/v1/deliveries`: what continuous queries and delivery streams do, and why one writes nothing.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::{StatusCode, Uri};
use model::explain::explain;
use model::flow::{DeliveryReport, QueryReport};
use serde_json::{Value, json};

use crate::rest::error::RestError;
use crate::rest::parameters::Parameters;
use crate::router::GatewayState;

type Shared = State<Arc<GatewayState>>;

async fn all_queries(state: &GatewayState) -> Vec<QueryReport> {
    match &state.flows {
        Some(flows) => flows.queries().await,
        None => Vec::new(),
    }
}

async fn all_deliveries(state: &GatewayState) -> Vec<DeliveryReport> {
    match &state.flows {
        Some(flows) => flows.deliveries().await,
        None => Vec::new(),
    }
}

/// `GET /v1/queries`: continuous queries in order of their names: counts, rate, watermark, open windows, what was left out or
/// came too late, the last error.
pub(crate) async fn queries(State(state): Shared, uri: Uri) -> Result<Json<Value>, RestError> {
    Parameters::read(&uri, &[])?;
    Ok(Json(json!({"queries": all_queries(&state).await})))
}

/// `GET /v1/queries/{query}`: one of them, with `reasons`: why it has written no row yet or writes none now, the one that
/// matters most first.
pub(crate) async fn query(State(state): Shared, Path(name): Path<String>, uri: Uri) -> Result<Json<Value>, RestError> {
    Parameters::read(&uri, &[])?;
    let found = all_queries(&state).await.into_iter().find(|query| query.name.as_str() == name);
    let missing = || RestError::new(StatusCode::NOT_FOUND, "query_not_found", format!("there is no query `{name}`"));
    let query = found.ok_or_else(missing)?;
    let reasons = explain(&query, &all_deliveries(&state).await, state.clock.now());
    let mut answer = json!(query);
    answer["reasons"] = json!(reasons);
    Ok(Json(answer))
}

/// `GET /v1/deliveries`: delivery streams in order of their names: counts, rate, lag, what was last delivered, what fails now.
pub(crate) async fn deliveries(State(state): Shared, uri: Uri) -> Result<Json<Value>, RestError> {
    Parameters::read(&uri, &[])?;
    Ok(Json(json!({"deliveries": all_deliveries(&state).await})))
}

/// `GET /v1/deliveries/{delivery}`: one of them.
pub(crate) async fn delivery(
    State(state): Shared,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Json<DeliveryReport>, RestError> {
    Parameters::read(&uri, &[])?;
    let found = all_deliveries(&state).await.into_iter().find(|delivery| delivery.name.as_str() == name);
    let missing =
        || RestError::new(StatusCode::NOT_FOUND, "delivery_not_found", format!("there is no delivery `{name}`"));
    found.map(Json).ok_or_else(missing)
}
