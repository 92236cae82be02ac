//! What the dashboard is told by whoever puts the server together.

use std::sync::Arc;

use model::clock::Clock;
use model::flow::report::Flows;
use model::name::StreamName;
use model::stream::store::StreamStore;
use tokio_util::sync::CancellationToken;

use crate::assets::Assets;

/// What the dashboard reads, and what it shows.
#[derive(Clone)]
pub struct DashboardOptions {
    pub streams: Arc<dyn StreamStore>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The page.
    pub assets: Assets,
    /// The stream whose records are readings of unicorns.
    pub fleet: StreamName,
    /// Tells of the queries and deliveries of this server.
    pub flows: Arc<dyn Flows>,
    /// Done once the server is to stop: connections end.
    pub stop: CancellationToken,
}
