//! The sensor path, wired: ports and schemas that are kept, receivers that take datagrams, writers that store them.
//!
//! ```text
//! settings, REST, command line ──▶ control ──▶ rules of the reception, streams, kept state
//! receiver ──▶ reception ──▶ a writer a stream ──▶ the store
//! ```

pub(crate) mod control;
mod kept;
mod keys;
mod report;
mod rule;

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use ingest::udp::receiver::{UdpOptions, UdpReceiver};
use model::sensor_admin::SensorAdmin;
use serde_json::json;
use tracing::info;

use crate::backends::Backends;
use crate::config::sensor::SensorConfig;
use crate::metrics::stream_meters::Reader;
use crate::sensors::control::{ControlOptions, SensorControl};

/// The folder with files of keys, in the data folder.
const KEYS_FOLDER: &str = "sensor-keys";

/// What takes sensor datagrams, as long as it is not drained.
pub(crate) struct Sensors {
    control: Arc<SensorControl>,
    receiver: Arc<UdpReceiver>,
}

impl Sensors {
    /// Opens the ports of the settings and those that were kept, and begins to receive.
    pub(crate) async fn start(
        parts: &Backends,
        data: &Path,
        folder: &Path,
        config: &SensorConfig,
        host: IpAddr,
    ) -> anyhow::Result<Sensors> {
        let loopback = if host.is_loopback() { host } else { Ipv4Addr::LOCALHOST.into() };
        let options = ControlOptions {
            data: data.to_owned(),
            keys: config.keys_folder.as_ref().map_or_else(|| data.join(KEYS_FOLDER), |keys| folder.join(keys)),
            address: config.address.unwrap_or(loopback),
            allow_untagged: config.allow_untagged,
        };
        let address = options.address;
        let streams = parts.metrics.streams(&parts.streams, Reader::Api);
        let control = SensorControl::open(options, streams, config.schema.clone(), config.ports()).await?;
        let usual = UdpOptions::default();
        let udp = UdpOptions { address, pollers: config.pollers.unwrap_or(usual.pollers), ..usual };
        let receiver = UdpReceiver::start(control.reception(), udp).context("sensor datagrams cannot be received")?;
        let receiver = Arc::new(receiver);
        let of_stats = Arc::clone(&receiver);
        control.set_receiver(move || {
            let dropped: u64 = of_stats.dropped().iter().sum();
            json!({"kind": "udp", "address": address.to_string(), "pollers": udp.pollers, "dropped_by_kernel": dropped})
        });
        let tallies = Arc::clone(&control);
        parts.metrics.watch_sensors(move || tallies.tallies());
        let ports = control.reception().ports().list().len();
        info!(receiver = "udp", %address, pollers = udp.pollers, ports, "sensor datagrams are received");
        Ok(Sensors { control, receiver })
    }

    /// Control at run time.
    pub(crate) fn control(&self) -> Arc<dyn SensorAdmin> {
        Arc::clone(&self.control) as _
    }

    /// Takes no more, and waits until what was taken is stored or refused.
    pub(crate) async fn drain(self) {
        self.control.set_receiver(|| json!({"kind": "none"}));
        let receiver = self.receiver;
        // It joins its threads.
        let ended = tokio::task::spawn_blocking(move || drop(receiver)).await;
        // A poller that panicked has said so.
        let _ = ended;
        self.control.drain().await;
    }
}
