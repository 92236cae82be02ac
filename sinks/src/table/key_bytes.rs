//! Keys as bytes whose order is the order of the keys.
//!
//! ```text
//! key     = partition [sort]
//! string  = 02  bytes with 00 written as 00 FF  00 00
//! binary  = 03  bytes with 00 written as 00 FF  00 00
//!
//! number, exact:
//!   zero      01 01
//!   positive  01 02  power of ten (2, moved up by 2^15)  digits two by two (1 each, 1 + their value)  00
//!   negative  01 00  the same, with every bit flipped
//!
//! number, 64 bits:
//!   01  float64 (8, bits flipped so that they order by value)  rest (2)
//! ```
//!
//! No encoded value is the beginning of another, so a partition's keys are exactly those that begin with its bytes.
//!
//! A table keeps the numbers of its keys in one of the two forms for life. `rest` in the form of 64 bits is what an
//! integer above 2^53 loses when it becomes a float: `9007199254740993` and `...992` stay apart.

use model::table::number::Number;
use model::table::store::{ItemKey, KeyValue};
use serde::{Deserialize, Serialize};

const NUMBER: u8 = 0x01;
const STRING: u8 = 0x02;
const BINARY: u8 = 0x03;

/// Follows every key of a partition: no encoded sort key begins with it.
pub(super) const AFTER_PARTITION: u8 = 0xff;

/// How the numbers of a table's keys are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum KeyNumbers {
    /// Of tables that older versions created: 64-bit integers and doubles.
    #[default]
    Bits64,
    /// Every number of an item.
    Exact,
}

/// A number that a table of [`KeyNumbers::Bits64`] cannot have in a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "number {0} has more digits than a key of this table keeps, because an older version created the table; create it \
     anew to use such keys"
)]
pub(super) struct TooLongForTable(Number);

impl KeyNumbers {
    /// The bytes of a whole key.
    pub(super) fn key(self, key: &ItemKey) -> Result<Vec<u8>, TooLongForTable> {
        let mut bytes = self.value(&key.partition)?;
        if let Some(sort) = &key.sort {
            self.push(&mut bytes, sort)?;
        }
        Ok(bytes)
    }

    /// The bytes of one key attribute.
    pub(super) fn value(self, value: &KeyValue) -> Result<Vec<u8>, TooLongForTable> {
        let mut bytes = Vec::with_capacity(32);
        self.push(&mut bytes, value)?;
        Ok(bytes)
    }

    /// Appends one key attribute.
    pub(super) fn push(self, bytes: &mut Vec<u8>, value: &KeyValue) -> Result<(), TooLongForTable> {
        match (value, self) {
            (KeyValue::String(text), _) => push_escaped(bytes, STRING, text.as_bytes()),
            (KeyValue::Binary(binary), _) => push_escaped(bytes, BINARY, binary),
            (KeyValue::Number(number), KeyNumbers::Exact) => push_exact(bytes, number),
            (KeyValue::Number(number), KeyNumbers::Bits64) => push_bits64(bytes, number)?,
        }
        Ok(())
    }
}

fn push_escaped(bytes: &mut Vec<u8>, tag: u8, value: &[u8]) {
    bytes.push(tag);
    for byte in value {
        bytes.push(*byte);
        if *byte == 0 {
            bytes.push(0xff);
        }
    }
    bytes.extend([0, 0]);
}

fn push_exact(bytes: &mut Vec<u8>, number: &Number) {
    let decimal = number.decimal();
    bytes.push(NUMBER);
    if decimal.digits().is_empty() {
        bytes.push(1);
        return;
    }
    let power = i16::try_from(decimal.magnitude()).expect("an item keeps numbers of small magnitudes");
    let digit = |ascii: &u8| ascii - b'0';
    let pairs = decimal.digits().chunks(2).map(|pair| 1 + 10 * digit(&pair[0]) + pair.get(1).map_or(0, digit));
    let size = ((power as u16) ^ (1 << 15)).to_be_bytes().into_iter().chain(pairs).chain([0]);
    if decimal.is_negative() {
        bytes.push(0);
        bytes.extend(size.map(|byte| !byte));
    } else {
        bytes.push(2);
        bytes.extend(size);
    }
}

fn push_bits64(bytes: &mut Vec<u8>, number: &Number) -> Result<(), TooLongForTable> {
    let too_long = || TooLongForTable(number.clone());
    let plain: serde_json::Number = number.as_str().parse().map_err(|_| too_long())?;
    if Number::from(&plain) != *number {
        return Err(too_long());
    }
    let float = plain.as_f64().ok_or_else(too_long)?;
    bytes.push(NUMBER);
    // Zero has two forms and one value.
    let bits = if float == 0.0 { 0 } else { float.to_bits() };
    let ordered = if bits >> 63 == 1 { !bits } else { bits | (1 << 63) };
    bytes.extend(ordered.to_be_bytes());
    let exact = plain.as_i64().map(i128::from).or_else(|| plain.as_u64().map(i128::from));
    let rest = exact.map_or(0, |exact| exact - float as i128);
    let rest = i16::try_from(rest).expect("a 64-bit integer is at most 1024 away from its float");
    bytes.extend(((rest as u16) ^ (1 << 15)).to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const BOTH: [KeyNumbers; 2] = [KeyNumbers::Bits64, KeyNumbers::Exact];

    fn string(text: &str) -> KeyValue {
        KeyValue::String(text.to_owned())
    }

    fn number(value: Value) -> KeyValue {
        match value {
            Value::Number(number) => KeyValue::Number(Number::from(&number)),
            other => panic!("{other}"),
        }
    }

    fn exact(text: &str) -> KeyValue {
        KeyValue::Number(Number::parse(text).unwrap())
    }

    #[test]
    fn numbers_are_ordered_by_value_and_big_ones_stay_apart() {
        for numbers in BOTH {
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
            let bytes: Vec<_> = sorted.map(|value| numbers.value(&number(value)).unwrap()).into();
            assert!(bytes.windows(2).all(|pair| pair[0] < pair[1]), "{bytes:02x?}");
            assert_eq!(numbers.value(&number(json!(2))), numbers.value(&number(json!(2.0))));
            assert_eq!(numbers.value(&number(json!(0))), numbers.value(&number(json!(-0.0))));
        }
    }

    #[test]
    fn keys_of_older_tables_are_the_bytes_that_they_were() {
        let check = |value: Value, bytes: [u8; 11]| {
            assert_eq!(KeyNumbers::Bits64.value(&number(value.clone())).unwrap(), bytes, "{value}");
        };
        check(json!(0), [1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x80, 0]);
        check(json!(1.5), [1, 0xbf, 0xf8, 0, 0, 0, 0, 0, 0, 0x80, 0]);
        check(json!(-1), [1, 0x40, 0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x80, 0]);
        check(json!(9_007_199_254_740_993_u64), [1, 0xc3, 0x40, 0, 0, 0, 0, 0, 0, 0x80, 1]);
        let long = KeyNumbers::Bits64.value(&exact("0.10000000000000000000000001")).unwrap_err();
        assert!(long.to_string().contains("create it anew"), "{long}");
        assert_eq!(KeyNumbers::Exact.value(&string("a\0")).unwrap(), [2, b'a', 0, 0xff, 0, 0]);
    }

    #[test]
    fn no_value_is_the_beginning_of_another() {
        let numbers = ["0", "1", "10", "11", "1.1", "1.01", "-1", "-11", "-1.1", "1e-5", "123456789"].map(exact);
        let texts = ["a", "ab", "a\0", ""].map(string);
        let bytes = ["a", "ab", "a\0"].map(|text| KeyValue::Binary(text.as_bytes().to_vec().into()));
        let all: Vec<_> = numbers.iter().chain(&texts).chain(&bytes).collect();
        for one in &all {
            for other in all.iter().filter(|other| *other != one) {
                let (one, other) = (KeyNumbers::Exact.value(one).unwrap(), KeyNumbers::Exact.value(other).unwrap());
                assert!(!other.starts_with(&one), "{one:02x?} {other:02x?}");
            }
        }
    }

    proptest! {
        #[test]
        fn text_is_ordered_as_text(a in "[\0\u{1}a\u{ff}]{0,4}", b in "[\0\u{1}a\u{ff}]{0,4}", c in "[\0a]{0,3}", d in "[\0a]{0,3}") {
            let key = |partition: &str, sort: &str| {
                KeyNumbers::Exact.key(&ItemKey { partition: string(partition), sort: Some(string(sort)) }).unwrap()
            };
            prop_assert_eq!(key(&a, &c).cmp(&key(&b, &d)), (&a, &c).cmp(&(&b, &d)));
        }

        #[test]
        fn floats_are_ordered_by_value(a in -1e18..1e18, b in any::<i64>()) {
            let (x, y) = (number(json!(a)), number(json!(b)));
            let found = |numbers: KeyNumbers| numbers.value(&x).unwrap().cmp(&numbers.value(&y).unwrap());
            prop_assert_eq!(found(KeyNumbers::Exact), x.cmp(&y));
            // A double counts for what it is, not for the shortest text that reads as it.
            let as_doubles = (a as i128).cmp(&i128::from(b));
            prop_assert!(as_doubles == Ordering::Equal || found(KeyNumbers::Bits64) == as_doubles);
        }

        #[test]
        fn exact_numbers_are_ordered_by_value(
            a in "-?[0-9]{1,20}(\\.[0-9]{1,18})?", b in "-?[0-9]{1,20}(\\.[0-9]{1,18})?", power in -300_i32..280,
        ) {
            let (a, b) = (exact(&format!("{a}e{power}")), exact(&format!("{b}e{power}")));
            let found = KeyNumbers::Exact.value(&a).unwrap().cmp(&KeyNumbers::Exact.value(&b).unwrap());
            prop_assert_eq!(found, a.cmp(&b));
        }
    }
}
