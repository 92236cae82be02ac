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
use std::path::{Path, PathBuf};

use ingest::receiver::ReceiverOptions;
use ingest::udp::receiver::UdpOptions;
use ingest::xdp::setup::XdpOptions;
use model::datagram::admin::{PolicySpec, PortSpec, RateSpec, SCHEMAS_MAX, SchemaSpec};
use model::datagram::header::SchemaId;
use model::datagram::sensor_stream::SensorReaders;
use model::name::StreamName;
use serde::Deserialize;

use crate::config::text::error::Faults;
use crate::sensors::{keys, rule};

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
    /// The network interface whose datagrams are to come past the kernel, where the machine can do
    /// that.
    pub(crate) interface: Option<String>,
    /// The processor of each receive queue's poller, by queue; one is chosen where nothing is said.
    pub(crate) processors: Vec<usize>,
    /// Threads that receive; one for each processor by default.
    pub(crate) pollers: Option<usize>,
    /// The folder with files of keys, relative to the settings file; `sensor-keys` in the data
    /// folder if nothing is said.
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
    pub(crate) fn check(&self, faults: &mut Faults) {
        faults.range(&["sensor", "pollers"], "sensor", self.pollers, &(1..=POLLERS_MAX));
        if self.interface.is_none() && !self.processors.is_empty() {
            let message = "sensor: processors are for pollers of an interface, and none is named";
            faults.add(&["sensor", "processors"], message, "add `interface = ..`, or remove processors");
        }
        if self.schema.len() > SCHEMAS_MAX || self.port.len() > PORTS_MAX {
            let message = format!("sensor: there are at most {SCHEMAS_MAX} schemas and {PORTS_MAX} ports");
            faults.add(&["sensor"], message, "share them out over more servers");
        }
        for (index, schema) in self.schema.iter().enumerate() {
            if self.schema[..index].iter().any(|other| other.id == schema.id) {
                let message = format!("sensor: schema {} is defined twice", schema.id.0);
                faults.add(&["sensor", "schema", &index.to_string(), "id"], message, "give it a number of its own");
            }
        }
        self.check_ports(faults);
    }

    /// Checks what ports refer to: the file of keys in `keys`, the schema, which may also be one of
    /// those `kept` from an earlier run, and who can reach the port.
    pub(crate) fn check_references(&self, keys: &Path, kept: &[SchemaId], host: IpAddr, faults: &mut Faults) {
        let address = self.address(host);
        for (index, port) in self.port.iter().enumerate() {
            let (number, at) = (port.port, index.to_string());
            let mut fault = |key: &str, message: String, advice: String| {
                faults.add(&["sensor", "port", &at, key], format!("sensor: port {number}: {message}"), advice);
            };
            if !self.schema.iter().any(|schema| schema.id == port.schema) && !kept.contains(&port.schema) {
                let id = port.schema.0;
                let advice = format!("add [[sensor.schema]] with id = {id}, or use one that exists");
                fault("schema", format!("schema {id} is not registered"), advice);
            }
            if let Some(Err(error)) = port.keys.as_ref().map(|name| keys::read(keys, name)) {
                let advice = format!("write the keys of its sources there, mode 600: {}", keys.display());
                fault("keys", format!("{error:#}"), advice);
            }
            if port.keys.is_none() && port.addresses.is_empty() && !self.allow_untagged && !address.is_loopback() {
                let message = format!("it would accept datagrams from anyone who reaches {address}");
                fault("port", message, "give it keys or addresses, or set allow_untagged in [sensor]".to_owned());
            }
        }
    }

    fn check_ports(&self, faults: &mut Faults) {
        let mut streams = BTreeMap::new();
        for (index, port) in self.port.iter().enumerate() {
            let (number, schema, at) = (port.port, port.schema.0, index.to_string());
            let mut fault = |key: &str, message: String, advice: String| {
                faults.add(&["sensor", "port", &at, key], message, advice);
            };
            if number == 0 {
                fault("port", "sensor: port 0 receives nothing".to_owned(), "choose 1 to 65535".to_owned());
            } else if self.port[..index].iter().any(|other| other.port == number) {
                fault("port", format!("sensor: port {number} is defined twice"), "choose another port".to_owned());
            }
            let other = *streams.entry(&port.stream).or_insert(schema);
            if other != schema {
                let stream = &port.stream;
                fault(
                    "stream",
                    format!("sensor: port {number}: stream `{stream}` holds schema {other}"),
                    format!("send schema {schema} to another stream"),
                );
            }
            let checked = rule::ranges(&port.addresses);
            if let Err(message) = checked {
                fault(
                    "addresses",
                    format!("sensor: port {number}: {message}"),
                    "write ranges like 10.1.0.0/16".to_owned(),
                );
            }
            if let Some(Err(message)) = port.rate.map(rule::rate) {
                fault("rate", format!("sensor: port {number}: {message}"), "use 1 or more".to_owned());
            }
        }
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
