//! Creates, alters, pauses, resumes and drops deliveries.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use http::{StatusCode, Uri};
use model::flow::destination::Destination;
use model::flow::spec::{DeliverySpec, FlowKind, FlowSpec};
use model::name::StreamName;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::rest::error::{ErrorBody, RestError};
use crate::rest::flow_changes::target::{Target, read};
use crate::rest::flows::all_deliveries;
use crate::rest::parameters::Parameters;
use crate::rest::permission::Asker;
use crate::rest::wire::flow::{DeliveryReport, FlowStart};
use crate::state::GatewayState;

type Shared = State<Arc<GatewayState>>;

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
    /// Where to start reading.
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
    /// Where to start reading when it has no checkpoint.
    start: Option<FlowStart>,
    /// Whether to discard its checkpoint and start again.
    #[serde(default)]
    restart: bool,
}

/// The report of one delivery.
async fn report(state: &GatewayState, delivery: &Target<'_>) -> Result<Json<DeliveryReport>, RestError> {
    let found = all_deliveries(state).await.into_iter().find(|report| report.name == delivery.name);
    found.map(|found| Json(found.into())).ok_or_else(|| delivery.not_found())
}

/// Creates a delivery, and starts it. It runs again after a restart of the server.
#[utoipa::path(post, path = "/v1/deliveries", tag = "flows", request_body = NewDelivery, responses(
    (status = 201, description = "It is created and starts.", body = DeliveryReport),
    (status = 400, description = "It cannot run.", body = ErrorBody),
    (status = 403, description = "The caller may not read or write a stream or table that it uses.", body = ErrorBody),
    (status = 409, description = "The name is taken.", body = ErrorBody),
))]
pub(crate) async fn create_delivery(
    State(state): Shared,
    Extension(asker): Extension<Asker>,
    uri: Uri,
    body: Body,
) -> Result<(StatusCode, Json<DeliveryReport>), RestError> {
    Parameters::read(&uri, &[])?;
    let NewDelivery { name, source, destination, start } = read(body).await?;
    let target = Target::of(&state, FlowKind::Delivery, &name)?;
    target.create(&asker, FlowSpec::Delivery(DeliverySpec { source, destination, start: start.into() })).await?;
    Ok((StatusCode::CREATED, report(&state, &target).await?))
}

/// Changes a delivery that was created at run time. A change of its source or destination is rejected with
/// the differences, unless `restart` is true: then the delivery discards its checkpoint and starts again.
#[utoipa::path(patch, path = "/v1/deliveries/{delivery}", tag = "flows", params(
    ("delivery" = String, Path, description = "The delivery."),
), request_body = DeliveryChange, responses(
    (status = 200, description = "It is changed.", body = DeliveryReport),
    (status = 400, description = "It cannot run.", body = ErrorBody),
    (status = 403, description = "The caller may not read or write a stream or table that it uses.", body = ErrorBody),
    (status = 404, description = "No such delivery.", body = ErrorBody),
    (status = 409, description = "It is in the settings file, or its checkpoint does not fit the change.", body = ErrorBody),
))]
pub(crate) async fn alter_delivery(
    State(state): Shared,
    Extension(asker): Extension<Asker>,
    Path(delivery): Path<String>,
    uri: Uri,
    body: Body,
) -> Result<Json<DeliveryReport>, RestError> {
    Parameters::read(&uri, &[])?;
    let DeliveryChange { source, destination, start, restart } = read(body).await?;
    let target = Target::of(&state, FlowKind::Delivery, &delivery)?;
    let changed = |known: FlowSpec| match known {
        FlowSpec::Delivery(known) => Some(FlowSpec::Delivery(DeliverySpec {
            source: source.unwrap_or(known.source),
            destination: destination.unwrap_or(known.destination),
            start: start.map_or(known.start, Into::into),
        })),
        FlowSpec::Query(_) => None,
    };
    target.alter(&asker, restart, changed).await?;
    report(&state, &target).await
}

/// Pauses a delivery until it is resumed, also over restarts of the server. It keeps its checkpoint.
#[utoipa::path(post, path = "/v1/deliveries/{delivery}/pause", tag = "flows", params(
    ("delivery" = String, Path, description = "The delivery."),
), responses((status = 200, body = DeliveryReport), (status = 404, description = "No such delivery.", body = ErrorBody)))]
pub(crate) async fn pause_delivery(
    State(state): Shared,
    Path(delivery): Path<String>,
    uri: Uri,
) -> Result<Json<DeliveryReport>, RestError> {
    Parameters::read(&uri, &[])?;
    let target = Target::of(&state, FlowKind::Delivery, &delivery)?;
    target.pause().await?;
    report(&state, &target).await
}

/// Starts a paused delivery again, or one that has failed.
#[utoipa::path(post, path = "/v1/deliveries/{delivery}/resume", tag = "flows", params(
    ("delivery" = String, Path, description = "The delivery."),
), responses((status = 200, body = DeliveryReport), (status = 404, description = "No such delivery.", body = ErrorBody)))]
pub(crate) async fn resume_delivery(
    State(state): Shared,
    Path(delivery): Path<String>,
    uri: Uri,
) -> Result<Json<DeliveryReport>, RestError> {
    Parameters::read(&uri, &[])?;
    let target = Target::of(&state, FlowKind::Delivery, &delivery)?;
    target.resume().await?;
    report(&state, &target).await
}

/// Stops a delivery that was created at run time, and deletes its checkpoint. What it delivered stays.
#[utoipa::path(delete, path = "/v1/deliveries/{delivery}", tag = "flows", params(
    ("delivery" = String, Path, description = "The delivery."),
), responses(
    (status = 204, description = "It is dropped."),
    (status = 404, description = "No such delivery.", body = ErrorBody),
    (status = 409, description = "It is in the settings file.", body = ErrorBody),
))]
pub(crate) async fn drop_delivery(
    State(state): Shared,
    Extension(asker): Extension<Asker>,
    Path(delivery): Path<String>,
    uri: Uri,
) -> Result<StatusCode, RestError> {
    Parameters::read(&uri, &[])?;
    Target::of(&state, FlowKind::Delivery, &delivery)?.drop_it(&asker, false).await?;
    Ok(StatusCode::NO_CONTENT)
}
