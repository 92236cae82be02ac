//! The sensor path, wired: ports and schemas that are kept, receivers that take datagrams, writers that store them.
//!
//! ```text
//! settings, REST, command line ──▶ control ──▶ rules of the reception, streams, kept state
//! receiver ──▶ reception ──▶ a writer a stream ──▶ the store
//! ```

pub(crate) mod kept;
mod report;
pub(crate) mod rule;
pub(crate) mod keys;
mod stream;
pub(crate) mod control;
mod admin;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use ingest::receiver::{PreparedReceiver, Receiver};
use model::datagram::admin::SensorAdmin;

use crate::backends::Backends;
use crate::config::data::sensor::SensorConfig;
use crate::metrics::stream_meters::Reader;
use crate::sensors::control::{ControlOptions, SensorControl};
use crate::sensors::keys::KEYS_FOLDER;

/// What takes sensor datagrams, as long as it is not drained.
pub(crate) struct Sensors {
    control: Arc<SensorControl>,
    receiver: Arc<Receiver>,
}

impl Sensors {
    /// Opens the ports of the settings and those that were kept, and begins to receive.
    pub(crate) async fn start(
        parts: &Backends,
        data: &Path,
        folder: &Path,
        config: &SensorConfig,
        host: IpAddr,
        receiver: PreparedReceiver,
    ) -> anyhow::Result<Sensors> {
        let options = ControlOptions {
            data: data.to_owned(),
            keys: config.keys_folder.as_ref().map_or_else(|| data.join(KEYS_FOLDER), |keys| folder.join(keys)),
            address: config.address(host),
            allow_untagged: config.allow_untagged,
        };
        let streams = parts.metrics.streams(&parts.streams, Reader::Api);
        let control = SensorControl::open(options, streams, config.schema.clone(), config.ports()).await?;
        let receiver = receiver.start(control.reception()).context("sensor datagrams cannot be received")?;
        let receiver = Arc::new(receiver);
        let of_stats = Arc::downgrade(&receiver);
        control.set_receiver(move || {
            of_stats.upgrade().map_or_else(report::no_receiver, |receiver| report::receiver(&receiver))
        });
        let (tallies, of_metrics) = (Arc::clone(&control), Arc::downgrade(&receiver));
        parts.metrics.watch_sensors(move || tallies.tallies(), move || of_metrics.upgrade()?.report().ok());
        Ok(Sensors { control, receiver })
    }

    /// Control at run time.
    pub(crate) fn control(&self) -> Arc<dyn SensorAdmin> {
        Arc::clone(&self.control) as _
    }

    /// Takes no more, and waits until what was taken is stored or refused.
    pub(crate) async fn drain(self) {
        let receiver = self.receiver;
        // It joins its threads.
        let ended = tokio::task::spawn_blocking(move || drop(receiver)).await;
        // A poller that panicked has said so.
        let _ = ended;
        self.control.drain().await;
    }
}
