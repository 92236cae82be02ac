//! `/v1/sensor`: schemas, ports and figures of the sensor path.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use http::{StatusCode, Uri};
use model::datagram::header::SchemaId;
use model::datagram::schema::Schema;
use model::sensor_admin::{PortSpec, SchemaSpec, SensorAdmin, SensorError};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::rest::body;
use crate::rest::error::RestError;
use crate::rest::parameters::Parameters;
use crate::router::GatewayState;

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
    let off = || RestError::new(StatusCode::NOT_FOUND, "not_found", "this server takes no sensor datagrams");
    state.sensors.as_deref().ok_or_else(off)
}

async fn read<T: for<'de> Deserialize<'de>>(body: Body) -> Result<T, RestError> {
    let bytes = body::read(body).await?;
    serde_json::from_slice(&bytes).map_err(|error| RestError::invalid(format!("the body cannot be meant so: {error}")))
}

/// `GET /v1/sensor/schemas`
pub(crate) async fn schemas(State(state): State<Arc<GatewayState>>) -> Answer {
    Ok(Json(json!({"schemas": admin(&state)?.schemas().await})))
}

/// The body of a schema's PUT.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    fields: Schema,
}

/// `PUT /v1/sensor/schemas/{id}`
pub(crate) async fn put_schema(State(state): State<Arc<GatewayState>>, Path(id): Path<String>, body: Body) -> Answer {
    let Fields { fields } = read(body).await?;
    let schema = SchemaSpec { id: SchemaId(number(&id, "schema")?), fields };
    admin(&state)?.put_schema(schema.clone()).await?;
    Ok(Json(json!(schema)))
}

/// `GET /v1/sensor/ports`
pub(crate) async fn ports(State(state): State<Arc<GatewayState>>) -> Answer {
    Ok(Json(json!({"ports": admin(&state)?.ports().await})))
}

/// `GET /v1/sensor/ports/{port}`
pub(crate) async fn port(State(state): State<Arc<GatewayState>>, Path(port): Path<String>) -> Answer {
    let port = number(&port, "port")?;
    let found = admin(&state)?.ports().await.into_iter().find(|report| report.port == port);
    let none = || RestError::from(SensorError::NotFound(format!("port {port} is not programmed")));
    Ok(Json(json!(found.ok_or_else(none)?)))
}

/// `PUT /v1/sensor/ports/{port}`: 201 for a new one, 200 for one with another rule.
pub(crate) async fn put_port(
    State(state): State<Arc<GatewayState>>,
    Path(port): Path<String>,
    body: Body,
) -> Result<(StatusCode, Json<Value>), RestError> {
    let (port, spec) = (number(&port, "port")?, read::<PortSpec>(body).await?);
    let is_new = admin(&state)?.put_port(port, spec.clone()).await?;
    let mut answer = json!(spec);
    answer["port"] = port.into();
    Ok((if is_new { StatusCode::CREATED } else { StatusCode::OK }, Json(answer)))
}

/// `DELETE /v1/sensor/ports/{port}`
pub(crate) async fn remove_port(
    State(state): State<Arc<GatewayState>>,
    Path(port): Path<String>,
) -> Result<StatusCode, RestError> {
    admin(&state)?.remove_port(number(&port, "port")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /v1/sensor/stats`
pub(crate) async fn stats(State(state): State<Arc<GatewayState>>) -> Answer {
    Ok(Json(admin(&state)?.stats()))
}

/// `GET /v1/sensor/sources?port=&after=&limit=`
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
