//! The seam that the control of sensor ports stands behind: schemas registered by number, ports
//! with rules, and figures. What is set through it holds at once, survives restarts, and needs no
//! privilege.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::datagram::header::SchemaId;
use crate::datagram::schema::Schema;
use crate::datagram::sensor_stream::SensorReaders;
use crate::name::StreamName;

/// Schemas that can be registered.
pub const SCHEMAS_MAX: usize = 1024;
/// Address ranges of a port, at most.
pub const ADDRESSES_MAX: usize = 64;

/// A registered schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemaSpec {
    /// The schema's number, which every datagram repeats.
    pub id: SchemaId,
    /// The fields of a record.
    pub fields: Schema,
}

/// What happens to a datagram whose stream's writer is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicySpec {
    /// It is dropped and counted.
    #[default]
    DropNewest,
    /// The poller waits, and with it all ports of its receive queue: the kernel drops and counts.
    Hold,
}

/// How fast a source may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateSpec {
    /// Datagrams a second, on average; at least 1.
    pub per_second: u32,
    /// Datagrams at once after a pause; at least 1.
    pub burst: u32,
}

/// What a port takes, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortSpec {
    /// The stream; created if it is not there.
    pub stream: StreamName,
    /// The schema of records, which must be registered.
    pub schema: SchemaId,
    /// What happens when the stream's writer is behind.
    #[serde(default)]
    pub policy: PolicySpec,
    /// What readers of the Kinesis API get; where it is not said, what the stream says, and JSON
    /// from a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readers: Option<SensorReaders>,
    /// The file with the keys of the sources, by its name in the folder for such files. With it,
    /// every datagram must have a tag; without it none needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<String>,
    /// Ranges that datagrams may come from, as `10.1.0.0/16`; from anywhere where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// How fast each source may send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<RateSpec>,
}

/// A port as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct PortReport {
    /// Its number.
    pub port: u16,
    /// What was asked for.
    pub spec: PortSpec,
    /// Whether it stands in the settings file, which alone changes it then.
    pub from_settings: bool,
    /// Why it receives nothing; none while it does.
    pub error: Option<String>,
    /// What became of its datagrams since it was added, by cause.
    pub counters: Value,
}

/// Why sensor ports or schemas are not as they were asked to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SensorError {
    /// The request is not valid.
    Invalid(String),
    /// No such port or schema.
    NotFound(String),
    /// What is there stands against it.
    Conflict(String),
    /// The system did not let it be.
    Failed(String),
}

impl fmt::Display for SensorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SensorError::Invalid(why)
            | SensorError::NotFound(why)
            | SensorError::Conflict(why)
            | SensorError::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for SensorError {}

/// Control of sensor ports. Each change is durable when it returns, and holds for datagrams that
/// come after it.
#[async_trait]
pub trait SensorAdmin: Send + Sync {
    /// All schemas, by number.
    async fn schemas(&self) -> Vec<SchemaSpec>;

    /// Registers a schema. Registering the same again changes nothing; other fields under a number
    /// that is taken are [`SensorError::Conflict`], since records of them are kept.
    async fn put_schema(&self, schema: SchemaSpec) -> Result<(), SensorError>;

    /// All ports, by number.
    async fn ports(&self) -> Vec<PortReport>;

    /// Adds a port, or gives it another rule; returns whether it is new.
    async fn put_port(&self, port: u16, spec: PortSpec) -> Result<bool, SensorError>;

    /// Closes a port. Accepted datagrams are still stored.
    async fn remove_port(&self, port: u16) -> Result<(), SensorError>;

    /// Figures of everything: receiver, pollers, ports, streams.
    fn stats(&self) -> Value;

    /// Up to `limit` sources with the lowest numbers after `after`, of one port or of all.
    fn sources(&self, port: Option<u16>, after: Option<u32>, limit: usize) -> Value;
}
