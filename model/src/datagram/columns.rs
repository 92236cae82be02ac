//! Sensor records as columns: one pass a column over a block of datagrams, no step in between.
//!
//! Values come out in vectors of their own type, which columnar libraries take over without copying. A block of 256 records
//! and more is what makes it fast: then the choice of a column's kind costs nothing.

use super::header::RECORD_TIME_BYTES;
use super::payload::Datagram;
use super::schema::{EPOCH, FieldKind, PREFIX_COLUMNS, SEQ, SOURCE, TIME, text_of};
use super::sensor_stream::SensorStream;

/// Where a column's values stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Source,
    Epoch,
    Seq,
    Time,
    /// So many bytes into a record's fields.
    Field(usize),
}

/// A column of a stream of datagrams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SensorColumn {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: FieldKind,
    place: Place,
}

/// The values of one column.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Bytes without sign.
    U8(Vec<u8>),
    /// Two bytes without sign.
    U16(Vec<u16>),
    /// Four bytes without sign.
    U32(Vec<u32>),
    /// Eight bytes without sign.
    U64(Vec<u64>),
    /// Bytes with sign.
    I8(Vec<i8>),
    /// Two bytes with sign.
    I16(Vec<i16>),
    /// Four bytes with sign.
    I32(Vec<i32>),
    /// Eight bytes with sign.
    I64(Vec<i64>),
    /// Single precision.
    F32(Vec<f32>),
    /// Double precision.
    F64(Vec<f64>),
    /// Texts, one after the other; each ends where the next begins.
    Text {
        /// Where each begins in `text`, and at last where all end.
        offsets: Vec<i32>,
        /// All of them.
        text: String,
    },
}

/// Some columns of a stream of datagrams, as far as they were gathered.
#[derive(Debug)]
pub struct ColumnGatherer {
    columns: Vec<(SensorColumn, Values)>,
    rows: usize,
}

impl SensorStream {
    /// The column of a name: by its exact name, or else the first that differs in case only.
    pub fn column(&self, name: &str) -> Option<SensorColumn> {
        let index = self.columns().position(|(known, _)| known == name);
        let index = index.or_else(|| self.columns().position(|(known, _)| known.eq_ignore_ascii_case(name)))?;
        self.all_columns().nth(index)
    }

    /// All columns in order.
    pub fn all_columns(&self) -> impl Iterator<Item = SensorColumn> {
        let mut at = 0;
        self.columns().enumerate().map(move |(index, (name, kind))| {
            let place = match name {
                _ if PREFIX_COLUMNS.len() <= index => {
                    at += kind.width();
                    Place::Field(at - kind.width())
                }
                SOURCE => Place::Source,
                EPOCH => Place::Epoch,
                SEQ => Place::Seq,
                TIME => Place::Time,
                _ => unreachable!("these are the columns before the fields"),
            };
            SensorColumn { name: name.to_owned(), kind, place }
        })
    }
}

impl Values {
    fn none_of(kind: FieldKind) -> Values {
        match kind {
            FieldKind::U8 => Values::U8(Vec::new()),
            FieldKind::U16 => Values::U16(Vec::new()),
            FieldKind::U32 => Values::U32(Vec::new()),
            FieldKind::U64 => Values::U64(Vec::new()),
            FieldKind::I8 => Values::I8(Vec::new()),
            FieldKind::I16 => Values::I16(Vec::new()),
            FieldKind::I32 => Values::I32(Vec::new()),
            FieldKind::I64 => Values::I64(Vec::new()),
            FieldKind::F32 => Values::F32(Vec::new()),
            FieldKind::F64 => Values::F64(Vec::new()),
            FieldKind::Text(_) => Values::Text { offsets: vec![0], text: String::new() },
        }
    }
}

impl ColumnGatherer {
    /// Gathers these columns, in this order.
    pub fn new(columns: impl IntoIterator<Item = SensorColumn>) -> Self {
        let none = |column: SensorColumn| {
            let values = Values::none_of(column.kind);
            (column, values)
        };
        ColumnGatherer { columns: columns.into_iter().map(none).collect(), rows: 0 }
    }

    /// Rows gathered since [`ColumnGatherer::take`].
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Adds all records of `datagrams`, each of which [`SensorStream::read`] has let pass.
    pub fn push(&mut self, datagrams: &[Datagram<'_>]) {
        self.rows += datagrams.iter().map(|datagram| usize::from(datagram.header.count)).sum::<usize>();
        for (column, values) in &mut self.columns {
            match column.place {
                Place::Field(at) => push_fields(values, datagrams, at, column.kind.width()),
                place => push_prefix(values, datagrams, place),
            }
        }
    }

    /// The values of each column, one per row; nothing is left behind.
    ///
    /// A text column's offsets are those of the text it comes with, which is bounded by what was pushed.
    pub fn take(&mut self) -> Vec<Values> {
        self.rows = 0;
        let take =
            |(column, values): &mut (SensorColumn, Values)| std::mem::replace(values, Values::none_of(column.kind));
        self.columns.iter_mut().map(take).collect()
    }
}

/// The values of a column that stands in the header.
fn push_prefix(values: &mut Values, datagrams: &[Datagram<'_>], place: Place) {
    for datagram in datagrams {
        let (header, count) = (&datagram.header, usize::from(datagram.header.count));
        match (&mut *values, place) {
            (Values::U32(values), Place::Source) => values.extend(std::iter::repeat_n(header.source_id.0, count)),
            (Values::U16(values), Place::Epoch) => values.extend(std::iter::repeat_n(header.epoch, count)),
            (Values::U64(values), Place::Seq) => values.extend(header.first..header.first + count as u64),
            (Values::U64(values), Place::Time) if header.record_times => {
                values.extend(datagram.records().map(|record| record.time_nanos));
            }
            (Values::U64(values), Place::Time) => values.extend(std::iter::repeat_n(header.time_nanos, count)),
            _ => unreachable!("each of these columns has a kind of its own"),
        }
    }
}

/// The values of a field that begins `at` bytes into a record's fields and is `width` bytes wide.
fn push_fields(values: &mut Values, datagrams: &[Datagram<'_>], at: usize, width: usize) {
    macro_rules! numbers {
        ($values:expr, $number:ty) => {{
            const WIDTH: usize = size_of::<$number>();
            for datagram in datagrams {
                let at = at + record_time_bytes(datagram);
                let records = datagram.records_bytes().chunks_exact(usize::from(datagram.header.record_len));
                $values.extend(records.map(|record| {
                    let bytes: [u8; WIDTH] = *record[at..].first_chunk().expect("a record has all fields");
                    <$number>::from_le_bytes(bytes)
                }));
            }
        }};
    }
    match values {
        Values::U8(values) => numbers!(values, u8),
        Values::U16(values) => numbers!(values, u16),
        Values::U32(values) => numbers!(values, u32),
        Values::U64(values) => numbers!(values, u64),
        Values::I8(values) => numbers!(values, i8),
        Values::I16(values) => numbers!(values, i16),
        Values::I32(values) => numbers!(values, i32),
        Values::I64(values) => numbers!(values, i64),
        Values::F32(values) => numbers!(values, f32),
        Values::F64(values) => numbers!(values, f64),
        Values::Text { offsets, text } => {
            for datagram in datagrams {
                let at = at + record_time_bytes(datagram);
                for record in datagram.records_bytes().chunks_exact(usize::from(datagram.header.record_len)) {
                    text.push_str(&text_of(&record[at..at + width]));
                    offsets.push(i32::try_from(text.len()).expect("a block of records is far below 2 GiB"));
                }
            }
        }
    }
}

fn record_time_bytes(datagram: &Datagram<'_>) -> usize {
    if datagram.header.record_times { RECORD_TIME_BYTES } else { 0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::header::{Header, SchemaId, SourceId};
    use super::super::schema::{Field, Schema};
    use super::super::sensor_stream::SensorReaders;
    use super::*;

    fn stream() -> SensorStream {
        let kinds = [
            ("a", FieldKind::U8),
            ("b", FieldKind::U16),
            ("c", FieldKind::U32),
            ("d", FieldKind::U64),
            ("e", FieldKind::I8),
            ("f", FieldKind::I16),
            ("g", FieldKind::I32),
            ("h", FieldKind::I64),
            ("i", FieldKind::F32),
            ("j", FieldKind::F64),
            ("k", FieldKind::Text(5)),
        ];
        let fields = kinds.map(|(name, kind)| Field { name: name.to_owned(), kind }).to_vec();
        let schema = Schema::new(fields).expect("a schema");
        SensorStream { schema_id: SchemaId(7), schema, readers: SensorReaders::Raw }
    }

    fn cell(values: &Values, row: usize) -> Value {
        match values {
            Values::U8(values) => json!(values[row]),
            Values::U16(values) => json!(values[row]),
            Values::U32(values) => json!(values[row]),
            Values::U64(values) => json!(values[row]),
            Values::I8(values) => json!(values[row]),
            Values::I16(values) => json!(values[row]),
            Values::I32(values) => json!(values[row]),
            Values::I64(values) => json!(values[row]),
            // The shortest decimal, as JSON readers get it.
            Values::F32(values) => {
                serde_json::from_str(&serde_json::to_string(&values[row]).expect("JSON")).expect("JSON")
            }
            Values::F64(values) => json!(values[row]),
            Values::Text { offsets, text } => json!(&text[offsets[row] as usize..offsets[row + 1] as usize]),
        }
    }

    #[test]
    fn columns_are_found_by_name() {
        let stream = stream();
        assert_eq!(stream.column("SEQ").expect("there").name, "seq");
        assert_eq!(stream.column("J").expect("there").place, Place::Field(34));
        assert_eq!(stream.column("z"), None);
        assert_eq!(stream.all_columns().count(), 15);
    }

    proptest! {
        #[test]
        fn columns_hold_what_json_says(
            blocks in proptest::collection::vec((any::<bool>(), 1_u8..9, any::<u16>(), any::<u64>()), 1..6),
            seed in any::<u64>(),
        ) {
            let stream = stream();
            let (mut bytes, mut state) = (Vec::new(), seed);
            for (times, count, epoch, first) in blocks {
                let record_len = stream.schema.width() as u16 + if times { 4 } else { 0 };
                let header = Header {
                    tagged: false, record_times: times, schema_id: SchemaId(7), record_len, count, key_id: 0, epoch,
                    source_id: SourceId(first as u32), first: first >> 1, time_nanos: first >> 2,
                };
                let mut next = || {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 56) as u8
                };
                let records: Vec<u8> = (0..header.records_bytes()).map(|_| next()).collect();
                let mut datagram = Vec::new();
                Datagram::write(header, &records, None, &mut datagram);
                bytes.push(datagram);
            }
            let datagrams: Vec<_> = bytes.iter().map(|bytes| stream.read(bytes).expect("of the stream")).collect();
            let mut gatherer = ColumnGatherer::new(stream.all_columns());
            gatherer.push(&datagrams);
            let rows = gatherer.rows();
            let columns = gatherer.take();
            prop_assert_eq!(gatherer.rows(), 0);
            let mut lines = Vec::new();
            datagrams.iter().for_each(|datagram| stream.push_json_lines(datagram, &mut lines));
            let objects: Vec<Value> = serde_json::Deserializer::from_slice(&lines).into_iter()
                .collect::<Result<_, _>>().expect("lines of JSON");
            prop_assert_eq!(objects.len(), rows);
            for (row, object) in objects.iter().enumerate() {
                for (column, values) in stream.all_columns().zip(&columns) {
                    if column.place == Place::Time {
                        continue;
                    }
                    prop_assert_eq!(&object[&column.name], &cell(values, row), "row {} of {}", row, column.name);
                }
            }
        }
    }
}
