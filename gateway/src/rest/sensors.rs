//! `/v1/sensor`: schemas, ports and figures of the sensor path.

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use http::{StatusCode, Uri};
use model::datagram::admin::{self, SensorAdmin, SensorError};
use model::datagram::header::SchemaId;
use model::datagram::schema::Schema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::rest::action::StreamUse;
use crate::rest::body;
use crate::rest::error::{ErrorBody, RestError};
use crate::rest::parameters::Parameters;
use crate::rest::permission::Asker;
use crate::rest::wire::sensor::{Field, PortReport, PortSpec, SchemaSpec};
use crate::state::GatewayState;

/// Sources in one answer, where nothing is said, and at most.
const SOURCES_USUAL: usize = 100;
const SOURCES_MAX: usize = 1000;

type Answer = Result<Json<Value>, RestError>;

impl From<SensorError> for RestError {
    fn from(failure: SensorError) -> Self {
        let (status, code) = match &failure {
            SensorError::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid_parameter"),
            SensorError::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            SensorError::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
            SensorError::Failed(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        RestError::new(status, code, failure.to_string())
    }
}

fn admin(state: &GatewayState) -> Result<&dyn SensorAdmin, RestError> {
    let off = || RestError::new(StatusCode::NOT_FOUND, "not_found", "this server does not receive sensor datagrams");
    state.sensors.as_deref().ok_or_else(off)
}

async fn read<T: for<'de> Deserialize<'de>>(body: Body) -> Result<T, RestError> {
    let bytes = body::read(body).await?;
    serde_json::from_slice(&bytes).map_err(|error| RestError::invalid(format!("the body is not valid: {error}")))
}

/// All schemas.
#[derive(Serialize, ToSchema)]
pub(crate) struct SchemaList {
    schemas: Vec<SchemaSpec>,
}

/// Lists all schemas of sensor records.
#[utoipa::path(get, path = "/v1/sensor/schemas", tag = "sensors", responses((status = 200, body = SchemaList)))]
pub(crate) async fn schemas(State(state): State<Arc<GatewayState>>) -> Result<Json<SchemaList>, RestError> {
    let schemas = admin(&state)?.schemas().await.into_iter().map(SchemaSpec::from).collect();
    Ok(Json(SchemaList { schemas }))
}

/// The fields of a schema, in the order of their bytes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SchemaFields {
    #[schema(value_type = Vec<Field>)]
    fields: Schema,
}

/// Registers a schema. Registering the same fields again changes nothing. Other fields under a used number are a conflict.
#[utoipa::path(put, path = "/v1/sensor/schemas/{schema}", tag = "sensors", params(
    ("schema" = u16, Path, description = "The schema's number, which every datagram repeats."),
), request_body = SchemaFields, responses(
    (status = 200, body = SchemaSpec),
    (status = 400, description = "The fields are not valid.", body = ErrorBody),
    (status = 409, description = "The number has other fields.", body = ErrorBody),
))]
pub(crate) async fn put_schema(
    State(state): State<Arc<GatewayState>>,
    Path(id): Path<String>,
    body: Body,
) -> Result<Json<SchemaSpec>, RestError> {
    let SchemaFields { fields } = read(body).await?;
    let schema = admin::SchemaSpec { id: SchemaId(number(&id, "schema")?), fields };
    admin(&state)?.put_schema(schema.clone()).await?;
    Ok(Json(schema.into()))
}

/// All ports.
#[derive(Serialize, ToSchema)]
pub(crate) struct PortList {
    ports: Vec<PortReport>,
}

/// Lists all ports for sensor datagrams, with what became of the datagrams.
#[utoipa::path(get, path = "/v1/sensor/ports", tag = "sensors", responses((status = 200, body = PortList)))]
pub(crate) async fn ports(State(state): State<Arc<GatewayState>>) -> Result<Json<PortList>, RestError> {
    let ports = admin(&state)?.ports().await.into_iter().map(PortReport::from).collect();
    Ok(Json(PortList { ports }))
}

/// Shows one port.
#[utoipa::path(get, path = "/v1/sensor/ports/{port}", tag = "sensors", params(
    ("port" = u16, Path, description = "The UDP port."),
), responses((status = 200, body = PortReport), (status = 404, description = "No such port.", body = ErrorBody)))]
pub(crate) async fn port(
    State(state): State<Arc<GatewayState>>,
    Path(port): Path<String>,
) -> Result<Json<PortReport>, RestError> {
    let port = number(&port, "port")?;
    let found = admin(&state)?.ports().await.into_iter().find(|report| report.port == port);
    let none = || RestError::from(SensorError::NotFound(format!("port {port} is not a sensor port")));
    Ok(Json(found.ok_or_else(none)?.into()))
}

/// A port as it was asked for.
#[derive(Serialize, ToSchema)]
pub(crate) struct PortAnswer {
    #[serde(flatten)]
    spec: PortSpec,
    /// Its number.
    port: u16,
}

/// Adds or changes a port. The change applies from the next datagram on and survives restarts.
#[utoipa::path(put, path = "/v1/sensor/ports/{port}", tag = "sensors", params(
    ("port" = u16, Path, description = "The UDP port."),
), request_body = PortSpec, responses(
    (status = 200, description = "The port was changed.", body = PortAnswer),
    (status = 201, description = "The port was added.", body = PortAnswer),
    (status = 400, description = "The request is not valid.", body = ErrorBody),
    (status = 403, description = "The caller may not put records into the stream.", body = ErrorBody),
    (status = 409, description = "It conflicts with what exists.", body = ErrorBody),
))]
pub(crate) async fn put_port(
    State(state): State<Arc<GatewayState>>,
    Extension(asker): Extension<Asker>,
    Path(port): Path<String>,
    body: Body,
) -> Result<(StatusCode, Json<PortAnswer>), RestError> {
    let port = number(&port, "port")?;
    let spec: admin::PortSpec = read::<PortSpec>(body).await?.into();
    asker.check_stream(spec.stream.as_str(), StreamUse::Write).await?;
    let is_new = admin(&state)?.put_port(port, spec.clone()).await?;
    Ok((if is_new { StatusCode::CREATED } else { StatusCode::OK }, Json(PortAnswer { spec: spec.into(), port })))
}

/// Closes a port. Accepted datagrams are still stored.
#[utoipa::path(delete, path = "/v1/sensor/ports/{port}", tag = "sensors", params(
    ("port" = u16, Path, description = "The UDP port."),
), responses((status = 204, description = "The port is closed."), (status = 404, description = "No such port.", body = ErrorBody)))]
pub(crate) async fn remove_port(
    State(state): State<Arc<GatewayState>>,
    Path(port): Path<String>,
) -> Result<StatusCode, RestError> {
    admin(&state)?.remove_port(number(&port, "port")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Counters of receiver, pollers, ports and streams.
#[utoipa::path(get, path = "/v1/sensor/stats", tag = "sensors", responses((status = 200, description = "Counters by name.", body = Object)))]
pub(crate) async fn stats(State(state): State<Arc<GatewayState>>) -> Answer {
    Ok(Json(admin(&state)?.stats()))
}

/// Lists sources with their missing, reordered and duplicate records.
#[utoipa::path(get, path = "/v1/sensor/sources", tag = "sensors", params(
    ("port" = Option<u16>, Query, description = "Only sources of this port."),
    ("after" = Option<u32>, Query, description = "Only sources with higher numbers."),
    ("limit" = Option<u16>, Query, minimum = 1, maximum = 1000, description = "Maximum number of sources; 100 by default."),
), responses((status = 200, description = "`sources`: an object each.", body = Object)))]
pub(crate) async fn sources(State(state): State<Arc<GatewayState>>, uri: Uri) -> Answer {
    let parameters = Parameters::read(&uri, &["port", "after", "limit"])?;
    let limit = parameters.limit(SOURCES_MAX, SOURCES_USUAL)?;
    let port = parameters.get("port").map(|port| number(port, "port")).transpose()?;
    let after = parameters.get("after").map(|after| {
        after.parse().map_err(|_| RestError::invalid(format!("`after` is `{after}`, not the number of a source")))
    });
    Ok(Json(json!({"sources": admin(&state)?.sources(port, after.transpose()?, limit)})))
}

/// A number of 16 bits in a path.
fn number(text: &str, what: &str) -> Result<u16, RestError> {
    text.parse().map_err(|_| RestError::invalid(format!("{what} `{text}` is not a number from 0 to 65535")))
}
