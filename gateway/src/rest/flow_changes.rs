//! What changes queries and deliveries while the server runs: create, alter, pause, resume, drop.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use http::{StatusCode, Uri};
use model::flow::admin::{Alteration, FlowAdmin, FlowError};
use model::flow::destination::Destination;
use model::flow::spec::{DeliverySpec, FlowKind, FlowSpec, QuerySpec};
use model::name::{ConsumerName, StreamName};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::rest::body;
use crate::rest::error::{ErrorBody, RestError};
use crate::rest::flows::{QueryList, all_deliveries, all_queries};
use crate::rest::parameters::Parameters;
use crate::rest::wire::flow::{DeliveryReport, FlowStart};
use crate::state::GatewayState;

type Shared = State<Arc<GatewayState>>;

/// A query to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewQuery {
    /// Its name.
    name: String,
    /// The text of the query.
    sql: String,
    /// Streams by the name that the query uses for them; without an entry the names are the same.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    streams: BTreeMap<String, StreamName>,
    /// Where it begins in its source.
    #[serde(default)]
    start: FlowStart,
}

/// What to change of a query. What is missing stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QueryChange {
    /// The text of the query.
    sql: Option<String>,
    /// Streams by the name that the query uses for them.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    streams: Option<BTreeMap<String, StreamName>>,
    /// Where it begins in its source when it has no progress.
    start: Option<FlowStart>,
    /// Whether to discard its checkpoint and start again.
    #[serde(default)]
    restart: bool,
}

/// A delivery to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDelivery {
    /// Its name.
    name: String,
    /// The stream to deliver.
    #[schema(value_type = String)]
    source: StreamName,
    /// `{"table": "NAME"}`, or `{"archive": {}}` with the options of a settings file.
    #[schema(value_type = Object)]
    destination: Destination,
    /// Where it begins in its source.
    #[serde(default)]
    start: FlowStart,
}

/// What to change of a delivery. What is missing stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliveryChange {
    /// The stream to deliver.
    #[schema(value_type = Option<String>)]
    source: Option<StreamName>,
    /// `{"table": "NAME"}`, or `{"archive": {}}` with the options of a settings file.
    #[schema(value_type = Option<Object>)]
    destination: Option<Destination>,
    /// Where it begins in its source when it has no progress.
    start: Option<FlowStart>,
    /// Whether to discard its checkpoint and start again.
    #[serde(default)]
    restart: bool,
}

fn refused(kind: FlowKind, error: FlowError) -> RestError {
    let message = error.to_string();
    match error {
        FlowError::Sql(error) => error.into(),
        FlowError::Invalid(_) => RestError::invalid(message),
        FlowError::NotFound(_) => {
            RestError::new(StatusCode::NOT_FOUND, &format!("{}_not_found", kind.as_str()), message)
        }
        FlowError::Conflict(_) => RestError::new(StatusCode::CONFLICT, "conflict", message),
        FlowError::Differs { differences, .. } => {
            RestError::new(StatusCode::CONFLICT, "differs", message).with_differences(differences)
        }
        FlowError::Failed(_) => RestError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message),
    }
}

fn admin(state: &GatewayState) -> Result<&dyn FlowAdmin, RestError> {
    let off = || RestError::new(StatusCode::NOT_FOUND, "not_found", "this server runs no queries and deliveries");
    state.flow_admin.as_deref().ok_or_else(off)
}

async fn read<T: for<'de> Deserialize<'de>>(body: Body) -> Result<T, RestError> {
    let bytes = body::read(body).await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| RestError::invalid(format!("the body is not what this path takes: {error}")))
}

fn name_of(text: &str) -> Result<ConsumerName, RestError> {
    ConsumerName::new(text).map_err(|error| RestError::invalid(error.to_string()))
}

/// The reports of one query.
async fn reports(state: &GatewayState, name: &ConsumerName) -> Json<QueryList> {
    Json(all_queries(state).await.into_iter().filter(|report| report.query == *name).collect())
}

/// The report of one delivery.
async fn report(state: &GatewayState, name: &ConsumerName) -> Result<Json<DeliveryReport>, RestError> {
    let found = all_deliveries(state).await.into_iter().find(|report| report.name == *name);
    let gone = || FlowError::NotFound(format!("there is no delivery `{name}`"));
    found.map(|found| Json(found.into())).ok_or_else(|| refused(FlowKind::Delivery, gone()))
}

/// Creates a continuous query, and starts it. It runs again after a restart of the server.
#[utoipa::path(post, path = "/v1/queries", tag = "flows", request_body = NewQuery, responses(
    (status = 201, description = "It runs.", body = QueryList),
    (status = 400, description = "The query cannot run. The error says where in the SQL.", body = ErrorBody),
    (status = 409, description = "The name is taken.", body = ErrorBody),
))]
pub(crate) async fn create_query(
    State(state): Shared,
    uri: Uri,
    body: Body,
) -> Result<(StatusCode, Json<QueryList>), RestError> {
    Parameters::read(&uri, &[])?;
    let NewQuery { name, sql, streams, start } = read(body).await?;
    let (name, spec) = (name_of(&name)?, FlowSpec::Query(QuerySpec { sql, streams, start: start.into() }));
    let created = admin(&state)?.create(name.clone(), spec).await;
    created.map_err(|error| refused(FlowKind::Query, error))?;
    Ok((StatusCode::CREATED, reports(&state, &name).await))
}

/// Changes a query that was created at run time. It continues from its checkpoint if the change allows that; otherwise the
/// change is rejected with the differences, unless `restart` is true: then the query discards its checkpoint and starts again.
#[utoipa::path(patch, path = "/v1/queries/{query}", tag = "flows", params(
    ("query" = String, Path, description = "The query."),
), request_body = QueryChange, responses(
    (status = 200, description = "It runs as changed.", body = QueryList),
    (status = 400, description = "The query cannot run. The error says where in the SQL.", body = ErrorBody),
    (status = 404, description = "No such query.", body = ErrorBody),
    (status = 409, description = "It is in the settings file, or its checkpoint does not fit the change.", body = ErrorBody),
))]
pub(crate) async fn alter_query(
    State(state): Shared,
    Path(query): Path<String>,
    uri: Uri,
    body: Body,
) -> Result<Json<QueryList>, RestError> {
    Parameters::read(&uri, &[])?;
    let (name, change): (ConsumerName, QueryChange) = (name_of(&query)?, read(body).await?);
    let kind = FlowKind::Query;
    let admin = admin(&state)?;
    let FlowSpec::Query(known) = admin.spec(kind, &name).await.map_err(|error| refused(kind, error))? else {
        return Err(refused(kind, FlowError::NotFound(format!("query `{name}` does not exist"))));
    };
    let spec = QuerySpec {
        sql: change.sql.unwrap_or(known.sql),
        streams: change.streams.unwrap_or(known.streams),
        start: change.start.map_or(known.start, Into::into),
    };
    let altered = admin.alter(&name, FlowSpec::Query(spec), Alteration { restart: change.restart }).await;
    altered.map_err(|error| refused(kind, error))?;
    Ok(reports(&state, &name).await)
}

/// Ends a query's work until it is resumed, over restarts of the server too. Its progress stays.
#[utoipa::path(post, path = "/v1/queries/{query}/pause", tag = "flows", params(
    ("query" = String, Path, description = "The query."),
), responses((status = 200, body = QueryList), (status = 404, description = "No such query.", body = ErrorBody)))]
pub(crate) async fn pause_query(
    State(state): Shared,
    Path(query): Path<String>,
    uri: Uri,
) -> Result<Json<QueryList>, RestError> {
    Parameters::read(&uri, &[])?;
    let name = name_of(&query)?;
    admin(&state)?.pause(FlowKind::Query, &name).await.map_err(|error| refused(FlowKind::Query, error))?;
    Ok(reports(&state, &name).await)
}

/// Lets a query work again at once, also one that has failed too often.
#[utoipa::path(post, path = "/v1/queries/{query}/resume", tag = "flows", params(
    ("query" = String, Path, description = "The query."),
), responses((status = 200, body = QueryList), (status = 404, description = "No such query.", body = ErrorBody)))]
pub(crate) async fn resume_query(
    State(state): Shared,
    Path(query): Path<String>,
    uri: Uri,
) -> Result<Json<QueryList>, RestError> {
    Parameters::read(&uri, &[])?;
    let name = name_of(&query)?;
    admin(&state)?.resume(FlowKind::Query, &name).await.map_err(|error| refused(FlowKind::Query, error))?;
    Ok(reports(&state, &name).await)
}

/// Stops a query that was created at run time, and deletes its checkpoint. The streams that it wrote stay.
#[utoipa::path(delete, path = "/v1/queries/{query}", tag = "flows", params(
    ("query" = String, Path, description = "The query."),
    ("output" = Option<String>, Query, description = "`delete` deletes the streams that it wrote, too; `keep` is the default."),
), responses(
    (status = 204, description = "It is gone."),
    (status = 404, description = "No such query.", body = ErrorBody),
    (status = 409, description = "It is in the settings file.", body = ErrorBody),
))]
pub(crate) async fn drop_query(
    State(state): Shared,
    Path(query): Path<String>,
    uri: Uri,
) -> Result<StatusCode, RestError> {
    let parameters = Parameters::read(&uri, &["output"])?;
    let with_output = match parameters.get("output") {
        None | Some("keep") => false,
        Some("delete") => true,
        Some(other) => {
            return Err(RestError::invalid(format!("`output` is `{other}`; it must be `keep` or `delete`")));
        }
    };
    let dropped = admin(&state)?.drop(FlowKind::Query, &name_of(&query)?, with_output).await;
    dropped.map_err(|error| refused(FlowKind::Query, error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Creates a delivery, and starts it. It runs again after a restart of the server.
#[utoipa::path(post, path = "/v1/deliveries", tag = "flows", request_body = NewDelivery, responses(
    (status = 201, description = "It runs.", body = DeliveryReport),
    (status = 400, description = "It cannot run.", body = ErrorBody),
    (status = 409, description = "The name is taken.", body = ErrorBody),
))]
pub(crate) async fn create_delivery(
    State(state): Shared,
    uri: Uri,
    body: Body,
) -> Result<(StatusCode, Json<DeliveryReport>), RestError> {
    Parameters::read(&uri, &[])?;
    let NewDelivery { name, source, destination, start } = read(body).await?;
    let (name, spec) = (name_of(&name)?, FlowSpec::Delivery(DeliverySpec { source, destination, start: start.into() }));
    let created = admin(&state)?.create(name.clone(), spec).await;
    created.map_err(|error| refused(FlowKind::Delivery, error))?;
    Ok((StatusCode::CREATED, report(&state, &name).await?))
}

/// Changes a delivery that was created at run time. A change of its source or of where it delivers to is rejected with
/// the differences, unless `restart` is true: then the delivery discards its checkpoint and starts again.
#[utoipa::path(patch, path = "/v1/deliveries/{delivery}", tag = "flows", params(
    ("delivery" = String, Path, description = "The delivery."),
), request_body = DeliveryChange, responses(
    (status = 200, description = "It runs as changed.", body = DeliveryReport),
    (status = 400, description = "It cannot run.", body = ErrorBody),
    (status = 404, description = "No such delivery.", body = ErrorBody),
    (status = 409, description = "It is in the settings file, or its checkpoint does not fit the change.", body = ErrorBody),
))]
pub(crate) async fn alter_delivery(
    State(state): Shared,
    Path(delivery): Path<String>,
    uri: Uri,
    body: Body,
) -> Result<Json<DeliveryReport>, RestError> {
    Parameters::read(&uri, &[])?;
    let (name, change): (ConsumerName, DeliveryChange) = (name_of(&delivery)?, read(body).await?);
    let kind = FlowKind::Delivery;
    let admin = admin(&state)?;
    let FlowSpec::Delivery(known) = admin.spec(kind, &name).await.map_err(|error| refused(kind, error))? else {
        return Err(refused(kind, FlowError::NotFound(format!("there is no delivery `{name}`"))));
    };
    let spec = DeliverySpec {
        source: change.source.unwrap_or(known.source),
        destination: change.destination.unwrap_or(known.destination),
        start: change.start.map_or(known.start, Into::into),
    };
    let altered = admin.alter(&name, FlowSpec::Delivery(spec), Alteration { restart: change.restart }).await;
    altered.map_err(|error| refused(kind, error))?;
    report(&state, &name).await
}

/// Ends a delivery's work until it is resumed, over restarts of the server too. Its progress stays.
#[utoipa::path(post, path = "/v1/deliveries/{delivery}/pause", tag = "flows", params(
    ("delivery" = String, Path, description = "The delivery."),
), responses((status = 200, body = DeliveryReport), (status = 404, description = "No such delivery.", body = ErrorBody)))]
pub(crate) async fn pause_delivery(
    State(state): Shared,
    Path(delivery): Path<String>,
    uri: Uri,
) -> Result<Json<DeliveryReport>, RestError> {
    Parameters::read(&uri, &[])?;
    let name = name_of(&delivery)?;
    admin(&state)?.pause(FlowKind::Delivery, &name).await.map_err(|error| refused(FlowKind::Delivery, error))?;
    report(&state, &name).await
}

/// Lets a delivery work again at once, also one that has failed too often.
#[utoipa::path(post, path = "/v1/deliveries/{delivery}/resume", tag = "flows", params(
    ("delivery" = String, Path, description = "The delivery."),
), responses((status = 200, body = DeliveryReport), (status = 404, description = "No such delivery.", body = ErrorBody)))]
pub(crate) async fn resume_delivery(
    State(state): Shared,
    Path(delivery): Path<String>,
    uri: Uri,
) -> Result<Json<DeliveryReport>, RestError> {
    Parameters::read(&uri, &[])?;
    let name = name_of(&delivery)?;
    admin(&state)?.resume(FlowKind::Delivery, &name).await.map_err(|error| refused(FlowKind::Delivery, error))?;
    report(&state, &name).await
}

/// Stops a delivery that was created at run time, and deletes its checkpoint. What it delivered stays.
#[utoipa::path(delete, path = "/v1/deliveries/{delivery}", tag = "flows", params(
    ("delivery" = String, Path, description = "The delivery."),
), responses(
    (status = 204, description = "It is gone."),
    (status = 404, description = "No such delivery.", body = ErrorBody),
    (status = 409, description = "It is in the settings file.", body = ErrorBody),
))]
pub(crate) async fn drop_delivery(
    State(state): Shared,
    Path(delivery): Path<String>,
    uri: Uri,
) -> Result<StatusCode, RestError> {
    Parameters::read(&uri, &[])?;
    let dropped = admin(&state)?.drop(FlowKind::Delivery, &name_of(&delivery)?, false).await;
    dropped.map_err(|error| refused(FlowKind::Delivery, error))?;
    Ok(StatusCode::NO_CONTENT)
}
