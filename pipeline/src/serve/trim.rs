//! Drops what retention no longer keeps, and checkpoints that later ones have replaced: a segment a
//! stream each time.

use std::time::Duration;

use model::stream::store::StreamError;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::backends::Backends;

/// How often streams are trimmed to their retention.
const TRIM_INTERVAL: Duration = Duration::from_secs(10);

/// Trims all streams again and again, until cancelled.
pub(crate) async fn trim(backends: Backends, stop: CancellationToken) {
    let mut pause = tokio::time::interval(TRIM_INTERVAL);
    while stop.run_until_cancelled(pause.tick()).await.is_some() {
        for stream in backends.streams.list().await.unwrap_or_default() {
            match backends.streams.trim(&stream).await {
                Ok(()) | Err(StreamError::NotFound(_)) => {}
                // Reported when it was opened, and to whoever asks for it.
                Err(StreamError::Damaged { .. } | StreamError::KeyMissing { .. } | StreamError::KeyDiffers { .. }) => {}
                // The next trim makes up for it.
                Err(error @ (StreamError::DiskFull { .. } | StreamError::Io { .. })) => {
                    warn!(%stream, error = &error as &dyn std::error::Error, "stream cannot be trimmed now");
                }
                Err(error) => error!(%stream, %error, "stream cannot be trimmed"),
            }
            match backends.opened.compact(&stream).await {
                Ok(Some(bytes)) if bytes > 0 => info!(%stream, bytes, "old checkpoints removed"),
                Ok(_) | Err(StreamError::NotFound(_)) => {}
                // Damage is reported where it is noted; the files are as they were.
                Err(error) => debug!(%stream, %error, "old checkpoints not removed"),
            }
        }
    }
}
