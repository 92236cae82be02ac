//! Times read by a [`Pattern`].
//!
//! How often a letter stands there counts only where two numbers touch. Names are read long or short, in any case.
//! Blanks before a field and everything behind the pattern do not count. A field that is missing is that of
//! 1970-01-01 00:00:00. A value that no calendar has, such as 30 February, is an error.

use datafusion::common::{Result, exec_datafusion_err, exec_err};

use super::time_fields::Fields;
use super::time_pattern::{Field, MONTHS, Part, Pattern, WEEKDAYS, short};

/// Milliseconds since 1970 of the time that `text` says. The year that it is now decides about years of two digits.
pub(super) fn read(pattern: &Pattern, text: &str, year_now: i64) -> Result<i64> {
    let mut reader = Reader { pattern, text, rest: text, year_now, fields: Fields::default() };
    for (place, part) in pattern.parts.iter().enumerate() {
        match part {
            Part::Literal(literal) => reader.literal(literal)?,
            Part::Field(field, count) => {
                let touches = part.is_number() && pattern.parts.get(place + 1).is_some_and(Part::is_number);
                reader.rest = reader.rest.trim_start_matches([' ', '\t']);
                reader.field(*field, *count, if touches { *count } else { usize::MAX })?;
            }
        }
    }
    reader
        .fields
        .instant()
        .map_err(|what| exec_datafusion_err!("'{text}' read by the pattern '{}' is no time: {what}", pattern.text))
}

struct Reader<'a> {
    pattern: &'a Pattern,
    text: &'a str,
    rest: &'a str,
    year_now: i64,
    fields: Fields,
}

impl Reader<'_> {
    fn literal(&mut self, literal: &str) -> Result<()> {
        match self.rest.strip_prefix(literal) {
            Some(rest) => self.rest = rest,
            None => return self.unexpected(&format!("'{literal}'")),
        }
        Ok(())
    }

    fn field(&mut self, field: Field, count: usize, digits_max: usize) -> Result<()> {
        match field {
            Field::Era => self.fields.is_before_christ = self.name(&["AD", "BC"], "AD or BC")? == 1,
            Field::HalfDay => self.fields.is_afternoon = Some(self.name(&["AM", "PM"], "AM or PM")? == 1),
            Field::WeekdayName => {
                self.fields.weekday = Some(self.long_or_short(&WEEKDAYS, "the name of a weekday")? as i64 + 1);
            }
            Field::Month if count > 2 => {
                self.fields.month = Some(self.long_or_short(&MONTHS, "the name of a month")? as i64 + 1);
            }
            Field::ZoneName | Field::ZoneNumber | Field::ZoneIso => self.zone()?,
            Field::Year | Field::WeekYear => {
                let (year, digits) = self.number(digits_max)?;
                let year = if count <= 2 && digits == 2 { near(year, self.year_now) } else { year };
                let place = if field == Field::Year { &mut self.fields.year } else { &mut self.fields.week_year };
                *place = Some(year);
            }
            other => {
                let (number, _) = self.number(digits_max)?;
                self.set(other, number);
            }
        }
        Ok(())
    }

    fn set(&mut self, field: Field, number: i64) {
        let fields = &mut self.fields;
        let place = match field {
            Field::Month => &mut fields.month,
            Field::Week => &mut fields.week,
            Field::WeekOfMonth => &mut fields.week_of_month,
            Field::DayOfYear => &mut fields.day_of_year,
            Field::Day => &mut fields.day,
            Field::WeekdayOfMonth => &mut fields.weekday_of_month,
            Field::Weekday => &mut fields.weekday,
            Field::Hour => &mut fields.hour,
            Field::HourFrom1 => &mut fields.hour_from_1,
            Field::HalfHour => &mut fields.half_hour,
            Field::HalfHourFrom1 => &mut fields.half_hour_from_1,
            Field::Minute => &mut fields.minute,
            Field::Second => &mut fields.second,
            _ => &mut fields.millisecond,
        };
        *place = Some(number);
    }

    /// A number, and how many digits it has.
    fn number(&mut self, digits_max: usize) -> Result<(i64, usize)> {
        let digits = self.rest.bytes().take(digits_max).take_while(u8::is_ascii_digit).count();
        match self.rest[..digits].parse() {
            Ok(number) => {
                self.rest = &self.rest[digits..];
                Ok((number, digits))
            }
            Err(_) => self.unexpected("a number"),
        }
    }

    fn long_or_short(&mut self, names: &[&str], what: &str) -> Result<usize> {
        let shorts: Vec<&str> = names.iter().map(|name| short(name)).collect();
        match self.take_name(names).or_else(|| self.take_name(&shorts)) {
            Some(place) => Ok(place),
            None => self.unexpected(what),
        }
    }

    fn name(&mut self, names: &[&str], what: &str) -> Result<usize> {
        match self.take_name(names) {
            Some(place) => Ok(place),
            None => self.unexpected(what),
        }
    }

    /// Which of the names comes next, whatever its case.
    fn take_name(&mut self, names: &[&str]) -> Option<usize> {
        let place = names
            .iter()
            .position(|name| self.rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))?;
        self.rest = &self.rest[names[place].len()..];
        Some(place)
    }

    /// A zone by its name, as `GMT-08:00`, `-08:00`, `-0800`, `-08` or `Z`.
    fn zone(&mut self) -> Result<()> {
        let named = self.take_name(&ZONES.map(|(name, _)| name));
        let mut minutes = named.map_or(0, |place| ZONES[place].1 * 60);
        let may_go_on = named.is_none_or(|place| ZONES[place].0 == "GMT");
        let sign = if self.rest.starts_with('-') { -1 } else { 1 };
        if may_go_on && self.rest.starts_with(['+', '-']) {
            self.rest = &self.rest[1..];
            let (hours, digits) = self.number(4)?;
            minutes = match digits {
                3 | 4 => sign * (hours / 100 * 60 + hours % 100),
                _ if self.rest.starts_with(':') => {
                    self.rest = &self.rest[1..];
                    sign * (hours * 60 + self.number(2)?.0)
                }
                _ => sign * hours * 60,
            };
        } else if named.is_none() {
            return self.unexpected("a zone such as UTC or -08:00");
        }
        self.fields.zone_minutes = minutes;
        Ok(())
    }

    fn unexpected<T>(&self, wanted: &str) -> Result<T> {
        let place = self.text[..self.text.len() - self.rest.len()].chars().count() + 1;
        exec_err!(
            "'{}' does not fit the pattern '{}': character {place} should be {wanted}",
            self.text,
            self.pattern.text
        )
    }
}

/// Names of zones, and their hours from UTC. A longer name comes before its beginning.
const ZONES: [(&str, i64); 13] = [
    ("Coordinated Universal Time", 0),
    ("UTC", 0),
    ("GMT", 0),
    ("EST", -5),
    ("EDT", -4),
    ("CST", -6),
    ("CDT", -5),
    ("MST", -7),
    ("MDT", -6),
    ("PST", -8),
    ("PDT", -7),
    ("UT", 0),
    ("Z", 0),
];

/// The year that ends in these two digits, from 80 years ago to 19 years ahead.
fn near(digits: i64, year_now: i64) -> i64 {
    let first = year_now - 80;
    first + (digits - first).rem_euclid(100)
}
