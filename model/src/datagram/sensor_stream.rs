//! A stream whose records are sensor datagrams, and how ordinary readers see them.
//!
//! A record of such a stream is one datagram, as the device sent it. Its partition key is the
//! source id in decimal. The schema is part of the stream's settings, so every reader of the stream
//! can decode it, whatever is registered later. Queries and archives see the sensor records inside
//! as rows: [`PREFIX_COLUMNS`], then the schema's fields.

use serde::{Deserialize, Serialize};

use super::header::SchemaId;
use super::malformed::Malformed;
use super::payload::{Datagram, SensorRecord};
use super::schema::{EPOCH, FieldKind, PREFIX_COLUMNS, SEQ, SOURCE, Schema, TIME, push};

/// What the records of a stream of datagrams are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SensorStream {
    /// The number of the schema, which every datagram's header repeats.
    pub schema_id: SchemaId,
    /// The fields of a sensor record.
    pub schema: Schema,
    /// What readers of the Kinesis API get.
    #[serde(default)]
    pub readers: SensorReaders,
}

/// What readers of the Kinesis API get for a record. Sequence numbers and keys are the same either
/// way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SensorReaders {
    /// One JSON object per sensor record, each ended by a newline.
    #[default]
    Json,
    /// The bytes of the datagram.
    Raw,
}

/// Why a record is no datagram of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotOfStream {
    /// Not a datagram at all.
    #[error("not a sensor datagram: {0}")]
    Malformed(#[from] Malformed),
    /// A datagram of another schema.
    #[error("its schema is {found}, the stream's is {expected}")]
    Schema {
        /// The datagram's.
        found: u16,
        /// The stream's.
        expected: u16,
    },
    /// Its records are not as wide as the schema.
    #[error("its records have {found} bytes of fields, the schema has {expected}")]
    Width {
        /// Bytes of a record's fields.
        found: usize,
        /// Bytes of the schema's fields.
        expected: usize,
    },
}

impl SensorStream {
    /// Reads a record of the stream.
    pub fn read<'a>(&self, data: &'a [u8]) -> Result<Datagram<'a>, NotOfStream> {
        let datagram = Datagram::read(data)?;
        let (found, expected) = (datagram.header.schema_id.0, self.schema_id.0);
        if found != expected {
            return Err(NotOfStream::Schema { found, expected });
        }
        let (found, expected) = (datagram.fields_len(), self.schema.width());
        if found == expected { Ok(datagram) } else { Err(NotOfStream::Width { found, expected }) }
    }

    /// All columns in order: those that every record has, then the fields.
    pub fn columns(&self) -> impl Iterator<Item = (&str, FieldKind)> {
        let fields = self.schema.fields().iter().map(|field| (field.name.as_str(), field.kind));
        PREFIX_COLUMNS.into_iter().chain(fields)
    }

    /// Appends the records of a datagram of this stream as lines of JSON, one object each, with the
    /// columns in their order. The time is RFC 3339 with nanoseconds, since few readers keep
    /// integers of its size.
    pub fn push_json_lines(&self, datagram: &Datagram<'_>, lines: &mut Vec<u8>) {
        for record in datagram.records() {
            self.push_json(datagram, &record, lines);
            lines.push(b'\n');
        }
    }

    /// Appends one record of a datagram of this stream as a JSON object.
    pub fn push_json(&self, datagram: &Datagram<'_>, record: &SensorRecord<'_>, json: &mut Vec<u8>) {
        let header = &datagram.header;
        let at = jiff::Timestamp::from_nanosecond(i128::from(record.time_nanos));
        let at = at.expect("64 bits of nanoseconds end in the year 2554");
        let (source, epoch, number) = (header.source_id.0, header.epoch, record.number);
        let prefix = format!(r#"{{"{SOURCE}":{source},"{EPOCH}":{epoch},"{SEQ}":{number},"{TIME}":"{at:.9}""#);
        json.extend_from_slice(prefix.as_bytes());
        let mut bytes = record.fields;
        for field in self.schema.fields() {
            let (value, rest) = bytes.split_at(field.kind.width());
            json.push(b',');
            push(json, &field.name);
            json.push(b':');
            field.kind.push_json(value, json);
            bytes = rest;
        }
        json.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::super::header::{Header, SourceId};
    use super::super::schema::Field;
    use super::*;

    fn stream() -> SensorStream {
        let field = |name: &str, kind| Field { name: name.to_owned(), kind };
        let fields = vec![field("rpm", FieldKind::U16), field("heat", FieldKind::F32), field("at", FieldKind::Text(3))];
        let schema = Schema::new(fields).expect("a schema");
        SensorStream { schema_id: SchemaId(7), schema, readers: SensorReaders::Json }
    }

    fn datagram(schema_id: u16, record_len: u16, records: &[u8]) -> Vec<u8> {
        let header = Header {
            tagged: false,
            record_times: false,
            schema_id: SchemaId(schema_id),
            record_len,
            count: u8::try_from(records.len() / usize::from(record_len)).expect("few"),
            key_id: 0,
            epoch: 2,
            source_id: SourceId(17),
            first: 41,
            time_nanos: 1_700_000_000_000_000_001,
        };
        let mut bytes = Vec::new();
        Datagram::write(header, records, None, &mut bytes);
        bytes
    }

    #[test]
    fn each_record_is_a_line_of_json() {
        let mut records = Vec::new();
        for (rpm, heat) in [(500_u16, 0.1_f32), (501, f32::NAN)] {
            records.extend_from_slice(&rpm.to_le_bytes());
            records.extend_from_slice(&heat.to_le_bytes());
            records.extend_from_slice(b"A\"\0");
        }
        let (stream, bytes, mut lines) = (stream(), datagram(7, 9, &records), Vec::new());
        stream.push_json_lines(&stream.read(&bytes).expect("of the stream"), &mut lines);
        let expected = concat!(
            r#"{"source":17,"epoch":2,"seq":41,"time":"2023-11-14T22:13:20.000000001Z","rpm":500,"heat":0.1,"at":"A\""}"#,
            "\n",
            r#"{"source":17,"epoch":2,"seq":42,"time":"2023-11-14T22:13:20.000000001Z","rpm":501,"heat":null,"at":"A\""}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(lines).expect("text"), expected);
    }

    #[test]
    fn what_is_not_of_the_stream_is_told_why() {
        let stream = stream();
        let why = |bytes: &[u8]| stream.read(bytes).expect_err("not of the stream").to_string();
        assert_eq!(why(b"{}"), "not a sensor datagram: shorter than a header of 32 bytes");
        assert_eq!(why(&datagram(8, 9, &[0; 9])), "its schema is 8, the stream's is 7");
        assert_eq!(why(&datagram(7, 8, &[0; 8])), "its records have 8 bytes of fields, the schema has 9");
    }

    #[test]
    fn settings_are_read_as_they_were_written() {
        let text = serde_json::to_string(&stream()).expect("plain data");
        assert_eq!(serde_json::from_str::<SensorStream>(&text).expect("it reads"), stream());
        let bad = text.replace("rpm", "seq");
        assert!(serde_json::from_str::<SensorStream>(&bad).expect_err("refused").to_string().contains("`seq`"));
    }
}
