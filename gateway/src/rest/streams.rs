//! `GET /v1/streams`: what streams there are.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::Uri;
use model::stream_store::StreamError;
use serde_json::{Value, json};

use crate::rest::error::RestError;
use crate::rest::parameters::Parameters;
use crate::router::GatewayState;

/// All streams in order of their names.
pub(crate) async fn list(State(state): State<Arc<GatewayState>>, uri: Uri) -> Result<Json<Value>, RestError> {
    Parameters::read(&uri, &[])?;
    let mut streams = Vec::new();
    for name in state.streams.list().await? {
        let description = match state.streams.describe(&name).await {
            // Deleted since it was listed.
            Err(StreamError::NotFound(_)) => continue,
            Err(failure @ (StreamError::Damaged { .. } | StreamError::Io { .. })) => {
                streams.push(json!({"name": name, "error": failure.to_string()}));
                continue;
            }
            described => described?,
        };
        streams.push(json!({
            "name": name,
            "mode": description.settings.mode,
            "open_shards": description.shards.open_count(),
            "retention_seconds": description.settings.retention.as_secs(),
            "created_at": description.created_at.to_string(),
        }));
    }
    Ok(Json(json!({"streams": streams})))
}
