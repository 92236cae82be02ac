//! Patterns of times in the letters of Java's SimpleDateFormat, such as `yyyy-MM-dd HH:mm:ss`.
//!
//! | letter | field | letter | field | letter | field |
//! |---|---|---|---|---|---|
//! | `G` | era | `d` | day of the month | `H` `k` | hour 0-23, 1-24 |
//! | `y` | year | `D` | day of the year | `K` `h` | hour 0-11, 1-12 |
//! | `Y` | week year | `E` | name of the weekday | `m` `s` `S` | minute, second, millisecond |
//! | `M` `L` | month | `u` | weekday, Monday is 1 | `a` | AM or PM |
//! | `w` `W` | week of the year, of the month | `F` | which such weekday of the month | `z` `Z` `X` | zone |
//!
//! Text in `'quotes'` stands for itself, `''` is a quote, and so does everything that is no letter.

use datafusion::common::{Result, exec_err};

/// What a field says of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Era,
    Year,
    WeekYear,
    Month,
    Week,
    WeekOfMonth,
    DayOfYear,
    Day,
    WeekdayOfMonth,
    WeekdayName,
    Weekday,
    HalfDay,
    /// 0 to 23.
    Hour,
    /// 1 to 24.
    HourFrom1,
    /// 0 to 11.
    HalfHour,
    /// 1 to 12.
    HalfHourFrom1,
    Minute,
    Second,
    Millisecond,
    ZoneName,
    ZoneNumber,
    ZoneIso,
}

impl Field {
    fn of(letter: char) -> Option<Field> {
        Some(match letter {
            'G' => Field::Era,
            'y' => Field::Year,
            'Y' => Field::WeekYear,
            'M' | 'L' => Field::Month,
            'w' => Field::Week,
            'W' => Field::WeekOfMonth,
            'D' => Field::DayOfYear,
            'd' => Field::Day,
            'F' => Field::WeekdayOfMonth,
            'E' => Field::WeekdayName,
            'u' => Field::Weekday,
            'a' => Field::HalfDay,
            'H' => Field::Hour,
            'k' => Field::HourFrom1,
            'K' => Field::HalfHour,
            'h' => Field::HalfHourFrom1,
            'm' => Field::Minute,
            's' => Field::Second,
            'S' => Field::Millisecond,
            'z' => Field::ZoneName,
            'Z' => Field::ZoneNumber,
            'X' => Field::ZoneIso,
            _ => return None,
        })
    }
}

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// A field, and how often its letter stands there.
    Field(Field, usize),
    Literal(String),
}

impl Part {
    /// Whether the part is written in digits.
    pub(super) fn is_number(&self) -> bool {
        match self {
            Part::Field(Field::Month, count) => *count < 3,
            Part::Field(Field::Era | Field::WeekdayName | Field::HalfDay, _) => false,
            Part::Field(Field::ZoneName | Field::ZoneNumber | Field::ZoneIso, _) => false,
            Part::Field(..) => true,
            Part::Literal(_) => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) text: String,
    pub(super) parts: Vec<Part>,
}

impl Pattern {
    /// Error: a letter has no meaning, or a quote is not closed.
    pub(super) fn parse(text: &str) -> Result<Pattern> {
        let mut parts: Vec<Part> = Vec::new();
        let mut rest = text.chars().peekable();
        while let Some(character) = rest.next() {
            if character == '\'' {
                literal(&mut parts, &quoted(text, &mut rest)?);
            } else if character.is_ascii_alphabetic() {
                let Some(field) = Field::of(character) else {
                    return exec_err!(
                        "the letter {character} has no meaning in the time pattern '{text}'; put text in quotes, as in \
                         yyyy-MM-dd''T''HH:mm"
                    );
                };
                let mut count = 1;
                while rest.next_if_eq(&character).is_some() {
                    count += 1;
                }
                parts.push(Part::Field(field, count));
            } else {
                literal(&mut parts, character.encode_utf8(&mut [0; 4]));
            }
        }
        Ok(Pattern { text: text.to_owned(), parts })
    }
}

/// What stands behind an opening quote, up to the closing one. Right behind the opening one that is a quote itself.
fn quoted(pattern: &str, rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String> {
    if rest.next_if_eq(&'\'').is_some() {
        return Ok("'".to_owned());
    }
    let mut text = String::new();
    while let Some(character) = rest.next() {
        if character != '\'' {
            text.push(character);
        } else if rest.next_if_eq(&'\'').is_some() {
            text.push('\'');
        } else {
            return Ok(text);
        }
    }
    exec_err!("a quote in the time pattern '{pattern}' is not closed; write '' for a quote itself")
}

fn literal(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        Some(Part::Literal(last)) => last.push_str(text),
        _ => parts.push(Part::Literal(text.to_owned())),
    }
}

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// From Monday on.
pub(super) const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// The short form of a month's or a weekday's name.
pub(super) fn short(name: &str) -> &str {
    &name[..3]
}
