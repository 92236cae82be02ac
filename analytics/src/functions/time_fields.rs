//! The fields that a text said about a time, put together to one instant.

use jiff::civil::Date;

use super::calendar::{days, midnight};
use super::span::{HOUR, MINUTE, SECOND};

#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) is_before_christ: bool,
    pub(super) year: Option<i64>,
    pub(super) week_year: Option<i64>,
    pub(super) month: Option<i64>,
    pub(super) week: Option<i64>,
    pub(super) week_of_month: Option<i64>,
    pub(super) day_of_year: Option<i64>,
    pub(super) day: Option<i64>,
    pub(super) weekday_of_month: Option<i64>,
    /// Monday is 1.
    pub(super) weekday: Option<i64>,
    pub(super) is_afternoon: Option<bool>,
    pub(super) hour: Option<i64>,
    pub(super) hour_from_1: Option<i64>,
    pub(super) half_hour: Option<i64>,
    pub(super) half_hour_from_1: Option<i64>,
    pub(super) minute: Option<i64>,
    pub(super) second: Option<i64>,
    pub(super) millisecond: Option<i64>,
    pub(super) zone_minutes: i64,
}

impl Fields {
    /// Milliseconds since 1970. Error: what is impossible about them.
    pub(super) fn instant(&self) -> Result<i64, String> {
        let date = self.date()?;
        if let Some(weekday) = self.weekday {
            within(Some(weekday), 1..=7, "weekday")?;
            if i64::from(date.weekday().to_monday_one_offset()) != weekday {
                return Err(format!("{date} is another day of the week"));
            }
        }
        let minute = within(self.minute, 0..=59, "minute")?;
        let second = within(self.second, 0..=59, "second")?;
        let millisecond = within(self.millisecond, 0..=999, "millisecond")?;
        let of_day = self.hour()? * HOUR + minute * MINUTE + second * SECOND + millisecond;
        let days = days(date).map_err(|error| error.to_string())?;
        Ok(midnight(days) + of_day - self.zone_minutes * MINUTE)
    }

    fn hour(&self) -> Result<i64, String> {
        if let Some(hour) = self.hour {
            return within(Some(hour), 0..=23, "hour");
        }
        if self.hour_from_1.is_some() {
            return Ok(within(self.hour_from_1, 1..=24, "hour")? % 24);
        }
        let half = match self.half_hour_from_1 {
            Some(hour) => within(Some(hour), 1..=12, "hour of a half day")? % 12,
            None => within(self.half_hour, 0..=11, "hour of a half day")?,
        };
        Ok(if self.is_afternoon == Some(true) { half + 12 } else { half })
    }

    fn date(&self) -> Result<Date, String> {
        let year = self.year.or(self.week_year).unwrap_or(1970);
        let year = if self.is_before_christ { 1 - year } else { year };
        let month = within(self.month.or(Some(1)), 1..=12, "month")?;
        if let Some(day) = self.day_of_year {
            within(Some(day), 1..=366, "day of the year")?;
            return moved(first(year, 1)?, day - 1)
                .filter(|date| i64::from(date.year()) == year)
                .ok_or_else(|| format!("{year} has no day {day}"));
        }
        if self.day.is_none()
            && self.month.is_none()
            && let Some(week) = self.week
        {
            let start = sunday_of(first(self.week_year.unwrap_or(year), 1)?)?;
            return self.in_week(start, within(Some(week), 1..=53, "week")?);
        }
        if self.day.is_none()
            && let Some(week) = self.week_of_month
        {
            return self.in_week(sunday_of(first(year, month)?)?, within(Some(week), 1..=6, "week of the month")?);
        }
        if self.day.is_none()
            && let (Some(nth), Some(weekday)) = (self.weekday_of_month, self.weekday)
        {
            within(Some(nth), 1..=5, "weekday's place in the month")?;
            let first = first(year, month)?;
            let to_weekday = (weekday - i64::from(first.weekday().to_monday_one_offset())).rem_euclid(7);
            return moved(first, to_weekday + (nth - 1) * 7).ok_or_else(|| format!("{first} has no weekday {nth}"));
        }
        let day = self.day.unwrap_or(1);
        let date =
            i8::try_from(day).ok().and_then(|day| Date::new(first(year, month).ok()?.year(), month as i8, day).ok());
        date.ok_or_else(|| format!("month {month} of the year {year} has no day {day}"))
    }

    /// A day of the `week`-th week, which is the first where `start` is.
    fn in_week(&self, start: Date, week: i64) -> Result<Date, String> {
        let weekday = self.weekday.unwrap_or(7) % 7;
        moved(start, (week - 1) * 7 + weekday).ok_or_else(|| format!("there is no week {week} after {start}"))
    }
}

fn first(year: i64, month: i64) -> Result<Date, String> {
    let date = i16::try_from(year).ok().and_then(|year| Date::new(year, month as i8, 1).ok());
    date.ok_or_else(|| format!("the year {year} is beyond 9999"))
}

fn moved(date: Date, days: i64) -> Option<Date> {
    date.checked_add(jiff::Span::new().try_days(days).ok()?).ok()
}

/// The Sunday that begins the week of `date`.
fn sunday_of(date: Date) -> Result<Date, String> {
    let back = i64::from(date.weekday().to_sunday_zero_offset());
    moved(date, -back).ok_or_else(|| format!("the week of {date} begins before all years"))
}

/// The value, or the least if there is none.
fn within(value: Option<i64>, range: std::ops::RangeInclusive<i64>, what: &str) -> Result<i64, String> {
    let value = value.unwrap_or(*range.start());
    if range.contains(&value) {
        return Ok(value);
    }
    Err(format!("{value} is no {what}, which goes from {} to {}", range.start(), range.end()))
}
