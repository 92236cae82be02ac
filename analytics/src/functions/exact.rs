//! Decimal numbers to the digit: read from text, rounded half away from zero, printed. Never through a float.

use std::fmt::Write;

/// The most digits of a DECIMAL.
pub(super) const DIGITS_MAX: u8 = 38;

/// A decimal number of any length, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exact {
    is_negative: bool,
    /// Without zeros before them; none of 0.
    digits: Vec<u8>,
    /// The last digit counts 10^exponent.
    exponent: i64,
}

impl Exact {
    /// Reads an optional sign, digits with at most one point, and an optional exponent.
    pub(super) fn parse(text: &str) -> Option<Exact> {
        let (is_negative, unsigned) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, power(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = || whole.bytes().chain(fraction.bytes());
        if all().next().is_none() || !all().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits: Vec<u8> = all().map(|byte| byte - b'0').skip_while(|digit| *digit == 0).collect();
        Some(Exact { is_negative, digits, exponent: exponent.saturating_sub(fraction.len() as i64) })
    }

    /// The number that a double is printed as.
    pub(super) fn of_double(double: f64) -> Option<Exact> {
        double.is_finite().then(|| Exact::parse(&format!("{double:e}"))).flatten()
    }

    /// The nearest whole number of 10^-scale; none where it does not fit 128 bits.
    pub(super) fn rounded(&self, scale: u8) -> Option<i128> {
        let shift = self.exponent.saturating_add(scale.into());
        let cut = usize::try_from(shift.saturating_neg()).unwrap_or(0);
        let kept = self.digits.len().saturating_sub(cut);
        let mut whole: i128 = 0;
        for digit in &self.digits[..kept] {
            whole = whole.checked_mul(10)?.checked_add((*digit).into())?;
        }
        let first_cut = if cut > self.digits.len() { None } else { self.digits.get(kept) };
        if cut > 0 && first_cut.is_some_and(|digit| *digit >= 5) {
            whole = whole.checked_add(1)?;
        }
        if shift > 0 && whole != 0 {
            whole = whole.checked_mul(power_of_ten(u32::try_from(shift).ok()?)?)?;
        }
        Some(if self.is_negative { -whole } else { whole })
    }
}

/// An exponent's number; one that is beyond all bounds is as good as a million.
fn power(text: &str) -> Option<i64> {
    const FAR: i64 = 1_000_000;
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let power = digits.parse::<i64>().unwrap_or(FAR).min(FAR);
    Some(if text.starts_with('-') { -power } else { power })
}

pub(super) fn power_of_ten(power: u32) -> Option<i128> {
    10_i128.checked_pow(power)
}

/// The nearest whole number of 10^-to, of `digits` counting 10^-from; none where it does not fit.
pub(super) fn rescale(digits: i128, from: u8, to: u8) -> Option<i128> {
    if to >= from {
        return digits.checked_mul(power_of_ten((to - from).into())?);
    }
    let Some(divisor) = power_of_ten((from - to).into()) else { return Some(0) };
    let (whole, rest) = (digits / divisor, digits % divisor);
    let is_up = rest.unsigned_abs() >= divisor.unsigned_abs() - rest.unsigned_abs();
    Some(if is_up { whole + digits.signum() } else { whole })
}

/// A decimal's digits, with a point where it has a scale.
pub(super) fn decimal_text(digits: i128, scale: u8) -> String {
    let scale = usize::from(scale);
    let unsigned = format!("{:0width$}", digits.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = unsigned.split_at(unsigned.len() - scale);
    let sign = if digits < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// The fewest digits that tell a double from all others, given as `1.5e-7`; plain where that is short, else with an
/// exponent: 100, 0.001, 1E20.
pub(super) fn double_text(shortest: &str) -> String {
    let Some((mantissa, exponent)) = shortest.split_once('e') else { return shortest.to_owned() };
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(|character| *character != '.').collect();
    let place = exponent.parse::<i32>().unwrap_or(0);
    let mut text = sign.to_owned();
    match place {
        0..=16 => {
            let whole = place as usize + 1;
            let _ = write!(text, "{digits:0<whole$}");
            if digits.len() > whole {
                text.insert(sign.len() + whole, '.');
            }
        }
        -7..=-1 => {
            let zeros = place.unsigned_abs() as usize - 1;
            let _ = write!(text, "0.{}{digits}", "0".repeat(zeros));
        }
        _ => {
            let _ = write!(text, "{mantissa}E{exponent}");
        }
    }
    if text == "-0" { "0".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_rounded_half_away_from_zero() {
        let check = |text: &str, scale, expected: Option<i128>| {
            assert_eq!(Exact::parse(text).and_then(|exact| exact.rounded(scale)), expected, "{text}");
        };
        check("12.5", 0, Some(13));
        check("-12.5", 0, Some(-13));
        check("12.49999999999999999999999999999999999999999999", 0, Some(12));
        check("0.05", 1, Some(1));
        check("0.004", 1, Some(0));
        check("1e3", 2, Some(100_000));
        check("9e-1", 0, Some(1));
        check("1e400", 0, None);
        check("1e-999999999999999", 5, Some(0));
        check("0e400", 0, Some(0));
        check(".5", 0, Some(1));
        check("7.", 0, Some(7));
        for none in ["", "-", ".", "1e", "0x1", "1 2", "--1", "NaN", "inf", "1.2.3"] {
            check(none, 0, None);
        }
    }

    #[test]
    fn doubles_are_printed_short() {
        let check = |double: f64, expected: &str| assert_eq!(double_text(&format!("{double:e}")), expected);
        check(100.0, "100");
        check(-2.5, "-2.5");
        check(0.001, "0.001");
        check(0.0, "0");
        check(-0.0, "0");
        check(1e20, "1E20");
        check(1.5e-10, "1.5E-10");
        check(123_456_789.25, "123456789.25");
    }

    proptest! {
        #[test]
        fn a_decimal_is_what_its_text_says(digits: i64, scale in 0..20_u8, to in 0..12_u8) {
            let text = decimal_text(digits.into(), scale);
            let exact = Exact::parse(&text).unwrap();
            prop_assert_eq!(exact.rounded(scale), Some(digits.into()));
            prop_assert_eq!(exact.rounded(to), rescale(digits.into(), scale, to));
        }

        #[test]
        fn a_double_is_what_its_text_says(double in proptest::num::f64::NORMAL) {
            prop_assert_eq!(double_text(&format!("{double:e}")).parse::<f64>().unwrap(), double);
        }
    }
}
