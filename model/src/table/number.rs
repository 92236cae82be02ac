//! Numbers of items: exact to 38 digits, as in DynamoDB.
//!
//! A number remembers how it was written: JSON readers get `175.0` back where `175.0` was put. Equality, order and hash
//! are those of the value, so `175.0` and `175` are one key.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;

use super::decimal::Decimal;

/// Significant digits that a number keeps.
pub const NUMBER_DIGITS_MAX: usize = 38;
/// Powers of ten that a number may begin at: those of doubles. Zero begins at none.
pub const NUMBER_MAGNITUDES: RangeInclusive<i64> = -324..=308;

/// A number, exact.
#[derive(Clone)]
pub struct Number(Box<str>);

/// Text that is no number of an item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNumber {
    /// It is not a number.
    #[error("`{0}` is not a number")]
    Malformed(String),
    /// It would lose digits.
    #[error("number {0} has more digits than an item keeps, which is {NUMBER_DIGITS_MAX}")]
    TooLong(String),
    /// It is too large, or too near to zero.
    #[error("number {0} is out of range: an item keeps numbers from 1e-324 to 1.8e308")]
    OutOfRange(String),
}

impl Number {
    /// Reads a number as JSON or DynamoDB writes it. It is written anew: as JSON writers do where a double or a 64-bit
    /// integer holds it, else digit by digit.
    pub fn parse(text: &str) -> Result<Number, InvalidNumber> {
        let decimal = Decimal::parse(text).ok_or_else(|| InvalidNumber::Malformed(text.to_owned()))?;
        if decimal.digits().len() > NUMBER_DIGITS_MAX {
            return Err(InvalidNumber::TooLong(text.to_owned()));
        }
        if !NUMBER_MAGNITUDES.contains(&decimal.magnitude()) {
            return Err(InvalidNumber::OutOfRange(text.to_owned()));
        }
        let plain = decimal.to_string();
        let in_json = plain.parse::<serde_json::Number>().ok().map(|number| number.to_string());
        let exact = in_json.filter(|text| Decimal::parse(text).as_ref() == Some(&decimal));
        Ok(Number(exact.unwrap_or(plain).into()))
    }

    /// Reads a number that is kept as it is written, which must be valid JSON.
    pub fn written(text: &str) -> Result<Number, InvalidNumber> {
        let parsed = Number::parse(text)?;
        let is_json = serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok();
        Ok(if is_json { Number(text.into()) } else { parsed })
    }

    /// Its value.
    pub fn decimal(&self) -> Decimal {
        Decimal::parse(&self.0).expect("it was read as a decimal when it was made")
    }

    /// Its text, as it was written: valid JSON.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Written as JSON writers do.
impl From<&serde_json::Number> for Number {
    fn from(number: &serde_json::Number) -> Self {
        Number(number.to_string().into())
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Self {
        Number(number.to_string().into())
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Number(number.to_string().into())
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || self.decimal() == other.decimal()
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.decimal().cmp(&other.decimal())
    }
}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.decimal().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, written: &str) {
        assert_eq!(Number::parse(text).expect(text).as_str(), written);
    }

    #[test]
    fn numbers_are_written_as_json_writers_do_where_they_can() {
        check("1E2", "100");
        check("0.5", "0.5");
        check("18446744073709551615", "18446744073709551615");
        check("1e300", &1e300_f64.to_string_in_json());
        check("3.14159265358979323846", "3.14159265358979323846");
        check("1234567890123456789012345678", "1234567890123456789012345678");
        check("-0", "0");
    }

    trait InJson {
        fn to_string_in_json(self) -> String;
    }

    impl InJson for f64 {
        fn to_string_in_json(self) -> String {
            serde_json::json!(self).to_string()
        }
    }

    #[test]
    fn what_an_item_does_not_keep_is_refused_by_name() {
        let digits = "1".repeat(NUMBER_DIGITS_MAX + 1);
        assert_eq!(Number::parse(&digits), Err(InvalidNumber::TooLong(digits)));
        for text in ["1e309", "1e-325", "-1e999"] {
            assert_eq!(Number::parse(text), Err(InvalidNumber::OutOfRange(text.to_owned())));
        }
        assert_eq!(Number::parse("one"), Err(InvalidNumber::Malformed("one".to_owned())));
        assert!(Number::parse(&format!("{}000", "1".repeat(NUMBER_DIGITS_MAX))).is_ok(), "zeros need no digits");
    }

    proptest! {
        #[test]
        fn every_number_of_json_is_one_of_an_item(
            number in any::<f64>().prop_filter("finite", |f| f.is_finite()), integer: i64,
        ) {
            for number in [serde_json::Number::from_f64(number).expect("finite"), integer.into()] {
                let kept = Number::from(&number);
                prop_assert_eq!(kept.as_str(), number.to_string());
                let again = Number::parse(kept.as_str()).expect("in range");
                prop_assert_eq!(&again, &kept);
                prop_assert_eq!(again.as_str().parse::<f64>().ok(), number.as_f64());
            }
        }
    }
}
