//! What the bytes of a record mean: fields of fixed width, one after the other, little-endian, without gaps.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

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
    /// So many bytes of UTF-8, filled up with zeros.
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

    /// The value of exactly [`FieldKind::width`] bytes as JSON. Numbers that JSON does not have (NaN, infinities) are
    /// null; bytes that are no UTF-8 are replaced.
    fn json(self, bytes: &[u8]) -> Value {
        macro_rules! number {
            ($number:ty) => {
                <$number>::from_le_bytes(bytes.try_into().expect("as wide as the kind"))
            };
        }
        match self {
            FieldKind::U8 => Value::from(number!(u8)),
            FieldKind::U16 => Value::from(number!(u16)),
            FieldKind::U32 => Value::from(number!(u32)),
            FieldKind::U64 => Value::from(number!(u64)),
            FieldKind::I8 => Value::from(number!(i8)),
            FieldKind::I16 => Value::from(number!(i16)),
            FieldKind::I32 => Value::from(number!(i32)),
            FieldKind::I64 => Value::from(number!(i64)),
            FieldKind::F32 => short(number!(f32)),
            FieldKind::F64 => Number::from_f64(number!(f64)).map_or(Value::Null, Value::Number),
            FieldKind::Text(_) => {
                let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
                Value::from(String::from_utf8_lossy(&bytes[..end]))
            }
        }
    }
}

/// The shortest decimal that is this number in single precision: 0.1 stays 0.1.
fn short(number: f32) -> Value {
    let decimal: f64 = number.to_string().parse().expect("a number prints as one");
    Number::from_f64(decimal).map_or(Value::Null, Value::Number)
}

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Schema {
    fields: Vec<Field>,
}

/// Fields that no schema can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchema {
    /// None, or too many.
    #[error("a schema has 1 to {FIELDS_MAX} fields, not {0}")]
    FieldCount(usize),
    /// A name that is empty, too long, or holds control characters.
    #[error("field name {0:?} is not 1 to {FIELD_NAME_LENGTH_MAX} characters, none of them a control character")]
    Name(String),
    /// Two fields have one name.
    #[error("two fields are named `{0}`")]
    Twice(String),
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

    /// A record as a JSON object, with the fields in their order; nothing if the bytes are not as wide as the schema.
    pub fn json(&self, mut bytes: &[u8]) -> Option<Map<String, Value>> {
        let mut object = Map::with_capacity(self.fields.len());
        for field in &self.fields {
            let (value, rest) = bytes.split_at_checked(field.kind.width())?;
            object.insert(field.name.clone(), field.kind.json(value));
            bytes = rest;
        }
        bytes.is_empty().then_some(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, kind: FieldKind) -> Field {
        Field { name: name.to_owned(), kind }
    }

    #[test]
    fn a_record_is_its_fields_in_order() {
        let kinds = [
            ("Name", FieldKind::Text(8)),
            ("Count", FieldKind::U16),
            ("Delta", FieldKind::I8),
            ("Speed", FieldKind::F32),
            ("Height", FieldKind::F64),
            ("Big", FieldKind::U64),
        ];
        let schema = Schema::new(kinds.map(|(name, kind)| field(name, kind)).to_vec()).expect("a good schema");
        assert_eq!(schema.width(), 31);
        let mut bytes = b"Nimbus\0\0".to_vec();
        bytes.extend_from_slice(&513_u16.to_le_bytes());
        bytes.push(0xff);
        bytes.extend_from_slice(&0.1_f32.to_le_bytes());
        bytes.extend_from_slice(&f64::NAN.to_le_bytes());
        bytes.extend_from_slice(&u64::MAX.to_le_bytes());
        let json = serde_json::to_string(&schema.json(&bytes).expect("as wide as the schema")).expect("printable");
        let expected =
            r#"{"Name":"Nimbus","Count":513,"Delta":-1,"Speed":0.1,"Height":null,"Big":18446744073709551615}"#;
        assert_eq!(json, expected);
        assert_eq!(schema.json(&bytes[1..]), None);
        assert_eq!(schema.json(&[&bytes[..], &[0]].concat()), None);
    }

    #[test]
    fn what_no_record_can_be_is_refused_by_name() {
        let refused = |fields: Vec<Field>| Schema::new(fields).expect_err("a bad schema").to_string();
        assert_eq!(refused(Vec::new()), "a schema has 1 to 256 fields, not 0");
        let twice = vec![field("a", FieldKind::U8), field("a", FieldKind::U16)];
        assert_eq!(refused(twice), "two fields are named `a`");
        assert!(refused(vec![field("a\n", FieldKind::U8)]).contains("a\\n"));
        assert!(refused(vec![field("t", FieldKind::Text(0))]).contains("`t`"));
        let wide = (0..65).map(|index| field(&format!("t{index}"), FieldKind::Text(1024))).collect();
        assert_eq!(refused(wide), "a record is at most 65535 bytes wide, not 66560");
    }
}
