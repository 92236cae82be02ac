//! Exact decimal numbers: what a JSON number says, digit by digit.
//!
//! Items hold 64-bit integers and doubles. A number that is neither would silently become another one on its way into
//! an item; [`check_numbers`] finds it in the text, so that it can be refused by name.

use std::cmp::Ordering;
use std::fmt;

/// Every number of this many significant digits and no exponent is the shortest form of a double, or an integer.
const SAFE_DIGITS_MAX: usize = 15;

/// `digits` × 10^`exponent`, with no zeros at either end of the digits; zero has none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    /// Reads a number as JSON or DynamoDB writes it.
    pub(super) fn parse(text: &str) -> Option<Decimal> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let mut exponent = i64::from(exponent) - i64::try_from(fraction.len()).ok()?;
        while digits.last() == Some(&b'0') {
            digits.pop();
            exponent += 1;
        }
        let leading = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.drain(..leading);
        if digits.is_empty() {
            return Some(Decimal { negative: false, digits, exponent: 0 });
        }
        Some(Decimal { negative, digits, exponent })
    }

    /// A number of an item.
    pub(super) fn of(number: &serde_json::Number) -> Decimal {
        Decimal::parse(&number.to_string()).expect("JSON writes numbers as decimals")
    }

    /// Significant digits; none for zero.
    #[cfg(feature = "dynamodb")]
    pub(super) fn digits(&self) -> usize {
        self.digits.len()
    }

    /// The power of ten of the first digit.
    pub(super) fn magnitude(&self) -> i64 {
        self.exponent + i64::try_from(self.digits.len()).unwrap_or(i64::MAX) - 1
    }

    /// The number of an item that has exactly this value; integers where one fits.
    pub(super) fn to_number(&self) -> Option<serde_json::Number> {
        let text = self.to_string();
        let number: serde_json::Number = text.parse().ok()?;
        (Decimal::of(&number) == *self).then_some(number)
    }
}

impl fmt::Display for Decimal {
    /// Digits alone for integers of ordinary size, else `digits`E`exponent`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        let digits = std::str::from_utf8(&self.digits).expect("they are ASCII digits");
        match self.exponent {
            _ if digits.is_empty() => f.write_str("0"),
            0..=20 => write!(f, "{sign}{digits}{}", "0".repeat(self.exponent as usize)),
            exponent => write!(f, "{sign}{digits}E{exponent}"),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |decimal: &Decimal| match (decimal.digits.is_empty(), decimal.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        // Digits compare as text: a number whose digits go on is the greater one.
        let size = || self.magnitude().cmp(&other.magnitude()).then_with(|| self.digits.cmp(&other.digits));
        sign(self).cmp(&sign(other)).then_with(|| if self.negative { size().reverse() } else { size() })
    }
}

/// Finds a number in valid JSON text that an item would not hold exactly. Error: that number, as it is written.
pub(crate) fn check_numbers(json: &[u8]) -> Result<(), String> {
    let mut at = 0;
    while at < json.len() {
        match json[at] {
            b'"' => at = after_string(json, at + 1),
            b'-' | b'0'..=b'9' => {
                let len = json[at..].iter().take_while(|byte| is_of_number(**byte)).count();
                check_number(&json[at..at + len])?;
                at += len;
            }
            _ => at += 1,
        }
    }
    Ok(())
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

fn check_number(number: &[u8]) -> Result<(), String> {
    let digits = number.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits <= SAFE_DIGITS_MAX && !number.iter().any(|byte| matches!(byte, b'e' | b'E')) {
        return Ok(());
    }
    let text = String::from_utf8_lossy(number);
    let exact = Decimal::parse(&text).is_some_and(|decimal| decimal.to_number().is_some());
    if exact { Ok(()) } else { Err(text.into_owned()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn numbers_compare_by_value_and_not_by_spelling() {
        let rising = ["-1e300", "-12", "-11.5", "-1", "-0.1", "0", "1e-130", "0.001", "0.01", "1", "1.5", "10", "9e20"];
        for pair in rising.windows(2) {
            assert!(decimal(pair[0]) < decimal(pair[1]), "{pair:?}");
        }
        for (one, other) in [("1", "1.0"), ("100", "1E2"), ("0.001", "1e-3"), ("-0.0", "0"), ("1.50e1", "15")] {
            assert_eq!(decimal(one), decimal(other));
        }
        for bad in ["", "-", "1e", "x", "1.2.3", "0x1", "NaN"] {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn numbers_that_no_item_holds_are_found() {
        let check = |json: &str, found: Option<&str>| {
            assert_eq!(check_numbers(json.as_bytes()).err().as_deref(), found, "{json}");
        };
        check(r#"{"a": 1, "b": [0.1, -2.5e-7, 18446744073709551615, 1e23], "c": 175.12345678901235}"#, None);
        check(r#"{"a": "12345678901234567890123", "b\"": "9\\", "c": 1}"#, None);
        check(r#"{"a": 12345678901234567890123}"#, Some("12345678901234567890123"));
        check(r#"{"a": [3.14159265358979323846]}"#, Some("3.14159265358979323846"));
        check(r#"{"a": 1e-400}"#, Some("1e-400"));
        check("[9007199254740993, 9007199254740993.0]", None);
    }

    proptest! {
        #[test]
        fn every_number_of_an_item_comes_back(number in any::<f64>().prop_filter("finite", |f| f.is_finite()), integer in any::<i64>()) {
            for number in [serde_json::Number::from_f64(number).unwrap(), integer.into()] {
                let decimal = Decimal::of(&number);
                prop_assert_eq!(&Decimal::parse(&decimal.to_string()), &Some(decimal.clone()));
                let back = decimal.to_number().unwrap();
                prop_assert_eq!(back.as_f64(), number.as_f64());
                prop_assert!(check_numbers(number.to_string().as_bytes()).is_ok());
            }
        }

        #[test]
        fn order_is_that_of_the_values(one in any::<i64>(), other in any::<i64>()) {
            let found = Decimal::of(&one.into()).cmp(&Decimal::of(&other.into()));
            prop_assert_eq!(found, one.cmp(&other));
        }
    }
}
