//! The stream that a port's datagrams go to.

use model::datagram::admin::{PortSpec, SensorError};
use model::datagram::schema::Schema;
use model::datagram::sensor_stream::SensorStream;
use model::stream::settings::StreamSettings;
use model::stream::store::{StartingPosition, StreamDescription, StreamError, StreamOptions, StreamStore};
use tracing::info;

/// How often a change of a stream's settings is tried when somebody else changes them at the same time.
const ALTER_TRIES_MAX: usize = 5;

/// Creates the stream, or sees that its records are what the port takes.
pub(super) async fn prepare(streams: &dyn StreamStore, spec: &PortSpec, schema: &Schema) -> Result<(), SensorError> {
    for _ in 0..ALTER_TRIES_MAX {
        let sensor =
            SensorStream { schema_id: spec.schema, schema: schema.clone(), readers: spec.readers.unwrap_or_default() };
        let found = match streams.describe(&spec.stream).await {
            Ok(found) => found,
            Err(StreamError::NotFound(_)) => {
                let options = StreamOptions { sensor: Some(sensor), ..StreamOptions::default() };
                match streams.create(&spec.stream, options).await {
                    Ok(_) => {
                        info!(stream = %spec.stream, "stream created for sensor datagrams");
                        return Ok(());
                    }
                    Err(StreamError::Exists(_)) => continue,
                    Err(error) => return Err(SensorError::Failed(error.to_string())),
                }
            }
            Err(error) => return Err(SensorError::Failed(error.to_string())),
        };
        let Some(wanted) = wanted(streams, &found, spec, sensor).await? else { return Ok(()) };
        let to = StreamSettings { sensor: Some(wanted), ..found.settings.clone() };
        match streams.alter(&spec.stream, &found.settings, to).await {
            Ok(_) => return Ok(()),
            Err(StreamError::SettingsConflict(_)) => {}
            Err(error) => return Err(SensorError::Failed(error.to_string())),
        }
    }
    Err(SensorError::Conflict(format!("the settings of stream `{}` are being changed; try again", spec.stream)))
}

/// What the stream is to hold, if that is not what it holds.
async fn wanted(
    streams: &dyn StreamStore,
    found: &StreamDescription,
    spec: &PortSpec,
    sensor: SensorStream,
) -> Result<Option<SensorStream>, SensorError> {
    match &found.settings.sensor {
        Some(there) if there.schema_id == sensor.schema_id && there.schema == sensor.schema => {
            let readers = spec.readers.unwrap_or(there.readers);
            Ok((readers != there.readers).then_some(SensorStream { readers, ..sensor }))
        }
        there => {
            if is_empty(streams, found).await.map_err(|error| SensorError::Failed(error.to_string()))? {
                return Ok(Some(sensor));
            }
            let holds = match there {
                Some(there) if there.schema_id == sensor.schema_id => "records with other fields".to_owned(),
                Some(there) => format!("records of schema {}", there.schema_id.0),
                None => "records that are not sensor datagrams".to_owned(),
            };
            let message =
                format!("stream `{}` holds {holds}; send schema {} to another stream", found.name, sensor.schema_id.0);
            Err(SensorError::Conflict(message))
        }
    }
}

async fn is_empty(streams: &dyn StreamStore, stream: &StreamDescription) -> Result<bool, StreamError> {
    for shard in stream.shards.iter() {
        let oldest = streams.locate(&stream.name, shard.id, StartingPosition::TrimHorizon).await?;
        if oldest != streams.locate(&stream.name, shard.id, StartingPosition::Latest).await? {
            return Ok(false);
        }
    }
    Ok(true)
}
