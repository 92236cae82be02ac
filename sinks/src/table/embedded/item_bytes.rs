//! An item and its version as the bytes of a row.
//!
//! ```text
//! row    version (8, big-endian)  01  item
//! item   count  and of each attribute: name (length, UTF-8)  value
//! value  00 null   01 false   02 true
//!        03 string (length, UTF-8)   04 number (length, its text)   05 binary (length, bytes)
//!        06 list (count, values)     07 map (item)
//!        08 set of strings   09 of numbers   0a of binaries: count, and each as above without its first byte
//! ```
//!
//! Lengths and counts are LEB128. In rows that older versions wrote, the version is followed by the item as JSON, which
//! begins with `{`.

use bytes::Bytes;
use model::table::json::{InvalidItemJson, read_item};
use model::table::number::{InvalidNumber, Number};
use model::table::store::VersionedItem;
use model::table::value::{AttributeValue, Item, NESTING_MAX, NonEmptySet};

/// Follows the version in rows of this form.
const FORM: u8 = 0x01;
/// Follows the version in rows of older versions.
const JSON_BEGINS: u8 = b'{';

const NULL: u8 = 0x00;
const FALSE: u8 = 0x01;
const TRUE: u8 = 0x02;
const STRING: u8 = 0x03;
const NUMBER: u8 = 0x04;
const BINARY: u8 = 0x05;
const LIST: u8 = 0x06;
const MAP: u8 = 0x07;
const STRING_SET: u8 = 0x08;
const NUMBER_SET: u8 = 0x09;
const BINARY_SET: u8 = 0x0a;

/// Bytes that are no row.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    #[error("the row is of a form that this version does not know: {0:#04x}")]
    UnknownForm(u8),
    #[error("the row ends too early")]
    Short,
    #[error("bytes follow the row's end")]
    Long,
    #[error("a value is of an unknown kind: {0:#04x}")]
    UnknownKind(u8),
    #[error("a length is out of range")]
    Length,
    #[error("a set is empty")]
    EmptySet,
    #[error("a value is nested deeper than {NESTING_MAX}")]
    Nested,
    #[error("a text is not UTF-8")]
    Text(#[from] std::str::Utf8Error),
    #[error(transparent)]
    Number(#[from] InvalidNumber),
    #[error(transparent)]
    Json(#[from] InvalidItemJson),
}

/// The bytes of a row.
pub(super) fn encode(versioned: &VersionedItem) -> Vec<u8> {
    let mut row = versioned.version.to_be_bytes().to_vec();
    row.push(FORM);
    push_item(&mut row, &versioned.item);
    row
}

/// Reads a row. Rows of older versions are read too.
pub(super) fn decode(row: &[u8]) -> Result<VersionedItem, Malformed> {
    let version = version_of(row)?;
    let item = match row.get(8) {
        Some(&FORM) => {
            let mut reader = Reader(&row[9..]);
            let item = reader.item(NESTING_MAX + 1)?;
            if !reader.0.is_empty() {
                return Err(Malformed::Long);
            }
            item
        }
        Some(&JSON_BEGINS) => read_item(&row[8..])?,
        Some(other) => return Err(Malformed::UnknownForm(*other)),
        None => return Err(Malformed::Short),
    };
    Ok(VersionedItem { item, version })
}

/// The version of a row, without its item.
pub(super) fn version_of(row: &[u8]) -> Result<u64, Malformed> {
    row.first_chunk::<8>().map(|version| u64::from_be_bytes(*version)).ok_or(Malformed::Short)
}

fn push_item(row: &mut Vec<u8>, item: &Item) {
    push_length(row, item.len());
    for (name, value) in item {
        push_bytes(row, name.as_bytes());
        push_value(row, value);
    }
}

fn push_value(row: &mut Vec<u8>, value: &AttributeValue) {
    let mut tagged = |tag: u8, bytes: &[u8]| {
        row.push(tag);
        push_bytes(row, bytes);
    };
    match value {
        AttributeValue::Null => row.push(NULL),
        AttributeValue::Bool(false) => row.push(FALSE),
        AttributeValue::Bool(true) => row.push(TRUE),
        AttributeValue::String(text) => tagged(STRING, text.as_bytes()),
        AttributeValue::Number(number) => tagged(NUMBER, number.as_str().as_bytes()),
        AttributeValue::Binary(bytes) => tagged(BINARY, bytes),
        AttributeValue::List(values) => {
            row.push(LIST);
            push_length(row, values.len());
            values.iter().for_each(|value| push_value(row, value));
        }
        AttributeValue::Map(item) => {
            row.push(MAP);
            push_item(row, item);
        }
        AttributeValue::StringSet(texts) => push_set(row, STRING_SET, texts.iter().map(String::as_bytes)),
        AttributeValue::NumberSet(set) => push_set(row, NUMBER_SET, set.iter().map(|one| one.as_str().as_bytes())),
        AttributeValue::BinarySet(set) => push_set(row, BINARY_SET, set.iter().map(Bytes::as_ref)),
    }
}

fn push_set<'a>(row: &mut Vec<u8>, tag: u8, members: impl ExactSizeIterator<Item = &'a [u8]>) {
    row.push(tag);
    push_length(row, members.len());
    members.for_each(|member| push_bytes(row, member));
}

fn push_bytes(row: &mut Vec<u8>, bytes: &[u8]) {
    push_length(row, bytes.len());
    row.extend(bytes);
}

fn push_length(row: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        row.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    row.push(length as u8);
}

/// What is left of a row.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn item(&mut self, nesting: usize) -> Result<Item, Malformed> {
        let nesting = nesting.checked_sub(1).ok_or(Malformed::Nested)?;
        let count = self.length()?;
        (0..count).map(|_| Ok((self.text()?.to_owned(), self.value(nesting)?))).collect()
    }

    fn value(&mut self, nesting: usize) -> Result<AttributeValue, Malformed> {
        Ok(match self.byte()? {
            NULL => AttributeValue::Null,
            FALSE => AttributeValue::Bool(false),
            TRUE => AttributeValue::Bool(true),
            STRING => AttributeValue::String(self.text()?.to_owned()),
            NUMBER => AttributeValue::Number(self.number()?),
            BINARY => AttributeValue::Binary(self.binary()?),
            LIST => {
                let nesting = nesting.checked_sub(1).ok_or(Malformed::Nested)?;
                let count = self.length()?;
                AttributeValue::List((0..count).map(|_| self.value(nesting)).collect::<Result<_, _>>()?)
            }
            MAP => AttributeValue::Map(self.item(nesting)?),
            STRING_SET => AttributeValue::StringSet(self.set(|reader| Ok(reader.text()?.to_owned()))?),
            NUMBER_SET => AttributeValue::NumberSet(self.set(Self::number)?),
            BINARY_SET => AttributeValue::BinarySet(self.set(Self::binary)?),
            other => return Err(Malformed::UnknownKind(other)),
        })
    }

    fn set<T: Ord>(&mut self, member: impl Fn(&mut Self) -> Result<T, Malformed>) -> Result<NonEmptySet<T>, Malformed> {
        let count = self.length()?;
        let members = (0..count).map(|_| member(self)).collect::<Result<Vec<T>, _>>()?;
        NonEmptySet::new(members).ok_or(Malformed::EmptySet)
    }

    fn number(&mut self) -> Result<Number, Malformed> {
        let text = self.text()?;
        Ok(Number::written(text)?)
    }

    fn binary(&mut self) -> Result<Bytes, Malformed> {
        Ok(Bytes::copy_from_slice(self.bytes()?))
    }

    fn text(&mut self) -> Result<&'a str, Malformed> {
        Ok(std::str::from_utf8(self.bytes()?)?)
    }

    fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.length()?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.0.split_first().ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(*first)
    }

    fn length(&mut self) -> Result<usize, Malformed> {
        let mut length = 0_usize;
        for shift in (0..usize::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = usize::from(byte & 0x7f);
            if (bits << shift) >> shift != bits {
                return Err(Malformed::Length);
            }
            length |= bits << shift;
            if byte < 0x80 {
                return Ok(length);
            }
        }
        Err(Malformed::Length)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn item(value: serde_json::Value) -> Item {
        match value.into() {
            AttributeValue::Map(item) => item,
            other => panic!("{other} is not an object"),
        }
    }

    #[test]
    fn rows_are_the_bytes_that_they_are() {
        let mut whole = item(json!({"a": 175.0, "é": [null, true, "x"]}));
        whole.insert("b".to_owned(), AttributeValue::Binary(Bytes::from_static(&[0, 255])));
        let set = NonEmptySet::new(["y".to_owned(), "x".to_owned()]).unwrap();
        whole.insert("s".to_owned(), AttributeValue::StringSet(set));
        let row = encode(&VersionedItem { item: whole.clone(), version: 7 });
        let expected = [
            &[0, 0, 0, 0, 0, 0, 0, 7, 1, 4][..],
            b"\x01a\x04\x05175.0",
            b"\x02\xc3\xa9\x06\x03\x00\x02\x03\x01x",
            b"\x01b\x05\x02\x00\xff",
            b"\x01s\x08\x02\x01x\x01y",
        ];
        assert_eq!(row, expected.concat());
        assert_eq!(decode(&row).unwrap(), VersionedItem { item: whole, version: 7 });
    }

    #[test]
    fn rows_of_older_versions_are_read() {
        let json = r#"{"id":9007199254740993,"z":null,"Distance":175.0,"a":[1,{"b":"é"}]}"#;
        let row = [&[0, 0, 0, 0, 0, 0, 1, 2][..], json.as_bytes()].concat();
        let VersionedItem { item, version } = decode(&row).unwrap();
        assert_eq!((serde_json::to_string(&item).unwrap().as_str(), version), (json, 258));
    }

    #[test]
    fn what_is_no_row_is_told_and_never_read_as_one() {
        let row = encode(&VersionedItem { item: item(json!({"a": [1, "text", {"b": {}}]})), version: 1 });
        for end in 0..row.len() {
            assert!(decode(&row[..end]).is_err(), "{end}");
        }
        assert!(matches!(decode(&[&row[..], &[0]].concat()), Err(Malformed::Long)));
        assert!(matches!(decode(&[0, 0, 0, 0, 0, 0, 0, 0, 2]), Err(Malformed::UnknownForm(2))));
        let endless = [&[0, 0, 0, 0, 0, 0, 0, 0, 1][..], &[0xff; 20]].concat();
        assert!(matches!(decode(&endless), Err(Malformed::Length)));
        let deep = [&[0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, b'a'][..], &[LIST, 1].repeat(1000)[..]].concat();
        assert!(matches!(decode(&deep), Err(Malformed::Nested)));
    }

    fn any_value() -> impl Strategy<Value = AttributeValue> {
        let number = || "-?[1-9][0-9]{0,37}".prop_map(|text| Number::parse(&text).unwrap());
        let binary = || prop::collection::vec(any::<u8>(), 0..4).prop_map(Bytes::from);
        let leaf = prop_oneof![
            Just(AttributeValue::Null),
            any::<bool>().prop_map(AttributeValue::Bool),
            ".{0,8}".prop_map(AttributeValue::String),
            any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(|f| json!(f).into()),
            number().prop_map(AttributeValue::Number),
            binary().prop_map(AttributeValue::Binary),
            prop::collection::vec(".{0,4}", 1..4)
                .prop_map(|set| AttributeValue::StringSet(NonEmptySet::new(set).unwrap())),
            prop::collection::vec(number(), 1..4)
                .prop_map(|set| AttributeValue::NumberSet(NonEmptySet::new(set).unwrap())),
            prop::collection::vec(binary(), 1..4)
                .prop_map(|set| AttributeValue::BinarySet(NonEmptySet::new(set).unwrap())),
        ];
        leaf.prop_recursive(3, 24, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(AttributeValue::List),
                prop::collection::vec((".{0,4}", inner), 0..6)
                    .prop_map(|fields| AttributeValue::Map(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn items_come_back_as_they_were_to_the_last_byte(value in any_value(), version: u64) {
            let versioned = VersionedItem { item: Item::from_iter([("a".to_owned(), value)]), version };
            let row = encode(&versioned);
            prop_assert_eq!(version_of(&row).unwrap(), version);
            let back = decode(&row).unwrap();
            prop_assert_eq!(&back, &versioned);
            prop_assert_eq!(encode(&back), row);
        }

        #[test]
        fn any_bytes_are_read_or_refused(row in prop::collection::vec(any::<u8>(), 0..64), marked: bool) {
            let mut row = row;
            if marked && row.len() > 8 {
                row[8] = FORM;
            }
            let _ = decode(&row);
        }
    }
}
