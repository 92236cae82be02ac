//! Datagrams of a made-up engine, for tests of everything that reads them.

use crate::datagram::header::{Header, SchemaId, SourceId};
use crate::datagram::payload::Datagram;
use crate::datagram::schema::{Field, FieldKind, Schema};
use crate::datagram::sensor_stream::{SensorReaders, SensorStream};

/// A record of the engine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Engine {
    /// Turns a minute.
    pub rpm: u16,
    /// Work done since it was built.
    pub total: u64,
    /// Degrees.
    pub heat: f32,
    /// Where it stands; at most four bytes.
    pub site: &'static str,
}

/// When the first record of every datagram was measured: 2023-11-14T22:13:20.000000001Z.
pub const MEASURED_AT_NANOS: u64 = 1_700_000_000_000_000_001;

/// What a stream of such datagrams holds: `rpm`, `total`, `heat` and `site`, under schema 7.
pub fn engine_stream() -> SensorStream {
    let field = |name: &str, kind| Field { name: name.to_owned(), kind };
    let fields = vec![
        field("rpm", FieldKind::U16),
        field("total", FieldKind::U64),
        field("heat", FieldKind::F32),
        field("site", FieldKind::Text(4)),
    ];
    let schema = Schema::new(fields).expect("a good schema");
    SensorStream { schema_id: SchemaId(7), schema, readers: SensorReaders::Json }
}

/// A datagram of a source whose records are numbered from `first` on, in epoch 1.
pub fn engine_datagram(source: u32, first: u64, records: &[Engine]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        bytes.extend_from_slice(&record.rpm.to_le_bytes());
        bytes.extend_from_slice(&record.total.to_le_bytes());
        bytes.extend_from_slice(&record.heat.to_le_bytes());
        let mut site = record.site.as_bytes().to_vec();
        site.resize(4, 0);
        bytes.extend_from_slice(&site);
    }
    let header = Header {
        tagged: false,
        record_times: false,
        schema_id: SchemaId(7),
        record_len: 18,
        count: u8::try_from(records.len()).expect("few records"),
        key_id: 0,
        epoch: 1,
        source_id: SourceId(source),
        first,
        time_nanos: MEASURED_AT_NANOS,
    };
    let mut datagram = Vec::new();
    Datagram::write(header, &bytes, None, &mut datagram);
    datagram
}
