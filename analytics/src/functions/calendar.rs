//! Dates of the calendar and milliseconds since 1970, both in UTC; and times as the dialect writes them.

use datafusion::common::{Result, exec_datafusion_err};
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;

use super::span::{DAY, HOUR, MINUTE, SECOND};

/// The date and time that is `at` milliseconds after 1970 began.
pub(super) fn civil(at: i64) -> Result<DateTime> {
    let instant = jiff::Timestamp::from_millisecond(at);
    instant
        .map(|instant| Offset::UTC.to_datetime(instant))
        .map_err(|_| exec_datafusion_err!("a time is {at} ms from 1970, which is no time of the years -9999 to 9999"))
}

/// Milliseconds since 1970.
pub(super) fn instant(civil: DateTime) -> Result<i64> {
    let instant = Offset::UTC.to_timestamp(civil);
    instant
        .map(|instant| instant.as_millisecond())
        .map_err(|_| exec_datafusion_err!("{civil} cannot be computed with: only times of the years -9999 to 9999 can"))
}

/// Days since 1970.
pub(super) fn days(date: Date) -> Result<i32> {
    Ok(instant(date.at(0, 0, 0, 0))?.div_euclid(DAY) as i32)
}

/// Milliseconds since 1970 when a day begins.
pub(super) fn midnight(days: i32) -> i64 {
    i64::from(days) * DAY
}

/// The day that holds a time. Error: it is further away than a DATE reaches.
pub(super) fn day_of(at: i64) -> Result<i32> {
    i32::try_from(at.div_euclid(DAY))
        .map_err(|_| exec_datafusion_err!("a time is {at} ms from 1970; no DATE is that far"))
}

/// Milliseconds since midnight.
pub(super) fn time_of_day(at: i64) -> i32 {
    at.rem_euclid(DAY) as i32
}

/// The beginning of the month that is `months` after that of `date`.
pub(super) fn month_start(date: Date, months: i64) -> Result<DateTime> {
    let index = (i64::from(date.year()) * 12 + i64::from(date.month()) - 1).saturating_add(months);
    let year = i16::try_from(index.div_euclid(12)).ok();
    let first = year.and_then(|year| Date::new(year, index.rem_euclid(12) as i8 + 1, 1).ok());
    first
        .map(|date| date.at(0, 0, 0, 0))
        .ok_or_else(|| exec_datafusion_err!("{months} months from {date} are outside the years -9999 to 9999"))
}

/// `months` later; where that month is too short, its last day.
pub(super) fn months_later(at: DateTime, months: i64) -> Result<DateTime> {
    let first = month_start(at.date(), months)?.date();
    let day = at.day().min(first.days_in_month());
    // A day that the month has cannot fail.
    let date = Date::new(first.year(), first.month(), day).unwrap_or(first);
    Ok(DateTime::from_parts(date, at.time()))
}

/// `2007-02-19`.
pub(super) fn date_text(days: i32) -> Result<String> {
    let date = civil(midnight(days))?;
    Ok(format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day()))
}

/// `21:25:35`, without the fraction.
pub(super) fn time_text(milliseconds: i32) -> String {
    let of_day = i64::from(milliseconds);
    format!("{:02}:{:02}:{:02}", of_day / HOUR, of_day % HOUR / MINUTE, of_day % MINUTE / SECOND)
}

/// `2007-02-19 21:25:35`, without the fraction.
pub(super) fn timestamp_text(at: i64) -> Result<String> {
    Ok(format!("{} {}", date_text(day_of(at)?)?, time_text(time_of_day(at))))
}

/// Reads exactly `yyyy-MM-dd`.
pub(super) fn read_date(text: &str) -> Option<Date> {
    let [year, month, day] = fields(text, '-', [4, 2, 2])?;
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// Reads `HH:mm:ss`, and a fraction of a second, into milliseconds since midnight.
pub(super) fn read_time(text: &str) -> Option<i32> {
    let (clock, fraction) = match text.split_once('.') {
        Some((clock, fraction)) => (clock, thousandths(fraction)?),
        None => (text, 0),
    };
    let [hour, minute, second] = fields(clock, ':', [2, 2, 2])?;
    let fits = hour < 24 && minute < 60 && second < 60;
    fits.then(|| ((hour * 60 + minute) * 60 + second) * 1000 + fraction)
}

/// Reads `yyyy-MM-dd HH:mm:ss`, and a fraction of a second, into milliseconds since 1970.
pub(super) fn read_timestamp(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(' ')?;
    Some(midnight(days(read_date(date)?).ok()?) + i64::from(read_time(time)?))
}

/// The three numbers of a text, of so many digits each.
fn fields(text: &str, separator: char, digits: [usize; 3]) -> Option<[i32; 3]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; 3];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next()?;
        let fits = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = fits.then(|| part.parse().ok()).flatten()?;
    }
    parts.next().is_none().then_some(numbers)
}

/// The first three digits after a point; one to nine may be there.
fn thousandths(fraction: &str) -> Option<i32> {
    if !(1..=9).contains(&fraction.len()) || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let three: String = fraction.chars().chain("00".chars()).take(3).collect();
    three.parse().ok()
}
