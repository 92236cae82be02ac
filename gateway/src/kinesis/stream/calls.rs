//! What the operations that look at or change a stream share: the store's calls, with its errors in the words of Kinesis.

use std::sync::Arc;
use std::time::Duration;

use model::clock::Timestamp;
use model::name::StreamName;
use model::stream::settings::{StreamMode, StreamSettings};
use model::stream::shard::Reshard;
use model::stream::store::{StreamDescription, StreamError};

use crate::aws::error::AwsError;
use crate::kinesis::error;
use crate::state::GatewayState;
use crate::usage::Usage;

/// How often a change is decided anew because somebody else was faster.
const ALTER_ATTEMPTS_MAX: usize = 16;

/// What is known of a stream.
pub(crate) async fn describe(state: &GatewayState, stream: &StreamName) -> Result<Arc<StreamDescription>, AwsError> {
    state.streams.describe(stream).await.map_err(|failure| refused(&failure, state))
}

/// A failure of the store in the words of Kinesis.
pub(crate) fn refused(failure: &StreamError, state: &GatewayState) -> AwsError {
    error::of_stream(failure, &state.options.account_id)
}

/// Changes a stream's settings by `change`, which is asked again when others have changed them meanwhile. What it leaves
/// as it was is not written.
pub(crate) async fn alter(
    state: &GatewayState,
    stream: &StreamName,
    change: impl Fn(&StreamDescription, &mut StreamSettings) -> Result<(), AwsError>,
) -> Result<Arc<StreamDescription>, AwsError> {
    for _ in 0..ALTER_ATTEMPTS_MAX {
        let before = describe(state, stream).await?;
        let mut after = before.settings.clone();
        change(&before, &mut after)?;
        if after == before.settings {
            return Ok(before);
        }
        match state.streams.alter(stream, &before.settings, after).await {
            Err(StreamError::SettingsConflict(_)) => {}
            altered => return altered.map_err(|failure| error::of_stream(&failure, &state.options.account_id)),
        }
    }
    Err(error::of_stream(&StreamError::SettingsConflict(stream.clone()), &state.options.account_id))
}

/// Changes a stream's shards.
pub(crate) async fn reshard(
    state: &GatewayState,
    stream: &StreamName,
    change: Reshard,
) -> Result<Arc<StreamDescription>, AwsError> {
    let resharded = state.streams.reshard(stream, change).await;
    resharded.map_err(|failure| refused(&failure, state))
}

/// What the whole server has.
pub(crate) async fn usage(state: &GatewayState) -> Result<Usage, AwsError> {
    Usage::of(&*state.streams).await.map_err(|failure| refused(&failure, state))
}

/// Rejects a request that would open so many shards more than there may be.
pub(crate) async fn room_for_shards(state: &GatewayState, more: usize) -> Result<(), AwsError> {
    usage(state).await?.room_for_shards(more).map_err(|exceeded| error::of_exceeded(&exceeded, &state.options))
}

/// Rejects a request that would make one on-demand stream more than there may be.
pub(crate) async fn room_for_on_demand(state: &GatewayState) -> Result<(), AwsError> {
    usage(state).await?.room_for_on_demand().map_err(|exceeded| error::of_exceeded(&exceeded, &state.options))
}

/// Refuses an operation that only streams in `mode` have.
pub(crate) fn in_mode(description: &StreamDescription, mode: StreamMode) -> Result<(), AwsError> {
    if description.settings.mode == mode {
        return Ok(());
    }
    Err(error::wrong_mode(description.name.as_str(), mode))
}

/// Notes one more use of something that may be done `times` a day. Error: it has been, within the last 24 hours.
pub(crate) fn once_more(
    used_at: &mut Vec<Timestamp>,
    now: Timestamp,
    times: usize,
    operation: &str,
) -> Result<(), AwsError> {
    used_at.retain(|at| now - DAY < *at);
    if used_at.len() >= times {
        let message = format!("{operation} may be called {times} times within 24 hours for one stream.");
        return Err(AwsError::new("LimitExceededException", message));
    }
    used_at.push(now);
    Ok(())
}

const DAY: Duration = Duration::from_secs(24 * 3600);
