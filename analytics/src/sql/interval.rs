//! Interval literals of both dialects: `INTERVAL '10' SECOND`, `INTERVAL '59:59.999' MINUTE TO SECOND(3)`.

use datafusion::sql::sqlparser::ast::{DateTimeField, Expr, Interval, UnaryOperator, Value};

/// How long an interval is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    Millis(i64),
    /// A year is twelve of them.
    Months(i64),
}

/// A unit of a literal, the largest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unit {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

/// The names of units, for an error.
pub(crate) const UNITS: &str = "SECOND, MINUTE, HOUR, DAY, MONTH or YEAR";

impl Unit {
    /// The unit that the parser read, singular or plural.
    pub(crate) fn of(field: &DateTimeField) -> Option<Unit> {
        Some(match field {
            DateTimeField::Year | DateTimeField::Years => Unit::Year,
            DateTimeField::Month | DateTimeField::Months => Unit::Month,
            DateTimeField::Day | DateTimeField::Days => Unit::Day,
            DateTimeField::Hour | DateTimeField::Hours => Unit::Hour,
            DateTimeField::Minute | DateTimeField::Minutes => Unit::Minute,
            DateTimeField::Second | DateTimeField::Seconds => Unit::Second,
            _ => return None,
        })
    }

    /// How long one is.
    pub(crate) fn length(self) -> Length {
        match self {
            Unit::Year => Length::Months(12),
            Unit::Month => Length::Months(1),
            Unit::Day => Length::Millis(86_400_000),
            Unit::Hour => Length::Millis(3_600_000),
            Unit::Minute => Length::Millis(60_000),
            Unit::Second => Length::Millis(1000),
        }
    }

    fn next(self) -> Option<Unit> {
        Some(match self {
            Unit::Year => Unit::Month,
            Unit::Day => Unit::Hour,
            Unit::Hour => Unit::Minute,
            Unit::Minute => Unit::Second,
            Unit::Month | Unit::Second => return None,
        })
    }
}

/// The length of a literal; none where its text does not fit its units.
pub(crate) fn length(interval: &Interval) -> Option<Length> {
    let (text, negative) = text_of(&interval.value)?;
    let text = text.trim();
    let (text, negative) = match text.strip_prefix('-') {
        Some(rest) => (rest, !negative),
        None => (text.strip_prefix('+').unwrap_or(text), negative),
    };
    let first = Unit::of(interval.leading_field.as_ref()?)?;
    let last = interval.last_field.as_ref().map_or(Some(first), Unit::of)?;
    let length = fields(text, first, last)?;
    let sign = if negative { -1 } else { 1 };
    Some(match length {
        Length::Millis(millis) => Length::Millis(sign * millis),
        Length::Months(months) => Length::Months(sign * months),
    })
}

/// The literal's text, and whether a sign stands before it.
fn text_of(value: &Expr) -> Option<(String, bool)> {
    match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::Number(text, _) => Some((text.clone(), false)),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => text_of(expr).map(|(text, sign)| (text, !sign)),
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } | Expr::Nested(expr) => text_of(expr),
        _ => None,
    }
}

/// `2 3:4:5.678` as its fields, from the first unit to the last.
fn fields(text: &str, first: Unit, last: Unit) -> Option<Length> {
    let parts: Vec<&str> = text.split([' ', ':', '-']).filter(|part| !part.is_empty()).collect();
    let (mut unit, mut millis, mut months) = (first, 0_i64, 0_i64);
    for (place, part) in parts.iter().enumerate() {
        let is_last = place + 1 == parts.len();
        match unit.length() {
            Length::Months(each) => {
                months = months.checked_add(part.parse::<i64>().ok()?.checked_mul(each)?)?;
            }
            Length::Millis(each) => {
                millis = millis.checked_add(scaled(part, each)?)?;
            }
        }
        if is_last {
            break;
        }
        unit = unit.next()?;
    }
    if unit != last {
        return None;
    }
    match (first.length(), parts.is_empty()) {
        (_, true) => None,
        (Length::Months(_), _) => Some(Length::Months(months)),
        (Length::Millis(_), _) => Some(Length::Millis(millis)),
    }
}

/// Digits of a fraction that can matter: a day has fewer milliseconds.
const FRACTION_DIGITS_MAX: usize = 12;

/// `digits` with perhaps a fraction, times `unit`, to the millisecond.
fn scaled(digits: &str, unit: i64) -> Option<i64> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let digits = &fraction[..fraction.len().min(FRACTION_DIGITS_MAX)];
    let part = if digits.is_empty() { 0 } else { digits.parse::<i64>().ok()? };
    let of_fraction = i128::from(part) * i128::from(unit) / 10_i128.pow(digits.len() as u32);
    whole.checked_mul(unit)?.checked_add(i64::try_from(of_fraction).ok()?)
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn of(text: &str) -> Option<Length> {
        let mut parser = Parser::new(&GenericDialect {}).try_with_sql(text).unwrap();
        match parser.parse_expr().unwrap() {
            Expr::Interval(interval) => length(&interval),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn literals_of_all_forms_have_their_length() {
        let millis = |text, expected| assert_eq!(of(text), Some(Length::Millis(expected)), "{text}");
        millis("INTERVAL '10' SECOND", 10_000);
        millis("INTERVAL 10 SECOND", 10_000);
        millis("INTERVAL '0.001' SECOND", 1);
        millis("INTERVAL '1.5' MINUTE", 90_000);
        millis("INTERVAL '-5' SECOND", -5000);
        millis("INTERVAL '120' MINUTES", 7_200_000);
        millis("INTERVAL '3:45' HOUR TO MINUTE", 13_500_000);
        millis("INTERVAL '59:59.999' MINUTE TO SECOND(3)", 3_599_999);
        millis("INTERVAL '25 3' DAY TO HOUR", 25 * 86_400_000 + 3 * 3_600_000);
        millis("INTERVAL '2 3:4:5.678' DAY TO SECOND", 2 * 86_400_000 + 11_045_678);
        assert_eq!(of("INTERVAL '3-4' YEAR TO MONTH"), Some(Length::Months(40)));
        assert_eq!(of("INTERVAL '2' YEAR"), Some(Length::Months(24)));
        for wrong in ["INTERVAL 'x' SECOND", "INTERVAL '1:2' SECOND", "INTERVAL '1' DAY TO HOUR", "INTERVAL '' DAY"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
