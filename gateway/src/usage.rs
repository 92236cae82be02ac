//! How many shards and streams the whole server has, and how many more it allows.

use model::stream::settings::StreamMode;
use model::stream::store::{StreamError, StreamStore};
use thiserror::Error;

/// The most open shards of all streams together.
pub(crate) const OPEN_SHARDS_MAX: usize = 50_000;
/// The most on-demand streams.
pub(crate) const ON_DEMAND_STREAMS_MAX: usize = 1000;

/// Open shards and on-demand streams of the whole server.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) open_shards: usize,
    pub(crate) on_demand_streams: usize,
}

/// A limit of the server that a request would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Exceeded {
    /// Open shards of all streams together.
    #[error("{more} more open shards would exceed the limit of {OPEN_SHARDS_MAX}: there are {open}")]
    OpenShards { open: usize, more: usize },
    /// On-demand streams.
    #[error("there are {0} on-demand streams, the most allowed")]
    OnDemandStreams(usize),
}

impl Usage {
    /// As it is now.
    pub(crate) async fn of(streams: &dyn StreamStore) -> Result<Usage, StreamError> {
        let mut usage = Usage::default();
        for name in streams.list().await? {
            // A stream that is deleted meanwhile no longer counts.
            if let Ok(description) = streams.describe(&name).await {
                usage.open_shards += description.shards.open_count();
                usage.on_demand_streams += usize::from(description.settings.mode == StreamMode::OnDemand);
            }
        }
        Ok(usage)
    }

    /// Whether there is room for `more` open shards.
    pub(crate) fn room_for_shards(&self, more: usize) -> Result<(), Exceeded> {
        match self.open_shards + more <= OPEN_SHARDS_MAX {
            true => Ok(()),
            false => Err(Exceeded::OpenShards { open: self.open_shards, more }),
        }
    }

    /// Whether there is room for one more on-demand stream.
    pub(crate) fn room_for_on_demand(&self) -> Result<(), Exceeded> {
        match self.on_demand_streams < ON_DEMAND_STREAMS_MAX {
            true => Ok(()),
            false => Err(Exceeded::OnDemandStreams(self.on_demand_streams)),
        }
    }
}
