//! Functions of text. Places are counted in characters, from 1.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::prelude::SessionContext;

use super::function::{Function, Kind};
use super::value::Value;

const PART: &[Kind] = &[Kind::Text, Kind::Integer, Kind::Integer];

pub(super) fn register(context: &SessionContext) {
    let functions = [
        Function::new("initcap", "INITCAP", &[Kind::Text], DataType::Utf8, |row| {
            Ok(Value::text(initcap(row[0].as_text()?)))
        }),
        Function::new("aws_overlay", "OVERLAY", OVERLAY, DataType::Utf8, |row| {
            let length = row.get(3).map(Value::as_integer).transpose()?;
            overlay(row[0].as_text()?, row[1].as_text()?, row[2].as_integer()?, length).map(Value::text)
        })
        .required(3),
        Function::new("aws_position", "POSITION", &[Kind::Text, Kind::Text], DataType::Int64, |row| {
            let (part, text) = (row[0].as_text()?, row[1].as_text()?);
            let place = text.find(part).map_or(0, |at| text[..at].chars().count() + 1);
            Ok(Value::Integer(place as i64))
        }),
        Function::new("aws_substring", "SUBSTRING", PART, DataType::Utf8, |row| {
            Ok(substring(row)?.map_or(Value::Null, Value::text))
        })
        .required(2),
        Function::new("aws_substring_from", "SUBSTRING", PART, DataType::Utf8, |row| {
            Ok(Value::text(substring(row)?.unwrap_or_default()))
        })
        .required(2),
        Function::new("aws_trim", "TRIM", &[Kind::Text, Kind::Text, Kind::Text], DataType::Utf8, |row| {
            trim(row[0].as_text()?, row[1].as_text()?, row[2].as_text()?).map(Value::text)
        }),
    ];
    functions.into_iter().for_each(|function| context.register_udf(function.udf()));
}

const OVERLAY: &[Kind] = &[Kind::Text, Kind::Text, Kind::Integer, Kind::Integer];

/// The first letter of each word in upper case and all others in lower case. Only blanks part words.
fn initcap(text: &str) -> String {
    let mut is_first = true;
    let mut result = String::with_capacity(text.len());
    for character in text.chars() {
        if is_first {
            result.extend(character.to_uppercase());
        } else {
            result.extend(character.to_lowercase());
        }
        is_first = character == ' ';
    }
    result
}

/// The text with `length` characters from `from` on replaced. What begins before the text stands before it.
fn overlay(text: &str, part: &str, from: i64, length: Option<i64>) -> Result<String> {
    let before = usize::try_from(1_i64.saturating_sub(from)).unwrap_or(0);
    let part_length = part.chars().count();
    let length = match length {
        Some(length) if length < 0 => {
            return exec_err!("OVERLAY .. FOR {length} is not possible: the length must be 0 or more");
        }
        Some(length) => usize::try_from(length).unwrap_or(usize::MAX),
        None => part_length,
    };
    let kept = usize::try_from(from.saturating_sub(1)).unwrap_or(0);
    let replaced = length.saturating_sub(before);
    let head = text.chars().take(kept);
    let tail = text.chars().skip(kept.saturating_add(replaced));
    Ok(head.chain(part.chars()).chain(tail).collect())
}

/// Some characters from a place on; none where that is beyond the end.
fn substring(row: &[Value<'_>]) -> Result<Option<String>> {
    let (text, from) = (row[0].as_text()?, row[1].as_integer()?);
    let end = match row.get(2).map(Value::as_integer).transpose()? {
        Some(length) if length < 0 => {
            return exec_err!("SUBSTRING .. FOR {length} is not possible: the length must be 0 or more");
        }
        Some(length) => from.saturating_add(length),
        None => i64::MAX,
    };
    let first = from.max(1);
    if first > text.chars().count() as i64 {
        return Ok(None);
    }
    let skipped = usize::try_from(first - 1).unwrap_or(usize::MAX);
    let taken = usize::try_from(end.saturating_sub(first)).unwrap_or(0);
    Ok(Some(text.chars().skip(skipped).take(taken).collect()))
}

fn trim(side: &str, character: &str, text: &str) -> Result<String> {
    let mut characters = character.chars();
    let (Some(character), None) = (characters.next(), characters.next()) else {
        return exec_err!("TRIM removes one character, and '{character}' is not one; call TRIM once for each");
    };
    Ok(match side.to_ascii_uppercase().as_str() {
        "LEADING" => text.trim_start_matches(character),
        "TRAILING" => text.trim_end_matches(character),
        _ => text.trim_matches(character),
    }
    .to_owned())
}
