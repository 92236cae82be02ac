//! What the bytes of a record mean: fields of fixed width, one after the other, little-endian,
//! without gaps.

use serde::{Deserialize, Serialize};

/// Fields of a schema, at most.
pub const FIELDS_MAX: usize = 256;
/// Characters of a field's name, at most.
pub const FIELD_NAME_LENGTH_MAX: usize = 128;
/// Bytes of a text field, at most.
pub const TEXT_BYTES_MAX: u16 = 1024;

/// The kind of a field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldKind {
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

impl FieldKind {
    /// Bytes of a value.
    pub fn width(self) -> usize {
        match self {
            FieldKind::U8 | FieldKind::I8 => 1,
            FieldKind::U16 | FieldKind::I16 => 2,
            FieldKind::U32 | FieldKind::I32 | FieldKind::F32 => 4,
            FieldKind::U64 | FieldKind::I64 | FieldKind::F64 => 8,
            FieldKind::Text(width) => usize::from(width),
        }
    }

    /// Appends the value of exactly [`FieldKind::width`] bytes as JSON. Numbers that JSON does not
    /// have (NaN, infinities) are null; bytes that are no UTF-8 are replaced; single precision is
    /// the shortest decimal: 0.1 stays 0.1.
    pub(super) fn push_json(self, bytes: &[u8], json: &mut Vec<u8>) {
        macro_rules! number {
            ($number:ty) => {
                push(json, &<$number>::from_le_bytes(bytes.try_into().expect("as wide as the kind")))
            };
        }
        match self {
            FieldKind::U8 => number!(u8),
            FieldKind::U16 => number!(u16),
            FieldKind::U32 => number!(u32),
            FieldKind::U64 => number!(u64),
            FieldKind::I8 => number!(i8),
            FieldKind::I16 => number!(i16),
            FieldKind::I32 => number!(i32),
            FieldKind::I64 => number!(i64),
            FieldKind::F32 => number!(f32),
            FieldKind::F64 => number!(f64),
            FieldKind::Text(_) => push(json, &*text_of(bytes)),
        }
    }
}

/// Column that holds who sent a record.
pub const SOURCE: &str = "source";
/// Column that holds how often its source had started.
pub const EPOCH: &str = "epoch";
/// Column that holds a record's number within source and epoch.
pub const SEQ: &str = "seq";
/// Column that holds when a record was measured.
pub const TIME: &str = "time";
/// Column that holds when the stream accepted a record; archives and SQL have it beside the others.
pub const ARRIVED_AT: &str = "arrived_at";
/// Columns that every sensor record has before its fields, with the kinds of their values; [`TIME`]
/// is nanoseconds since 1970.
pub const PREFIX_COLUMNS: [(&str, FieldKind); 4] =
    [(SOURCE, FieldKind::U32), (EPOCH, FieldKind::U16), (SEQ, FieldKind::U64), (TIME, FieldKind::U64)];

/// A field of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// The column's name.
    pub name: String,
    /// What it holds.
    pub kind: FieldKind,
}

/// The fields of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Schema {
    #[serde(deserialize_with = "checked")]
    fields: Vec<Field>,
}

/// Columns of every stream in queries, whatever its records hold.
const STREAM_COLUMNS: [&str; 4] = [ARRIVED_AT, "ROWTIME", "__window_start", "__window_end"];

fn checked<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Field>, D::Error> {
    let fields = Vec::deserialize(deserializer)?;
    Schema::new(fields).map(|schema| schema.fields).map_err(serde::de::Error::custom)
}

/// Fields that no schema can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchema {
    /// None, or too many.
    #[error("a schema has 1 to {FIELDS_MAX} fields, not {0}")]
    FieldCount(usize),
    /// A name that is empty, too long, or holds control characters.
    #[error("field name {0:?} must have 1 to {FIELD_NAME_LENGTH_MAX} characters, without control characters")]
    Name(String),
    /// Two fields have one name.
    #[error("two fields are named `{0}`")]
    Twice(String),
    /// A name that every sensor record has a column of, or every stream.
    #[error("field name `{0}` is taken: every record has a column of that name")]
    Reserved(String),
    /// A text field of no bytes, or of too many.
    #[error("text field `{0}` is not 1 to {TEXT_BYTES_MAX} bytes wide")]
    TextWidth(String),
    /// The record would be wider than a header can say.
    #[error("a record is at most 65535 bytes wide, not {0}")]
    Width(usize),
}

impl Schema {
    /// Checks the fields.
    pub fn new(fields: Vec<Field>) -> Result<Schema, InvalidSchema> {
        if fields.is_empty() || fields.len() > FIELDS_MAX {
            return Err(InvalidSchema::FieldCount(fields.len()));
        }
        for (index, field) in fields.iter().enumerate() {
            let length = field.name.chars().count();
            if !(1..=FIELD_NAME_LENGTH_MAX).contains(&length) || field.name.chars().any(char::is_control) {
                return Err(InvalidSchema::Name(field.name.clone()));
            }
            let mut taken = PREFIX_COLUMNS.iter().map(|(name, _)| *name).chain(STREAM_COLUMNS);
            if taken.any(|name| field.name.eq_ignore_ascii_case(name)) {
                return Err(InvalidSchema::Reserved(field.name.clone()));
            }
            if fields[..index].iter().any(|other| other.name == field.name) {
                return Err(InvalidSchema::Twice(field.name.clone()));
            }
            if matches!(field.kind, FieldKind::Text(width) if !(1..=TEXT_BYTES_MAX).contains(&width)) {
                return Err(InvalidSchema::TextWidth(field.name.clone()));
            }
        }
        let schema = Schema { fields };
        match schema.width() {
            width if width > usize::from(u16::MAX) => Err(InvalidSchema::Width(width)),
            _ => Ok(schema),
        }
    }

    /// The fields in the order of their bytes.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Bytes of a record, without its time.
    pub fn width(&self) -> usize {
        self.fields.iter().map(|field| field.kind.width()).sum()
    }
}

/// Appends a value as JSON.
pub(super) fn push(json: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    serde_json::to_writer(json, value).expect("texts and numbers become JSON");
}

/// A text field without the zeros that fill it up; bytes that are no UTF-8 are replaced.
pub(super) fn text_of(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, kind: FieldKind) -> Field {
        Field { name: name.to_owned(), kind }
    }

    #[test]
    fn values_are_json() {
        let check = |kind: FieldKind, bytes: &[u8], expected: &str| {
            let mut json = Vec::new();
            kind.push_json(bytes, &mut json);
            assert_eq!(String::from_utf8_lossy(&json), expected, "{kind:?}");
            assert_eq!(kind.width(), bytes.len());
        };
        check(FieldKind::Text(8), b"Nimbus\0\0", "\"Nimbus\"");
        check(FieldKind::Text(2), b"\"\xff", "\"\\\"\u{fffd}\"");
        check(FieldKind::U16, &513_u16.to_le_bytes(), "513");
        check(FieldKind::I8, &[0xff], "-1");
        check(FieldKind::F32, &0.1_f32.to_le_bytes(), "0.1");
        check(FieldKind::F64, &f64::NAN.to_le_bytes(), "null");
        check(FieldKind::F64, &f64::INFINITY.to_le_bytes(), "null");
        check(FieldKind::U64, &u64::MAX.to_le_bytes(), "18446744073709551615");
    }

    #[test]
    fn what_no_record_can_be_is_refused_by_name() {
        let refused = |fields: Vec<Field>| Schema::new(fields).expect_err("a bad schema").to_string();
        assert_eq!(refused(Vec::new()), "a schema has 1 to 256 fields, not 0");
        let twice = vec![field("a", FieldKind::U8), field("a", FieldKind::U16)];
        assert_eq!(refused(twice), "two fields are named `a`");
        for taken in ["seq", "Time", "rowtime"] {
            assert!(refused(vec![field(taken, FieldKind::U8)]).contains(&format!("`{taken}` is taken")));
        }
        assert!(refused(vec![field("a\n", FieldKind::U8)]).contains("a\\n"));
        assert!(refused(vec![field("t", FieldKind::Text(0))]).contains("`t`"));
        let wide = (0..65).map(|index| field(&format!("t{index}"), FieldKind::Text(1024))).collect();
        assert_eq!(refused(wide), "a record is at most 65535 bytes wide, not 66560");
    }
}
