//! `[sensor]`: schemas and ports for sensor datagrams, and where they are received.
//!
//! ```toml
//! [sensor]
//! interface = "eth1"                   # past the kernel; ordinary sockets if nothing is said
//! address = "10.1.0.5"
//!
//! [[sensor.schema]]
//! id = 7
//! fields = [{ name = "rpm", kind = "u16" }, { name = "site", kind = { text = 8 } }]
//!
//! [[sensor.port]]
//! port = 9000
//! stream = "plant"
//! schema = 7
//! keys = "plant.toml"                  # a file in keys_folder
//! ```

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use ingest::receiver::ReceiverOptions;
use ingest::udp::receiver::UdpOptions;
use ingest::xdp::setup::XdpOptions;
use model::datagram::header::SchemaId;
use model::datagram::sensor_stream::SensorReaders;
use model::name::StreamName;
use model::sensor_admin::{PolicySpec, PortSpec, RateSpec, SCHEMAS_MAX, SchemaSpec};
use serde::Deserialize;

/// Pollers, at most.
const POLLERS_MAX: usize = 64;
/// Ports in the settings, at most: as many as can be programmed.
const PORTS_MAX: usize = 256;

/// Where sensor datagrams come in.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SensorConfig {
    /// Address to receive on; if nothing is said loopback, and with an interface all addresses.
    pub(crate) address: Option<IpAddr>,
    /// The network interface whose datagrams are to come past the kernel, where the machine can do that.
    pub(crate) interface: Option<String>,
    /// The processor of each receive queue's poller, by queue; one is chosen where nothing is said.
    pub(crate) processors: Vec<usize>,
    /// Threads that receive; one a processor if nothing is said.
    pub(crate) pollers: Option<usize>,
    /// The folder with files of keys, relative to the settings file; `sensor-keys` in the data folder if nothing is said.
    pub(crate) keys_folder: Option<PathBuf>,
    /// Whether ports beyond loopback may take datagrams from anyone.
    pub(crate) allow_untagged: bool,
    /// Schemas.
    pub(crate) schema: Vec<SchemaSpec>,
    /// Ports.
    pub(crate) port: Vec<PortConfig>,
}

/// A port.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PortConfig {
    port: u16,
    stream: StreamName,
    schema: SchemaId,
    #[serde(default)]
    policy: PolicySpec,
    readers: Option<SensorReaders>,
    keys: Option<String>,
    #[serde(default)]
    addresses: Vec<String>,
    rate: Option<RateSpec>,
}

impl SensorConfig {
    /// What the shape alone does not say.
    pub(crate) fn check(&self) -> Result<(), String> {
        if let Some(pollers) = self.pollers.filter(|pollers| !(1..=POLLERS_MAX).contains(pollers)) {
            return Err(format!("sensor: pollers must be 1 to {POLLERS_MAX}, not {pollers}"));
        }
        if self.interface.is_none() && !self.processors.is_empty() {
            return Err("sensor: processors are for pollers of an interface; name the interface".to_owned());
        }
        if self.schema.len() > SCHEMAS_MAX || self.port.len() > PORTS_MAX {
            return Err(format!("sensor: there are at most {SCHEMAS_MAX} schemas and {PORTS_MAX} ports"));
        }
        for (index, schema) in self.schema.iter().enumerate() {
            if self.schema[..index].iter().any(|other| other.id == schema.id) {
                return Err(format!("sensor: schema {} is there twice", schema.id.0));
            }
        }
        let mut streams = BTreeMap::new();
        for (index, port) in self.port.iter().enumerate() {
            let (number, schema) = (port.port, port.schema.0);
            if number == 0 {
                return Err("sensor: port 0 receives nothing; choose 1 to 65535".to_owned());
            }
            if self.port[..index].iter().any(|other| other.port == number) {
                return Err(format!("sensor: port {number} is there twice"));
            }
            let other = *streams.entry(&port.stream).or_insert(schema);
            if other != schema {
                let stream = &port.stream;
                return Err(format!(
                    "sensor: port {number}: stream `{stream}` holds schema {other}; send schema {schema} to another"
                ));
            }
        }
        Ok(())
    }

    /// Where datagrams are received, on a server that listens at `host`.
    pub(crate) fn address(&self, host: IpAddr) -> IpAddr {
        self.address.unwrap_or(match &self.interface {
            Some(_) => Ipv4Addr::UNSPECIFIED.into(),
            None if host.is_loopback() => host,
            None => Ipv4Addr::LOCALHOST.into(),
        })
    }

    /// How datagrams are received.
    pub(crate) fn receiver(&self, host: IpAddr) -> ReceiverOptions {
        let usual = UdpOptions::default();
        let pollers = self.pollers.unwrap_or(usual.pollers);
        let past_kernel =
            |interface: &String| XdpOptions { interface: interface.clone(), processors: self.processors.clone() };
        ReceiverOptions {
            xdp: self.interface.as_ref().map(past_kernel),
            udp: UdpOptions { address: self.address(host), pollers, ..usual },
        }
    }

    /// The ports, by number.
    pub(crate) fn ports(&self) -> BTreeMap<u16, PortSpec> {
        let spec = |config: PortConfig| {
            let PortConfig { port, stream, schema, policy, readers, keys, addresses, rate } = config;
            (port, PortSpec { stream, schema, policy, readers, keys, addresses, rate })
        };
        self.port.iter().cloned().map(spec).collect()
    }
}
