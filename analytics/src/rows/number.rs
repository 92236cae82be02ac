//! Numbers as they are written: exact, whatever their length. Nothing here goes through a double.

/// The most digits of a DECIMAL.
pub(crate) const DIGITS_MAX: u8 = 38;

/// A number in decimal notation, borrowed from its text: as JSON writes it, and also `+1`, `.5` and `5.`.
///
/// Its value is `0.ddd × 10^point`, where `ddd` are its digits without zeros at either end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    /// The first and the end of the digits that count, over `whole` and `fraction` together.
    first: usize,
    end: usize,
    point: i64,
}

impl<'a> Number<'a> {
    /// Reads a number; none where the text is something else.
    pub(crate) fn parse(text: &'a str) -> Option<Number<'a>> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let (whole, fraction) = (whole.as_bytes(), fraction.as_bytes());
        let length = whole.len() + fraction.len();
        if length == 0 || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
            return None;
        }
        let first = whole.iter().chain(fraction).take_while(|digit| **digit == b'0').count();
        let zeros = fraction.iter().rev().chain(whole.iter().rev()).take_while(|digit| **digit == b'0').count();
        let end = length.saturating_sub(zeros).max(first);
        let point = (whole.len() as i64 - first as i64).saturating_add(exponent);
        Some(Number { negative, whole, fraction, first, end, point })
    }

    /// Whether it is zero.
    pub(crate) fn is_zero(&self) -> bool {
        self.first == self.end
    }

    /// How many digits it has, without zeros at either end.
    pub(crate) fn digits(&self) -> usize {
        self.end - self.first
    }

    /// How many digits it has before the point.
    pub(crate) fn whole_digits(&self) -> u64 {
        if self.is_zero() { 0 } else { u64::try_from(self.point).unwrap_or(0) }
    }

    /// How many digits it has after the point.
    pub(crate) fn scale(&self) -> u64 {
        if self.is_zero() { 0 } else { u64::try_from((self.digits() as i64).saturating_sub(self.point)).unwrap_or(0) }
    }

    /// The number as an integer of 64 bits; none where it has a fraction, or is too large.
    pub(crate) fn integer(&self) -> Option<i64> {
        let whole = (self.scale() == 0).then(|| self.unscaled(0))??;
        i64::try_from(whole).ok()
    }

    /// The number times 10^`scale`, rounded half away from zero; none where that has more than 38 digits.
    pub(crate) fn unscaled(&self, scale: u8) -> Option<i128> {
        let kept = self.point.saturating_add(i64::from(scale));
        if self.is_zero() || kept < 0 {
            return Some(0);
        }
        if i64::from(DIGITS_MAX) < kept {
            return None;
        }
        let kept = kept as usize;
        let digit = |place: usize| if place < self.digits() { self.digit(self.first + place) } else { 0 };
        let cut = (0..kept).fold(0_i128, |value, place| value * 10 + i128::from(digit(place)));
        let rounded = if digit(kept) < 5 { cut } else { cut + 1 };
        let signed = if self.negative { -rounded } else { rounded };
        fits(signed, DIGITS_MAX).then_some(signed)
    }

    /// The number times 10^`scale`; none where digits would be lost.
    pub(crate) fn exactly(&self, scale: u8) -> Option<i128> {
        if self.scale() <= u64::from(scale) { self.unscaled(scale) } else { None }
    }

    /// Whether both are the same value.
    pub(crate) fn equals(&self, other: &Number<'_>) -> bool {
        let shape = |number: &Number<'_>| (number.negative, number.point, number.digits());
        let digit = |number: &Number<'_>, place| number.digit(number.first + place);
        (self.is_zero() && other.is_zero())
            || (shape(self) == shape(other)
                && (0..self.digits()).all(|place| digit(self, place) == digit(other, place)))
    }

    fn digit(&self, place: usize) -> u8 {
        let digits = if place < self.whole.len() { self.whole } else { self.fraction };
        let place = if place < self.whole.len() { place } else { place - self.whole.len() };
        digits[place] - b'0'
    }
}

/// Digits with a sign; what 64 bits do not hold is as good as infinite.
fn read_exponent(text: &str) -> Option<i64> {
    const FAR: i64 = i64::MAX / 4;
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let far = if text.starts_with('-') { -FAR } else { FAR };
    Some(text.parse::<i64>().unwrap_or(far).clamp(-FAR, FAR))
}

/// Whether the value has no more than so many digits; at most 38.
pub(crate) fn fits(value: i128, digits: u8) -> bool {
    value.unsigned_abs() < 10_u128.pow(u32::from(digits))
}

/// `value` × 10^-`from` as a multiple of 10^-`to`, rounded half away from zero; none over 38 digits.
pub(crate) fn rescale(value: i128, from: i8, to: i8) -> Option<i128> {
    let step = u32::from(from.abs_diff(to));
    // More digits than there are: only zero has none of them.
    let power = 10_i128.checked_pow(step).filter(|_| step <= u32::from(DIGITS_MAX));
    let rescaled = match (power, from <= to) {
        (Some(power), true) => value.checked_mul(power)?,
        (None, true) => (value == 0).then_some(0)?,
        (None, false) => 0,
        (Some(power), false) => {
            let (whole, rest) = (value / power, (value % power).abs());
            whole + if power - rest <= rest { value.signum() } else { 0 }
        }
    };
    fits(rescaled, DIGITS_MAX).then_some(rescaled)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_read_as_json_and_sql_write_them() {
        for text in ["0", "-0", "1", "+1", "1.50", ".5", "5.", "1e3", "1E+3", "1e-3", "1e99999999999999999999"] {
            assert!(Number::parse(text).is_some(), "{text}");
        }
        for text in ["", "-", "+", ".", "e5", "1e", "1e+", "1.2.3", "0x1", "NaN", "inf", "1_0", " 1", "1 ", "--1", "1f"]
        {
            assert!(Number::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn numbers_far_from_one_are_zero_or_too_large() {
        let unscaled = |text: &str, scale| Number::parse(text).and_then(|number| number.unscaled(scale));
        assert_eq!(unscaled("1e-99999999999999999999", 38), Some(0));
        assert_eq!(unscaled("1e99999999999999999999", 0), None);
        assert_eq!(unscaled("0e99999999999999999999", 38), Some(0));
        assert_eq!(unscaled("99999999999999999999999999999999999999", 0), Some(10_i128.pow(38) - 1));
        assert_eq!(unscaled("99999999999999999999999999999999999999.5", 0), None);
        assert_eq!(unscaled("0.5", 0), Some(1));
        assert_eq!(unscaled("-0.49", 0), Some(0));
        assert_eq!(unscaled("0.05", 0), Some(0));
    }

    /// Whole digits, fraction and exponent as one text.
    fn spelt(negative: bool, whole: u64, fraction: &str, exponent: i64) -> String {
        let sign = if negative { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        if exponent == 0 {
            format!("{sign}{whole}{point}{fraction}")
        } else {
            format!("{sign}{whole}{point}{fraction}e{exponent}")
        }
    }

    proptest! {
        #[test]
        fn values_are_those_of_exact_arithmetic(
            negative: bool, whole in 0_u64..1_000_000_000, fraction in "[0-9]{0,8}", exponent in -9_i64..9, scale in 0_u8..9,
        ) {
            let text = spelt(negative, whole, &fraction, exponent);
            let number = Number::parse(&text).expect(&text);
            // The value in units of 10^-17, and what a unit of the scale is there.
            let digits: i128 = format!("{whole}{fraction}").parse().unwrap();
            let exact = digits * 10_i128.pow((17 + exponent - fraction.len() as i64) as u32);
            let unit = 10_i128.pow(17 - u32::from(scale));
            let rounded = (exact + unit / 2) / unit;
            let expected = if negative { -rounded } else { rounded };
            prop_assert_eq!(number.unscaled(scale), Some(expected), "{}", text);
            prop_assert_eq!(number.exactly(scale), (exact % unit == 0).then_some(expected), "{}", text);
            let integer = (exact % 10_i128.pow(17) == 0).then(|| exact / 10_i128.pow(17));
            let integer = integer.and_then(|value| i64::try_from(if negative { -value } else { value }).ok());
            prop_assert_eq!(number.integer(), integer, "{}", text);
            prop_assert_eq!(number.is_zero(), exact == 0);
        }

        #[test]
        fn rescaling_rounds_as_reading_does(value in -(10_i128.pow(20))..10_i128.pow(20), from in 0_i8..12, to in 0_i8..12) {
            let text = format!("{value}e-{from}");
            let read = Number::parse(&text).and_then(|number| number.unscaled(to as u8));
            prop_assert_eq!(rescale(value, from, to), read);
        }
    }
}
