//! Items as JSON, at the borders: what a producer put, and what people read.
//!
//! | attribute | JSON |
//! | --- | --- |
//! | null, bool, string, list, map | the same |
//! | number | digit by digit as it was put |
//! | binary | a string of base64 |
//! | sets | arrays, the smallest member first |
//!
//! JSON that is read never becomes binary or a set.

use std::fmt;

use base64_simd::STANDARD;
use bytes::Bytes;
use indexmap::IndexMap;
use serde::ser::Error;
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::decimal::Decimal;
use super::number::{InvalidNumber, Number};
use super::value::{AttributeValue, Item};

/// Every number of this many significant digits and no exponent is the shortest form of a double, or an integer.
const SAFE_DIGITS_MAX: usize = 15;

/// JSON that is no item.
#[derive(Debug, thiserror::Error)]
pub enum InvalidItemJson {
    /// It is not valid, or not an object.
    #[error("not a JSON object: {0}")]
    NotAnObject(#[from] serde_json::Error),
    /// It holds a number that an item cannot keep exactly.
    #[error(transparent)]
    Number(#[from] InvalidNumber),
}

/// Reads an item from a JSON object, its numbers to the last digit.
pub fn read_item(json: &[u8]) -> Result<Item, InvalidItemJson> {
    let object: serde_json::Map<String, Value> = serde_json::from_slice(json)?;
    if all_numbers_are_exact(json) {
        return Ok(item_from(object));
    }
    let object: IndexMap<String, &RawValue> = serde_json::from_slice(json)?;
    object.into_iter().map(|(name, raw)| Ok((name, read_raw(raw)?))).collect()
}

/// Reads a value number by number. The text was read before, so it is valid and nests no deeper than readers go.
fn read_raw(raw: &RawValue) -> Result<AttributeValue, InvalidItemJson> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'{') => {
            let object: IndexMap<String, &RawValue> = serde_json::from_str(text)?;
            let item = object.into_iter().map(|(name, raw)| Ok((name, read_raw(raw)?)));
            item.collect::<Result<_, InvalidItemJson>>().map(AttributeValue::Map)
        }
        Some(b'[') => {
            let values: Vec<&RawValue> = serde_json::from_str(text)?;
            values.into_iter().map(read_raw).collect::<Result<_, _>>().map(AttributeValue::List)
        }
        Some(b'-' | b'0'..=b'9') => Ok(AttributeValue::Number(Number::parse(text)?)),
        _ => Ok(serde_json::from_str::<Value>(text)?.into()),
    }
}

fn item_from(object: serde_json::Map<String, Value>) -> Item {
    object.into_iter().map(|(name, value)| (name, value.into())).collect()
}

impl From<Value> for AttributeValue {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => AttributeValue::Null,
            Value::Bool(value) => AttributeValue::Bool(value),
            Value::Number(number) => AttributeValue::Number(Number::from(&number)),
            Value::String(text) => AttributeValue::String(text),
            Value::Array(values) => AttributeValue::List(values.into_iter().map(Into::into).collect()),
            Value::Object(object) => AttributeValue::Map(item_from(object)),
        }
    }
}

impl Serialize for AttributeValue {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            AttributeValue::Null => to.serialize_unit(),
            AttributeValue::Bool(value) => to.serialize_bool(*value),
            AttributeValue::String(text) => to.serialize_str(text),
            AttributeValue::Number(number) => number.serialize(to),
            AttributeValue::Binary(bytes) => to.serialize_str(&base64(bytes)),
            AttributeValue::List(values) => to.collect_seq(values),
            AttributeValue::Map(item) => to.collect_map(item),
            AttributeValue::StringSet(texts) => to.collect_seq(texts.iter()),
            AttributeValue::NumberSet(numbers) => to.collect_seq(numbers.iter()),
            AttributeValue::BinarySet(set) => to.collect_seq(set.iter().map(base64)),
        }
    }
}

/// Digit by digit, into JSON.
impl Serialize for Number {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.as_str().to_owned()).map_err(S::Error::custom)?.serialize(to)
    }
}

fn base64(bytes: &Bytes) -> String {
    STANDARD.encode_to_string(bytes)
}

/// As JSON.
impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// Whether every number in valid JSON text is a 64-bit integer or the shortest form of a double, so that any reader
/// reads it exactly.
fn all_numbers_are_exact(json: &[u8]) -> bool {
    let mut at = 0;
    while at < json.len() {
        match json[at] {
            b'"' => at = after_string(json, at + 1),
            b'-' | b'0'..=b'9' => {
                let len = json[at..].iter().take_while(|byte| is_of_number(**byte)).count();
                if !is_exact(&json[at..at + len]) {
                    return false;
                }
                at += len;
            }
            _ => at += 1,
        }
    }
    true
}

fn is_of_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
}

fn after_string(json: &[u8], mut at: usize) -> usize {
    while at < json.len() {
        match json[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    at
}

fn is_exact(number: &[u8]) -> bool {
    let digits = number.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits <= SAFE_DIGITS_MAX && !number.iter().any(|byte| matches!(byte, b'e' | b'E')) {
        return true;
    }
    let text = String::from_utf8_lossy(number);
    let read = text.parse::<serde_json::Number>().ok();
    read.is_some_and(|read| Decimal::parse(&read.to_string()) == Decimal::parse(&text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::table::number::NUMBER_DIGITS_MAX;
    use crate::table::value::NonEmptySet;

    fn check(json: &str, shown: &str) {
        let item = read_item(json.as_bytes()).expect(json);
        assert_eq!(serde_json::to_string(&item).expect("an item is JSON"), shown);
    }

    #[test]
    fn people_read_numbers_as_they_were_put() {
        check(r#"{"a": 1, "b": [0.1, -2.5e-7, 18446744073709551615, 1e23], "c": 175.0}"#, &{
            let same = json!({"a": 1, "b": [0.1, -2.5e-7, 18_446_744_073_709_551_615_u64, 1e23], "c": 175.0});
            same.to_string()
        });
        check(
            r#"{"a": "12345678901234567890123", "b\"": "9\\", "c": null}"#,
            r#"{"a":"12345678901234567890123","b\"":"9\\","c":null}"#,
        );
        check(r#"{"a": 12345678901234567890123}"#, r#"{"a":12345678901234567890123}"#);
        check(
            r#"{"z": {"a": [3.14159265358979323846, "é"]}, "b": true}"#,
            r#"{"z":{"a":[3.14159265358979323846,"é"]},"b":true}"#,
        );
        check(r#"{"a": 9007199254740993.0, "a": 1}"#, r#"{"a":1}"#);
    }

    #[test]
    fn what_is_no_item_is_refused_with_the_reason() {
        let refused = |json: &str| read_item(json.as_bytes()).expect_err(json).to_string();
        assert!(refused("[1]").starts_with("not a JSON object: "));
        assert!(refused("{").starts_with("not a JSON object: "));
        let digits = "7".repeat(NUMBER_DIGITS_MAX + 1);
        assert!(refused(&format!("{{\"a\": [{digits}]}}")).starts_with(&format!("number {digits} has more digits")));
        assert!(refused(r#"{"a": 1e-400}"#).starts_with("number 1e-400 is out of range"));
    }

    #[test]
    fn binary_and_sets_are_shown_as_text_and_arrays() {
        let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
        let number = |text: &str| Number::parse(text).expect(text);
        let set = AttributeValue::NumberSet(NonEmptySet::new([number("10"), number("9.0"), number("9")]).expect("two"));
        assert_eq!(set.to_string(), "[9,10]");
        let texts = AttributeValue::StringSet(NonEmptySet::new(["b".to_owned(), "a".to_owned()]).expect("two"));
        assert_eq!(texts.to_string(), r#"["a","b"]"#);
        assert_eq!(AttributeValue::Binary(bytes("hello")).to_string(), r#""aGVsbG8=""#);
        let set = AttributeValue::BinarySet(NonEmptySet::new([bytes("hello")]).expect("one"));
        assert_eq!(set.to_string(), r#"["aGVsbG8="]"#);
    }

    proptest! {
        #[test]
        fn what_json_holds_an_item_holds(
            number in any::<f64>().prop_filter("finite", |f| f.is_finite()), integer: u64, text in ".*",
        ) {
            let json = json!({"a": number, "b": [integer, {"c": text}], "d": null, "e": false}).to_string();
            prop_assert!(all_numbers_are_exact(json.as_bytes()));
            let item = read_item(json.as_bytes()).expect("an object");
            prop_assert_eq!(serde_json::to_string(&item).expect("JSON"), json);
        }
    }
}
