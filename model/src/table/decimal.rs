//! Exact decimal numbers: what a text says, digit by digit.

use std::cmp::Ordering;
use std::fmt;

/// `digits` × 10^`exponent`, with no zeros at either end of the digits; zero has none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decimal {
    negative: bool,
    /// ASCII.
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    /// Reads a number as JSON or DynamoDB writes it.
    pub fn parse(text: &str) -> Option<Decimal> {
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

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Its significant digits in ASCII; none for zero.
    pub fn digits(&self) -> &[u8] {
        &self.digits
    }

    /// The power of ten of the first digit; 0 for zero.
    pub fn magnitude(&self) -> i64 {
        match self.digits.len() {
            0 => 0,
            len => self.exponent + i64::try_from(len).unwrap_or(i64::MAX) - 1,
        }
    }
}

/// The spelling of a number: plain where that is short, as `0.00125` or `1200`, else with an exponent, as `1.25e-9`.
/// Valid JSON.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Powers of ten of the first digit that are written without an exponent.
        const PLAIN: std::ops::RangeInclusive<i64> = -7..=37;
        let digits = std::str::from_utf8(&self.digits).expect("they are ASCII digits");
        if digits.is_empty() {
            return f.write_str("0");
        }
        if self.negative {
            f.write_str("-")?;
        }
        let magnitude = self.magnitude();
        if !PLAIN.contains(&magnitude) {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            return write!(f, "{first}{point}{rest}e{magnitude}");
        }
        if magnitude < 0 {
            return write!(f, "0.{}{digits}", zeros(-magnitude - 1));
        }
        if self.exponent >= 0 {
            return write!(f, "{digits}{}", zeros(self.exponent));
        }
        let (whole, fraction) = digits.split_at(usize::try_from(magnitude).expect("a small number") + 1);
        write!(f, "{whole}.{fraction}")
    }
}

fn zeros(count: i64) -> String {
    "0".repeat(usize::try_from(count).expect("a small number"))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).expect(text)
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
    fn numbers_print_as_people_write_them() {
        for text in ["0", "-1200", "0.00125", "3.14159265358979323846", "1.25e-9", "-1e38", "12345678901234567890123"] {
            assert_eq!(decimal(text).to_string(), text);
        }
        assert_eq!(decimal("1E2").to_string(), "100");
    }

    proptest! {
        #[test]
        fn a_number_reads_as_it_prints(negative: bool, digits in "[0-9]{1,38}", exponent in -330_i32..330) {
            let sign = if negative { "-" } else { "" };
            let number = decimal(&format!("{sign}{digits}E{exponent}"));
            prop_assert_eq!(&decimal(&number.to_string()), &number);
            prop_assert!(serde_json::from_str::<&serde_json::value::RawValue>(&number.to_string()).is_ok());
        }

        #[test]
        fn order_is_that_of_the_values(one in any::<i64>(), other in any::<i64>()) {
            prop_assert_eq!(decimal(&one.to_string()).cmp(&decimal(&other.to_string())), one.cmp(&other));
        }
    }
}
