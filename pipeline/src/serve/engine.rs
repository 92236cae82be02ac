//! The running server, and how it ends.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use model::stream::store::StreamStore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::backends::Backends;
use crate::flows::supervisor::Supervisor;
use crate::sensors::Sensors;

/// How long a drain waits for requests that are under way: a put takes milliseconds, a slow reader may be cut.
pub(super) const REQUESTS_DRAIN_MAX: Duration = Duration::from_millis(3500);
/// How long a drain waits for sensor datagrams that were taken and are not stored yet: some MiB, a sync or two.
const SENSORS_DRAIN_MAX: Duration = Duration::from_millis(1500);
/// How long a drain waits after that for workers. What they have not delivered then comes after the next start.
const WORKERS_DRAIN_MAX: Duration = Duration::from_millis(2500);
/// How long a drain waits at last for the streams to be closed. With the waits of [`traces`](crate::telemetry::traces) and
/// [`main`](crate::cli::main) that follow, it takes less than the ten seconds after which others kill.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// The running server.
pub(crate) struct Engine {
    pub(super) backends: Backends,
    pub(super) scheme: &'static str,
    pub(super) address: SocketAddr,
    pub(super) sensors: Sensors,
    pub(super) supervisor: Arc<Supervisor>,
    pub(super) workers: TaskTracker,
    pub(super) server: JoinHandle<std::io::Result<()>>,
    pub(super) stop_server: CancellationToken,
    pub(super) ready: Arc<AtomicBool>,
}

impl Engine {
    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// The streams, for a command that runs in the same process.
    pub(crate) fn streams(&self) -> Arc<dyn StreamStore> {
        Arc::clone(&self.backends.streams)
    }

    /// Serves until `shutdown` ends or the server fails, then drains.
    pub(crate) async fn run_until(mut self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        tokio::select! {
            () = shutdown => self.drain().await,
            ended = &mut self.server => ended.context("the server panicked")?.context("the server ended"),
        }
    }

    /// Takes no more calls, lets workers finish what they have, and closes the log: in this order, so that what is
    /// acknowledged is delivered as far as it can be.
    pub(crate) async fn drain(self) -> anyhow::Result<()> {
        self.ready.store(false, Ordering::Release);
        self.stop_server.cancel();
        self.server.await.context("the server panicked")?.context("the server ended")?;
        if tokio::time::timeout(SENSORS_DRAIN_MAX, self.sensors.drain()).await.is_err() {
            warn!("not all sensor datagrams were stored in {SENSORS_DRAIN_MAX:?}; the rest is lost");
        }
        self.supervisor.stop();
        self.workers.close();
        if tokio::time::timeout(WORKERS_DRAIN_MAX, self.workers.wait()).await.is_err() {
            warn!("not everything was delivered in {WORKERS_DRAIN_MAX:?}; the rest follows after the next start");
        }
        if tokio::time::timeout(CLOSE_MAX, self.backends.close()).await.is_err() {
            warn!("the streams were not closed in {CLOSE_MAX:?}; the next start recovers them");
        }
        info!("drained");
        Ok(())
    }
}
