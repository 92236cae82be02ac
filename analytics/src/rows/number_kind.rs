//! What the numbers of a column are, found by looking at all of them: the narrowest type that keeps every one.

use datafusion::arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

use crate::rows::number::{DIGITS_MAX, Number};

/// Integers up to this one, and down to its negative, are themselves as doubles.
pub(crate) const DOUBLE_INTEGER_MAX: i64 = 1 << 53;
/// As many digits as doubles are ever written with.
const DOUBLE_DIGITS: usize = 17;
/// Numbers with so many digits before the point may have none after it as doubles.
const DOUBLE_WHOLE_DIGITS: u64 = 16;
/// More digits than any decimal has.
const TOO_MANY: u8 = DIGITS_MAX + 1;

/// What is known of some numbers. Everything in it only grows, so the order in which numbers are seen does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct NumberKind {
    /// Some are written with a fraction or an exponent.
    fractions: bool,
    /// Some integer is not itself as a double.
    large_integers: bool,
    /// Some integer has more than 64 bits.
    huge_integers: bool,
    /// Some number with a fraction or an exponent has digits that a double does not keep.
    long_fractions: bool,
    /// Some are doubles by type: how they were written is not known.
    binary: bool,
    /// The most digits before the point, and after it; over 38 they are not counted.
    whole: u8,
    scale: u8,
}

/// The type of a column of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberType {
    /// Integers of 64 bits.
    Integer,
    /// The nearest doubles.
    Double,
    /// Exact, with so many digits after the point.
    Decimal(u8),
    /// No type of numbers keeps them all.
    Text,
}

impl NumberKind {
    /// A number as JSON writes it; none where only text keeps it.
    pub(crate) fn of(raw: &str) -> Option<NumberKind> {
        if let Ok(integer) = raw.parse::<i64>() {
            return Some(NumberKind::integers(integer, integer));
        }
        let number = Number::parse(raw)?;
        let (whole, scale) = (capped(number.whole_digits()), capped(number.scale()));
        let fractions = raw.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
        if !fractions {
            let known = NumberKind { large_integers: true, huge_integers: true, whole, ..NumberKind::default() };
            return (whole <= DIGITS_MAX).then_some(known);
        }
        let double: f64 = raw.parse().ok().filter(|double: &f64| double.is_finite())?;
        let long_fractions = !keeps(double, &number);
        Some(NumberKind { fractions, long_fractions, whole, scale, ..NumberKind::default() })
    }

    /// Integers of 64 bits of which these are the least and the greatest.
    pub(crate) fn integers(least: i64, greatest: i64) -> NumberKind {
        let far = least.unsigned_abs().max(greatest.unsigned_abs());
        let whole = far.checked_ilog10().map_or(0, |digits| digits as u8 + 1);
        NumberKind { large_integers: DOUBLE_INTEGER_MAX.unsigned_abs() < far, whole, ..NumberKind::default() }
    }

    /// Integers of 32 bits, with a sign or without.
    pub(crate) fn small_integers() -> NumberKind {
        NumberKind::integers(0, i64::from(u32::MAX))
    }

    /// Integers of 64 bits without a sign, which are seldom above the greatest of those with one.
    pub(crate) fn unsigned_integers() -> NumberKind {
        NumberKind { whole: 20, ..NumberKind::integers(0, i64::MAX) }
    }

    /// Any integers of 64 bits.
    pub(crate) fn any_integers() -> NumberKind {
        NumberKind::integers(i64::MIN, i64::MAX)
    }

    /// Numbers that are doubles already.
    pub(crate) fn doubles() -> NumberKind {
        NumberKind { fractions: true, binary: true, ..NumberKind::default() }
    }

    /// Numbers that are decimals already.
    pub(crate) fn decimals(precision: u8, scale: i8) -> NumberKind {
        let whole = i16::from(precision) - i16::from(scale);
        let (whole, scale) = (capped(u64::try_from(whole).unwrap_or(0)), scale.max(0).unsigned_abs());
        NumberKind { fractions: true, long_fractions: true, whole, scale, ..NumberKind::default() }
    }

    /// What is known of both.
    #[must_use]
    pub(crate) fn merge(self, other: NumberKind) -> NumberKind {
        NumberKind {
            fractions: self.fractions || other.fractions,
            large_integers: self.large_integers || other.large_integers,
            huge_integers: self.huge_integers || other.huge_integers,
            long_fractions: self.long_fractions || other.long_fractions,
            binary: self.binary || other.binary,
            whole: self.whole.max(other.whole),
            scale: self.scale.max(other.scale),
        }
    }

    /// The narrowest type that keeps all of them.
    pub(crate) fn number_type(self) -> NumberType {
        let is_decimal = !self.binary && self.whole + self.scale <= DIGITS_MAX;
        match self.fractions {
            false if !self.huge_integers => NumberType::Integer,
            true if !self.large_integers && !self.long_fractions => NumberType::Double,
            _ if is_decimal => NumberType::Decimal(self.scale),
            _ if self.large_integers => NumberType::Text,
            // Fractions of any length are wanted as numbers, also where the last of their digits do not fit.
            _ => NumberType::Double,
        }
    }
}

impl NumberType {
    /// The type as Arrow has it.
    pub(crate) fn arrow(self) -> DataType {
        match self {
            NumberType::Integer => DataType::Int64,
            NumberType::Double => DataType::Float64,
            NumberType::Decimal(scale) => DataType::Decimal128(DIGITS_MAX, scale.cast_signed()),
            NumberType::Text => DataType::Utf8,
        }
    }
}

fn capped(digits: u64) -> u8 {
    digits.min(u64::from(TOO_MANY)) as u8
}

/// Whether a double is all that there is to know of a number: it has the number's own digits, or the number may be the
/// text of a double.
fn keeps(double: f64, number: &Number<'_>) -> bool {
    (number.digits() <= DOUBLE_DIGITS && number.whole_digits() < DOUBLE_WHOLE_DIGITS)
        || Number::parse(&format!("{double:e}")).is_some_and(|written| written.equals(number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(raws: &[&str], expected: NumberType) {
        let kinds = raws.iter().map(|raw| NumberKind::of(raw).expect(raw));
        assert_eq!(kinds.reduce(NumberKind::merge).map(NumberKind::number_type), Some(expected), "{raws:?}");
    }

    #[test]
    fn a_type_keeps_all_numbers() {
        check(&["1", "-9223372036854775808"], NumberType::Integer);
        check(&["1", "2.5"], NumberType::Double);
        check(&["9007199254740992", "1.5"], NumberType::Double);
        check(&["9007199254740993", "1.5"], NumberType::Decimal(1));
        check(&["9007199254740993", "1e-3"], NumberType::Decimal(3));
        check(&["9007199254740993", "1e30"], NumberType::Decimal(0));
        check(&["9007199254740993", "1e38"], NumberType::Text);
        check(&["9007199254740993", "1e-30"], NumberType::Text);
        check(&["9223372036854775808"], NumberType::Decimal(0));
        check(&["-18446744073709551616", "7"], NumberType::Decimal(0));
        check(&["99999999999999999999999999999999999999", "7"], NumberType::Decimal(0));
        check(&["99999999999999999999999999999999999999", "0.5"], NumberType::Text);
        check(&["1234567890123456.78"], NumberType::Decimal(2));
        check(&["0.30000000000000004", "0.10000000000000001", "1e3", "5e-324"], NumberType::Double);
        check(&["1e22", "9007199254740994.0"], NumberType::Double);
        check(&["9007199254740993.5"], NumberType::Decimal(1));
        check(&["0.1000000000000000055511151231257827021181583404541015625"], NumberType::Double);
        assert_eq!(NumberKind::of("1e999"), None);
        assert_eq!(NumberKind::of("100000000000000000000000000000000000000"), None);
    }

    #[test]
    fn numbers_that_have_types_already_stay_or_become_text_beside_what_their_type_cannot_keep() {
        let large = NumberKind::integers(0, i64::MAX);
        assert_eq!(NumberKind::decimals(10, 2).number_type(), NumberType::Decimal(2));
        assert_eq!(NumberKind::decimals(10, 2).merge(large).number_type(), NumberType::Decimal(2));
        assert_eq!(NumberKind::doubles().merge(NumberKind::integers(-7, 7)).number_type(), NumberType::Double);
        assert_eq!(NumberKind::doubles().merge(large).number_type(), NumberType::Text);
    }

    proptest! {
        #[test]
        fn what_a_double_writes_it_keeps(value in any::<f64>().prop_filter("JSON has no others", |value| value.is_finite())) {
            let raw = format!("{value:e}");
            prop_assert_eq!(NumberKind::of(&raw).map(NumberKind::number_type), Some(match raw.parse::<i64>() {
                Ok(_) => NumberType::Integer,
                Err(_) => NumberType::Double,
            }), "{}", raw);
        }
    }
}
