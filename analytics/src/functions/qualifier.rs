//! The fields of an interval, such as `DAY TO SECOND(3)`: they say how its text is read and written.

use datafusion::common::{Result, exec_datafusion_err, exec_err};

use super::span::{DAY, HOUR, MINUTE, SECOND, Span};
use super::time::Unit;

/// From the largest field to the smallest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Qualifier {
    first: Unit,
    pub(super) last: Unit,
}

const DAY_TO_SECOND: [Unit; 4] = [Unit::Day, Unit::Hour, Unit::Minute, Unit::Second];

impl Qualifier {
    /// Reads one unit, or two with TO between them. Numbers of digits in brackets are allowed and do not limit.
    pub(super) fn parse(text: &str) -> Result<Qualifier> {
        let upper = text.to_ascii_uppercase();
        let unit = |part: &str| Unit::parse(part.split('(').next().unwrap_or(part).trim());
        let (first, last) = match upper.split_once(" TO ") {
            Some((first, last)) => (unit(first)?, unit(last)?),
            None => (unit(&upper)?, unit(&upper)?),
        };
        let is_month = |unit| matches!(unit, Unit::Year | Unit::Month);
        if is_month(first) != is_month(last) || (first as u8) > (last as u8) {
            return exec_err!(
                "INTERVAL .. {text} is no interval; take YEAR TO MONTH, or two of DAY, HOUR, MINUTE, SECOND in this order"
            );
        }
        Ok(Qualifier { first, last })
    }

    fn is_months(self) -> bool {
        matches!(self.first, Unit::Year | Unit::Month)
    }

    /// The units of a day-time interval.
    fn units(self) -> impl Iterator<Item = Unit> {
        DAY_TO_SECOND.into_iter().filter(move |unit| (self.first as u8..=self.last as u8).contains(&(*unit as u8)))
    }

    /// Reads an interval's text: `25 3`, `3:45`, `59:59.999`, `-2 3:4:5.678`, `3-4`.
    pub(super) fn read(self, text: &str) -> Result<Span> {
        let wrong = || {
            exec_datafusion_err!(
                "'{text}' does not fit INTERVAL .. {}; write it as {}",
                self.shown(),
                if self.is_months() { "'1-6' YEAR TO MONTH" } else { "'1 02:03:04.567' DAY TO SECOND" }
            )
        };
        let mut rest = text.trim();
        let mut sign = 1;
        while let Some(unsigned) = rest.strip_prefix('-').or_else(|| rest.strip_prefix('+')) {
            sign = if rest.starts_with('-') { -sign } else { sign };
            rest = unsigned;
        }
        let span = if self.is_months() { self.read_months(rest) } else { self.read_milliseconds(rest) };
        span.ok_or_else(wrong)?.map(|part| part.checked_mul(sign))
    }

    fn read_months(self, text: &str) -> Option<Span> {
        let months = match (self.first, self.last) {
            (Unit::Year, Unit::Month) => {
                let (years, months) = text.split_once('-')?;
                let months = number(months).filter(|months| *months < 12)?;
                number(years)?.checked_mul(12)?.checked_add(months)?
            }
            (Unit::Year, _) => number(text)?.checked_mul(12)?,
            _ => number(text)?,
        };
        Some(Span::months(months))
    }

    fn read_milliseconds(self, text: &str) -> Option<Span> {
        let mut rest = text;
        let mut total: i64 = 0;
        for unit in self.units() {
            let separator = if unit == Unit::Day { ' ' } else { ':' };
            let part = if unit == self.last {
                std::mem::take(&mut rest)
            } else {
                let (part, behind) = rest.split_once(separator)?;
                rest = behind;
                part
            };
            let milliseconds = match unit {
                Unit::Second => thousandths(part)?,
                other => number(part)?.checked_mul(other.span().milliseconds)?,
            };
            let limit = match unit {
                _ if unit == self.first => i64::MAX,
                Unit::Hour => DAY,
                Unit::Minute => HOUR,
                _ => MINUTE,
            };
            total = total.checked_add(Some(milliseconds).filter(|part| *part < limit)?)?;
        }
        Some(Span::milliseconds(total))
    }

    /// Without what is smaller than the last field.
    pub(super) fn cut(self, milliseconds: i64) -> i64 {
        match self.last {
            Unit::Second => milliseconds,
            unit => milliseconds - milliseconds % unit.span().milliseconds.max(1),
        }
    }

    /// Writes an interval with its sign: `+6:11`, `+2 00:06:11`.
    pub(super) fn write(self, span: Span) -> String {
        let sign = if span.months < 0 || span.milliseconds < 0 { '-' } else { '+' };
        if self.is_months() {
            let months = span.months.unsigned_abs();
            return match (self.first, self.last) {
                (Unit::Year, Unit::Month) => format!("{sign}{}-{:02}", months / 12, months % 12),
                (Unit::Year, _) => format!("{sign}{}", months / 12),
                _ => format!("{sign}{months}"),
            };
        }
        let mut rest = span.milliseconds.unsigned_abs();
        let mut text = String::from(sign);
        for unit in self.units() {
            let length = unit.span().milliseconds.unsigned_abs();
            let (number, separator) = (rest / length, if unit == Unit::Hour { ' ' } else { ':' });
            text += &if unit == self.first { number.to_string() } else { format!("{separator}{number:02}") };
            rest %= length;
        }
        if self.last == Unit::Second && rest > 0 {
            text += &format!(".{rest:03}");
        }
        text
    }

    fn shown(self) -> String {
        let upper = |unit: Unit| format!("{unit:?}").to_ascii_uppercase();
        if self.first == self.last {
            upper(self.first)
        } else {
            format!("{} TO {}", upper(self.first), upper(self.last))
        }
    }
}

fn number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Seconds with at most three digits after the point; more are cut off.
fn thousandths(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    number(fraction)?;
    let three: String = fraction.chars().chain("00".chars()).take(3).collect();
    number(whole)?.checked_mul(SECOND)?.checked_add(number(&three)?)
}
