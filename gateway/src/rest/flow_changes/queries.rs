//! Creates, alters, pauses, resumes and drops queries.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use http::{StatusCode, Uri};
use model::flow::spec::{FlowKind, FlowSpec, QuerySpec};
use model::name::StreamName;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::rest::error::{ErrorBody, RestError};
use crate::rest::flow_changes::target::{Target, read};
use crate::rest::flows::{QueryList, all_queries};
use crate::rest::parameters::Parameters;
use crate::rest::permission::Asker;
use crate::rest::wire::flow::FlowStart;
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
    /// Where to start reading.
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
    /// Where to start reading when it has no checkpoint.
    start: Option<FlowStart>,
    /// Whether to discard its checkpoint and start again.
    #[serde(default)]
    restart: bool,
}

/// The reports of one query.
async fn reports(state: &GatewayState, query: &Target<'_>) -> Json<QueryList> {
    Json(all_queries(state).await.into_iter().filter(|report| report.query == query.name).collect())
}

/// Creates a continuous query, and starts it. It runs again after a restart of the server.
#[utoipa::path(post, path = "/v1/queries", tag = "flows", request_body = NewQuery, responses(
    (status = 201, description = "It is created and starts.", body = QueryList),
    (status = 400, description = "The query cannot run. The error says where in the SQL.", body = ErrorBody),
    (status = 403, description = "The caller may not read or write a stream or table that it uses.", body = ErrorBody),
    (status = 409, description = "The name is taken.", body = ErrorBody),
))]
pub(crate) async fn create_query(
    State(state): Shared,
    Extension(asker): Extension<Asker>,
    uri: Uri,
    body: Body,
) -> Result<(StatusCode, Json<QueryList>), RestError> {
    Parameters::read(&uri, &[])?;
    let NewQuery { name, sql, streams, start } = read(body).await?;
    let target = Target::of(&state, FlowKind::Query, &name)?;
    target.create(&asker, FlowSpec::Query(QuerySpec { sql, streams, start: start.into() })).await?;
    Ok((StatusCode::CREATED, reports(&state, &target).await))
}

/// Changes a query that was created at run time. It continues from its checkpoint if the change allows that; otherwise the
/// change is rejected with the differences, unless `restart` is true: then the query discards its checkpoint and starts again.
#[utoipa::path(patch, path = "/v1/queries/{query}", tag = "flows", params(
    ("query" = String, Path, description = "The query."),
), request_body = QueryChange, responses(
    (status = 200, description = "It is changed.", body = QueryList),
    (status = 400, description = "The query cannot run. The error says where in the SQL.", body = ErrorBody),
    (status = 403, description = "The caller may not read or write a stream or table that it uses.", body = ErrorBody),
    (status = 404, description = "No such query.", body = ErrorBody),
    (status = 409, description = "It is in the settings file, or its checkpoint does not fit the change.", body = ErrorBody),
))]
pub(crate) async fn alter_query(
    State(state): Shared,
    Extension(asker): Extension<Asker>,
    Path(query): Path<String>,
    uri: Uri,
    body: Body,
) -> Result<Json<QueryList>, RestError> {
    Parameters::read(&uri, &[])?;
    let QueryChange { sql, streams, start, restart } = read(body).await?;
    let target = Target::of(&state, FlowKind::Query, &query)?;
    let changed = |known: FlowSpec| match known {
        FlowSpec::Query(known) => Some(FlowSpec::Query(QuerySpec {
            sql: sql.unwrap_or(known.sql),
            streams: streams.unwrap_or(known.streams),
            start: start.map_or(known.start, Into::into),
        })),
        FlowSpec::Delivery(_) => None,
    };
    target.alter(&asker, restart, changed).await?;
    Ok(reports(&state, &target).await)
}

/// Pauses a query until it is resumed, also over restarts of the server. It keeps its checkpoint.
#[utoipa::path(post, path = "/v1/queries/{query}/pause", tag = "flows", params(
    ("query" = String, Path, description = "The query."),
), responses((status = 200, body = QueryList), (status = 404, description = "No such query.", body = ErrorBody)))]
pub(crate) async fn pause_query(
    State(state): Shared,
    Path(query): Path<String>,
    uri: Uri,
) -> Result<Json<QueryList>, RestError> {
    Parameters::read(&uri, &[])?;
    let target = Target::of(&state, FlowKind::Query, &query)?;
    target.pause().await?;
    Ok(reports(&state, &target).await)
}

/// Starts a paused query again, or one that has failed.
#[utoipa::path(post, path = "/v1/queries/{query}/resume", tag = "flows", params(
    ("query" = String, Path, description = "The query."),
), responses((status = 200, body = QueryList), (status = 404, description = "No such query.", body = ErrorBody)))]
pub(crate) async fn resume_query(
    State(state): Shared,
    Path(query): Path<String>,
    uri: Uri,
) -> Result<Json<QueryList>, RestError> {
    Parameters::read(&uri, &[])?;
    let target = Target::of(&state, FlowKind::Query, &query)?;
    target.resume().await?;
    Ok(reports(&state, &target).await)
}

/// Stops a query that was created at run time, and deletes its checkpoint. The streams that it wrote stay.
#[utoipa::path(delete, path = "/v1/queries/{query}", tag = "flows", params(
    ("query" = String, Path, description = "The query."),
    ("output" = Option<String>, Query, description = "`delete` deletes the streams that it wrote, too; `keep` is the default."),
), responses(
    (status = 204, description = "It is dropped."),
    (status = 404, description = "No such query.", body = ErrorBody),
    (status = 409, description = "It is in the settings file.", body = ErrorBody),
))]
pub(crate) async fn drop_query(
    State(state): Shared,
    Extension(asker): Extension<Asker>,
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
    Target::of(&state, FlowKind::Query, &query)?.drop_it(&asker, with_output).await?;
    Ok(StatusCode::NO_CONTENT)
}
