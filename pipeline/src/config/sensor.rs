//! `[sensor]`: schemas and ports for sensor datagrams, and where they are received.
//!
//! ```toml
//! [sensor]
//! address = "10.1.0.5"                 # loopback if nothing is said
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
use std::net::IpAddr;
use std::path::PathBuf;

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
    /// Address to receive on; loopback if nothing is said.
    pub(crate) address: Option<IpAddr>,
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

    /// The ports, by number.
    pub(crate) fn ports(&self) -> BTreeMap<u16, PortSpec> {
        let spec = |config: PortConfig| {
            let PortConfig { port, stream, schema, policy, readers, keys, addresses, rate } = config;
            (port, PortSpec { stream, schema, policy, readers, keys, addresses, rate })
        };
        self.port.iter().cloned().map(spec).collect()
    }
}
