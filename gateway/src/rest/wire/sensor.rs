//! Schemas and ports of sensor datagrams, as REST shows and accepts them.

use model::datagram::admin;
use model::datagram::header::SchemaId;
use model::datagram::schema;
use model::datagram::sensor_stream;
use model::name::StreamName;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A registered schema.
#[derive(Serialize, ToSchema)]
pub(crate) struct SchemaSpec {
    /// The schema's number, which every datagram repeats.
    #[schema(value_type = u16)]
    id: SchemaId,
    /// The fields of a record.
    fields: Vec<Field>,
}

impl From<admin::SchemaSpec> for SchemaSpec {
    fn from(spec: admin::SchemaSpec) -> Self {
        SchemaSpec { id: spec.id, fields: spec.fields.fields().iter().map(Field::from).collect() }
    }
}

/// A field of a record.
#[derive(Serialize, ToSchema)]
pub(crate) struct Field {
    /// The column's name.
    name: String,
    /// What it holds.
    kind: FieldKind,
}

impl From<&schema::Field> for Field {
    fn from(field: &schema::Field) -> Self {
        Field { name: field.name.clone(), kind: field.kind.into() }
    }
}

/// The kind of a field's value.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FieldKind {
    /// A byte, 0 to 255.
    U8,
    /// Two bytes, without sign.
    U16,
    /// Four bytes, without sign.
    U32,
    /// Eight bytes, without sign.
    U64,
    /// A byte, -128 to 127.
    I8,
    /// Two bytes, with sign.
    I16,
    /// Four bytes, with sign.
    I32,
    /// Eight bytes, with sign.
    I64,
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 double precision.
    F64,
    /// A fixed number of bytes of UTF-8, padded with zeros.
    Text(u16),
}

impl From<schema::FieldKind> for FieldKind {
    fn from(kind: schema::FieldKind) -> Self {
        match kind {
            schema::FieldKind::U8 => FieldKind::U8,
            schema::FieldKind::U16 => FieldKind::U16,
            schema::FieldKind::U32 => FieldKind::U32,
            schema::FieldKind::U64 => FieldKind::U64,
            schema::FieldKind::I8 => FieldKind::I8,
            schema::FieldKind::I16 => FieldKind::I16,
            schema::FieldKind::I32 => FieldKind::I32,
            schema::FieldKind::I64 => FieldKind::I64,
            schema::FieldKind::F32 => FieldKind::F32,
            schema::FieldKind::F64 => FieldKind::F64,
            schema::FieldKind::Text(bytes) => FieldKind::Text(bytes),
        }
    }
}

/// What a port takes, and where it goes.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PortSpec {
    /// The stream; created if it is not there.
    #[schema(value_type = String)]
    stream: StreamName,
    /// The schema of records, which must be registered.
    #[schema(value_type = u16)]
    schema: SchemaId,
    /// What happens when the stream's writer is behind.
    #[serde(default)]
    policy: PolicySpec,
    /// What readers of the Kinesis API get; where it is not said, what the stream says, and JSON from a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    readers: Option<SensorReaders>,
    /// The file with the keys of the sources, by its name in the folder for such files. With it, every datagram must have a
    /// tag; without it none needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keys: Option<String>,
    /// Ranges that datagrams may come from, as `10.1.0.0/16`; from anywhere where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    addresses: Vec<String>,
    /// How fast each source may send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate: Option<RateSpec>,
}

impl From<admin::PortSpec> for PortSpec {
    fn from(spec: admin::PortSpec) -> Self {
        PortSpec {
            stream: spec.stream,
            schema: spec.schema,
            policy: spec.policy.into(),
            readers: spec.readers.map(SensorReaders::from),
            keys: spec.keys,
            addresses: spec.addresses,
            rate: spec.rate.map(RateSpec::from),
        }
    }
}

impl From<PortSpec> for admin::PortSpec {
    fn from(spec: PortSpec) -> Self {
        admin::PortSpec {
            stream: spec.stream,
            schema: spec.schema,
            policy: spec.policy.into(),
            readers: spec.readers.map(sensor_stream::SensorReaders::from),
            keys: spec.keys,
            addresses: spec.addresses,
            rate: spec.rate.map(admin::RateSpec::from),
        }
    }
}

/// What happens to a datagram whose stream's writer is behind.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PolicySpec {
    /// It is dropped and counted.
    #[default]
    DropNewest,
    /// The poller waits, and with it all ports of its receive queue: the kernel drops and counts.
    Hold,
}

impl From<admin::PolicySpec> for PolicySpec {
    fn from(of: admin::PolicySpec) -> Self {
        match of {
            admin::PolicySpec::DropNewest => PolicySpec::DropNewest,
            admin::PolicySpec::Hold => PolicySpec::Hold,
        }
    }
}

impl From<PolicySpec> for admin::PolicySpec {
    fn from(of: PolicySpec) -> Self {
        match of {
            PolicySpec::DropNewest => admin::PolicySpec::DropNewest,
            PolicySpec::Hold => admin::PolicySpec::Hold,
        }
    }
}

/// What readers of the Kinesis API get for a record. Sequence numbers and keys are the same either
/// way.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SensorReaders {
    /// One JSON object per sensor record, each ended by a newline.
    Json,
    /// The bytes of the datagram.
    Raw,
}

impl From<sensor_stream::SensorReaders> for SensorReaders {
    fn from(of: sensor_stream::SensorReaders) -> Self {
        match of {
            sensor_stream::SensorReaders::Json => SensorReaders::Json,
            sensor_stream::SensorReaders::Raw => SensorReaders::Raw,
        }
    }
}

impl From<SensorReaders> for sensor_stream::SensorReaders {
    fn from(of: SensorReaders) -> Self {
        match of {
            SensorReaders::Json => sensor_stream::SensorReaders::Json,
            SensorReaders::Raw => sensor_stream::SensorReaders::Raw,
        }
    }
}

/// How fast a source may send.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RateSpec {
    /// Datagrams a second, on average; at least 1.
    per_second: u32,
    /// Datagrams at once after a pause; at least 1.
    burst: u32,
}

impl From<admin::RateSpec> for RateSpec {
    fn from(rate: admin::RateSpec) -> Self {
        RateSpec { per_second: rate.per_second, burst: rate.burst }
    }
}

impl From<RateSpec> for admin::RateSpec {
    fn from(rate: RateSpec) -> Self {
        admin::RateSpec { per_second: rate.per_second, burst: rate.burst }
    }
}

/// A port as it is now.
#[derive(Serialize, ToSchema)]
pub(crate) struct PortReport {
    /// Its number.
    port: u16,
    /// What was asked for.
    #[serde(flatten)]
    spec: PortSpec,
    /// Whether it is in the settings file. If so, you can change it only there.
    from_settings: bool,
    /// Why it receives nothing; none while it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// What became of its datagrams since it was added, by cause.
    #[schema(value_type = Object)]
    counters: Value,
}

impl From<admin::PortReport> for PortReport {
    fn from(report: admin::PortReport) -> Self {
        let admin::PortReport { port, spec, from_settings, error, counters } = report;
        PortReport { port, spec: spec.into(), from_settings, error, counters }
    }
}
