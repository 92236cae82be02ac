//! `GET /v1/streams`: what streams there are.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::Uri;
use model::name::StreamName;
use model::stream::settings::StreamMode;
use model::stream::store::StreamError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::rest::error::RestError;
use crate::rest::parameters::Parameters;
use crate::state::GatewayState;

/// All streams.
#[derive(Serialize, ToSchema)]
pub(crate) struct StreamList {
    streams: Vec<StreamEntry>,
}

/// A stream; one that cannot be opened has its name and the reason.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum StreamEntry {
    /// A stream that can be used.
    Open {
        #[schema(value_type = String)]
        name: StreamName,
        #[schema(value_type = String, example = "provisioned")]
        mode: StreamMode,
        /// Open shards.
        open_shards: usize,
        /// How long records are kept.
        retention_seconds: u64,
        /// When it was made.
        created_at: String,
    },
    /// One that cannot.
    Broken {
        #[schema(value_type = String)]
        name: StreamName,
        /// Why.
        error: String,
    },
}

/// Lists all streams in order of their names.
#[utoipa::path(get, path = "/v1/streams", tag = "streams", responses((status = 200, body = StreamList)))]
pub(crate) async fn list(State(state): State<Arc<GatewayState>>, uri: Uri) -> Result<Json<StreamList>, RestError> {
    Parameters::read(&uri, &[])?;
    let mut streams = Vec::new();
    for name in state.streams.list().await? {
        let description = match state.streams.describe(&name).await {
            // Deleted since it was listed.
            Err(StreamError::NotFound(_)) => continue,
            Err(failure @ (StreamError::Damaged { .. } | StreamError::Io { .. })) => {
                streams.push(StreamEntry::Broken { name, error: failure.to_string() });
                continue;
            }
            described => described?,
        };
        streams.push(StreamEntry::Open {
            name,
            mode: description.settings.mode,
            open_shards: description.shards.open_count(),
            retention_seconds: description.settings.retention.as_secs(),
            created_at: description.created_at.to_string(),
        });
    }
    Ok(Json(StreamList { streams }))
}
