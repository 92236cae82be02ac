//! What the operations that look at or change a stream share: the store's calls, with its errors in the words of Kinesis.

use std::sync::Arc;
use std::time::Duration;

use model::clock::Timestamp;
use model::name::StreamName;
use model::stream::settings::{StreamMode, StreamSettings};
use model::stream::shard::Reshard;
use model::stream::store::{StreamDescription, StreamError};

use crate::aws::error::AwsError;
use crate::kinesis::{error, limits};
use crate::state::GatewayState;

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

/// Refuses an operation that only streams in `mode` have.
pub(crate) fn in_mode(description: &StreamDescription, mode: StreamMode) -> Result<(), AwsError> {
    if description.settings.mode == mode {
        return Ok(());
    }
    let name = match mode {
        StreamMode::Provisioned => "PROVISIONED",
        StreamMode::OnDemand => "ON_DEMAND",
    };
    let message = format!("Stream {} is not in mode {name}, and only such streams have this API.", description.name);
    Err(AwsError::new("ValidationException", message))
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

/// Open shards and on-demand streams of the whole server.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) open_shards: usize,
    pub(crate) on_demand_streams: usize,
}

impl Usage {
    /// As it is now.
    pub(crate) async fn of(state: &GatewayState) -> Result<Usage, AwsError> {
        let listed = state.streams.list().await;
        let names = listed.map_err(|failure| error::of_stream(&failure, &state.options.account_id))?;
        let mut usage = Usage::default();
        for name in names {
            // A stream that is deleted meanwhile counts no more.
            if let Ok(description) = state.streams.describe(&name).await {
                usage.open_shards += description.shards.open_count();
                usage.on_demand_streams += usize::from(description.settings.mode == StreamMode::OnDemand);
            }
        }
        Ok(usage)
    }

    /// Refuses so many shards more than there are.
    pub(crate) fn room_for_shards(&self, more: usize, options: &GatewayState) -> Result<(), AwsError> {
        if self.open_shards + more <= limits::ACCOUNT_SHARDS_MAX {
            return Ok(());
        }
        let (account, region) = (&options.options.account_id, &options.options.region);
        Err(AwsError::new(
            "LimitExceededException",
            format!(
                "This request would exceed the shard limit for the account {account} in {region}. Current shard count \
                 for the account: {}. Limit: {}. Number of additional shards that would have resulted from this \
                 request: {more}.",
                self.open_shards,
                limits::ACCOUNT_SHARDS_MAX
            ),
        ))
    }

    /// Refuses one on-demand stream more than there are.
    pub(crate) fn room_for_on_demand(&self) -> Result<(), AwsError> {
        if self.on_demand_streams < limits::ON_DEMAND_STREAMS_MAX {
            return Ok(());
        }
        let message = format!("There are {} on-demand streams, the most allowed.", self.on_demand_streams);
        Err(AwsError::new("LimitExceededException", message))
    }
}
