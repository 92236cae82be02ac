//! Keys as bytes whose order is the order of the keys.
//!
//! ```text
//! key     = partition [sort]
//! string  = 02  bytes with 00 written as 00 FF  00 00
//! number  = 01  float64 (8, bits flipped so that they order by value)  rest (2)
//! ```
//!
//! No encoded value is the beginning of another, so a partition's keys are exactly those that begin with its bytes.
//! `rest` is what an integer above 2^53 loses when it becomes a float: `9007199254740993` and `...992` stay apart.

use model::table::store::{ItemKey, KeyValue};

const NUMBER: u8 = 0x01;
const STRING: u8 = 0x02;

/// Follows every key of a partition: no encoded sort key begins with it.
pub(super) const AFTER_PARTITION: u8 = 0xff;

/// The bytes of a whole key.
pub(super) fn key_bytes(key: &ItemKey) -> Vec<u8> {
    let mut bytes = value_bytes(&key.partition);
    if let Some(sort) = &key.sort {
        push_value(&mut bytes, sort);
    }
    bytes
}

/// The bytes of one key attribute.
pub(super) fn value_bytes(value: &KeyValue) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(32);
    push_value(&mut bytes, value);
    bytes
}

/// Appends one key attribute.
pub(super) fn push_value(bytes: &mut Vec<u8>, value: &KeyValue) {
    match value {
        KeyValue::String(text) => {
            bytes.push(STRING);
            for byte in text.bytes() {
                bytes.push(byte);
                if byte == 0 {
                    bytes.push(0xff);
                }
            }
            bytes.extend([0, 0]);
        }
        KeyValue::Number(number) => {
            bytes.push(NUMBER);
            let float = number.as_f64().expect("a JSON number has a value");
            // Zero has two forms and one value.
            let bits = if float == 0.0 { 0 } else { float.to_bits() };
            let ordered = if bits >> 63 == 1 { !bits } else { bits | (1 << 63) };
            bytes.extend(ordered.to_be_bytes());
            let exact = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
            let rest = exact.map_or(0, |exact| exact - float as i128);
            let rest = i16::try_from(rest).expect("a 64-bit integer is at most 1024 away from its float");
            bytes.extend(((rest as u16) ^ (1 << 15)).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;
    use serde_json::{Number, json};

    use super::*;

    fn string(text: &str) -> KeyValue {
        KeyValue::String(text.to_owned())
    }

    fn number(value: serde_json::Value) -> KeyValue {
        match value {
            serde_json::Value::Number(number) => KeyValue::Number(number),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn numbers_are_ordered_by_value_and_big_ones_stay_apart() {
        let sorted = [
            json!(-1.5e300),
            json!(i64::MIN),
            json!(i64::MIN + 1),
            json!(-1),
            json!(0),
            json!(1e-300),
            json!(9_007_199_254_740_992_u64),
            json!(9_007_199_254_740_993_u64),
            json!(9_007_199_254_740_994_u64),
            json!(u64::MAX - 1),
            json!(u64::MAX),
            json!(1e30),
        ];
        let bytes: Vec<_> = sorted.map(|value| value_bytes(&number(value))).into();
        assert!(bytes.windows(2).all(|pair| pair[0] < pair[1]), "{bytes:02x?}");
        assert_eq!(value_bytes(&number(json!(2))), value_bytes(&number(json!(2.0))));
        assert_eq!(value_bytes(&number(json!(0))), value_bytes(&number(json!(-0.0))));
    }

    proptest! {
        #[test]
        fn text_is_ordered_as_text(a in "[\0\u{1}a\u{ff}]{0,4}", b in "[\0\u{1}a\u{ff}]{0,4}", c in "[\0a]{0,3}", d in "[\0a]{0,3}") {
            let key = |partition: &str, sort: &str| ItemKey { partition: string(partition), sort: Some(string(sort)) };
            let expected = (&a, &c).cmp(&(&b, &d));
            prop_assert_eq!(key_bytes(&key(&a, &c)).cmp(&key_bytes(&key(&b, &d))), expected);
        }

        #[test]
        fn floats_are_ordered_by_value(a in -1e18..1e18, b in any::<i64>()) {
            let (Some(x), y) = (Number::from_f64(a), Number::from(b)) else { return Ok(()) };
            let found = value_bytes(&KeyValue::Number(x)).cmp(&value_bytes(&KeyValue::Number(y)));
            match (a as i128).cmp(&i128::from(b)) {
                Ordering::Equal => {}
                expected => prop_assert_eq!(found, expected),
            }
        }
    }
}
