//! Times written by a [`Pattern`]. Weeks begin on Sunday, and the week with 1 January is the first: Java's habit in
//! English. The zone is UTC.

use std::fmt::Write;

use datafusion::common::Result;
use jiff::civil::{Date, DateTime};

use super::calendar::civil;
use super::time_pattern::{Field, MONTHS, Part, Pattern, WEEKDAYS, short};

/// Writes the time that is `at` milliseconds after 1970 began.
pub(super) fn print(pattern: &Pattern, at: i64) -> Result<String> {
    let civil = civil(at)?;
    let mut text = String::new();
    for part in &pattern.parts {
        match part {
            Part::Literal(literal) => text.push_str(literal),
            Part::Field(field, count) => print_field(&mut text, *field, *count, civil),
        }
    }
    Ok(text)
}

fn print_field(text: &mut String, field: Field, count: usize, civil: DateTime) {
    let date = civil.date();
    let hour = i64::from(civil.hour());
    let number = match field {
        Field::Era => return text.push_str(if date.year() > 0 { "AD" } else { "BC" }),
        Field::WeekdayName => {
            let name = WEEKDAYS[date.weekday().to_monday_zero_offset() as usize];
            return text.push_str(if count < 4 { short(name) } else { name });
        }
        Field::HalfDay => return text.push_str(if hour < 12 { "AM" } else { "PM" }),
        Field::ZoneName => return text.push_str(if count < 4 { "UTC" } else { "Coordinated Universal Time" }),
        Field::ZoneNumber => return text.push_str("+0000"),
        Field::ZoneIso => return text.push('Z'),
        Field::Month if count > 2 => {
            let name = MONTHS[date.month() as usize - 1];
            return text.push_str(if count < 4 { short(name) } else { name });
        }
        Field::Year => return print_year(text, count, year_of_era(date.year().into())),
        Field::WeekYear => return print_year(text, count, year_of_era(week_of_year(date).0)),
        Field::Month => date.month().into(),
        Field::Week => week_of_year(date).1,
        Field::WeekOfMonth => week_of_month(date),
        Field::DayOfYear => date.day_of_year().into(),
        Field::Day => date.day().into(),
        Field::WeekdayOfMonth => (i64::from(date.day()) - 1) / 7 + 1,
        Field::Weekday => date.weekday().to_monday_one_offset().into(),
        Field::Hour => hour,
        Field::HourFrom1 => from_1(hour, 24),
        Field::HalfHour => hour % 12,
        Field::HalfHourFrom1 => from_1(hour % 12, 12),
        Field::Minute => civil.minute().into(),
        Field::Second => civil.second().into(),
        Field::Millisecond => civil.millisecond().into(),
    };
    let _ = write!(text, "{number:0count$}");
}

fn from_1(hour: i64, of: i64) -> i64 {
    if hour == 0 { of } else { hour }
}

fn year_of_era(year: i64) -> i64 {
    if year > 0 { year } else { 1 - year }
}

fn print_year(text: &mut String, count: usize, year: i64) {
    let _ = if count == 2 { write!(text, "{:02}", year % 100) } else { write!(text, "{year:0count$}") };
}

/// The week year and the week of it: those of the Saturday that ends the week.
fn week_of_year(date: Date) -> (i64, i64) {
    let to_saturday = 6 - i64::from(date.weekday().to_sunday_zero_offset());
    let day = i64::from(date.day_of_year()) + to_saturday;
    let days = i64::from(date.days_in_year());
    let year = i64::from(date.year());
    if day > days { (year + 1, 1) } else { (year, (day - 1) / 7 + 1) }
}

fn week_of_month(date: Date) -> i64 {
    let before_first = i64::from(date.first_of_month().weekday().to_sunday_zero_offset());
    (i64::from(date.day()) + before_first - 1) / 7 + 1
}
