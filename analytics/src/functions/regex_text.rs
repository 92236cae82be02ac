//! Functions of text by regular expressions and by patterns of SIMILAR TO.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::prelude::SessionContext;
use regex::{Captures, Regex};

use super::function::{Function, Kind};
use super::memo::Memo;
use super::value::Value;
use super::{java_regex, similar};

/// The most bytes of one result of REGEX_REPLACE.
const REPLACED_BYTES_MAX: usize = 16 << 20;

const REPLACE: &[Kind] = &[Kind::Text, Kind::Text, Kind::Text, Kind::Integer, Kind::Integer];
const THREE_TEXTS: &[Kind] = &[Kind::Text, Kind::Text, Kind::Text];

pub(super) fn register(context: &SessionContext) {
    let (replaced, found) = (Memo::new(java_regex::compile), Memo::new(java_regex::compile));
    let (similar, part) = (Memo::new(similar::compile), Memo::new(similar::compile_substring));
    let functions = [
        Function::new("regex_replace", "REGEX_REPLACE", REPLACE, DataType::Utf8, move |row| {
            let (text, to) = (row[0].as_text()?, row[2].as_text()?);
            let regex = replaced.get(row[1].as_text()?)?;
            replace(text, &regex, to, row[3].as_integer()?, row[4].as_integer()?).map(Value::text)
        }),
        Function::new("aws_substring_regex", "SUBSTRING", &[Kind::Text, Kind::Text], DataType::Utf8, move |row| {
            let regex = found.get(row[1].as_text()?)?;
            Ok(regex.find(row[0].as_text()?).map_or(Value::Null, |found| Value::text(found.as_str())))
        }),
        Function::new("aws_substring_similar", "SUBSTRING", THREE_TEXTS, DataType::Utf8, move |row| {
            let regex = part.get(&similar::key(row[1].as_text()?, row[2].as_text()?))?;
            let captures = regex.captures(row[0].as_text()?);
            Ok(captures.and_then(|captures| captures.get(1)).map_or(Value::Null, |part| Value::text(part.as_str())))
        }),
        Function::new("aws_similar_to", "SIMILAR TO", THREE_TEXTS, DataType::Boolean, move |row| {
            let escape = row.get(2).map_or(Ok(""), Value::as_text)?;
            let regex = similar.get(&similar::key(row[1].as_text()?, escape))?;
            Ok(Value::Boolean(regex.is_match(row[0].as_text()?)))
        })
        .required(2),
    ];
    functions.into_iter().for_each(|function| context.register_udf(function.udf()));
}

/// Replaces the `nth` match, or all where that is 0, of the text from its character `start` on.
fn replace(text: &str, regex: &Regex, to: &str, start: i64, nth: i64) -> Result<String> {
    if start < 1 {
        return exec_err!("REGEX_REPLACE starts at character {start}, but the first character is 1");
    }
    let Ok(nth) = usize::try_from(nth) else {
        return exec_err!("REGEX_REPLACE cannot replace match {nth}; 0 replaces all, 1 the first");
    };
    let skipped = usize::try_from(start - 1).unwrap_or(usize::MAX);
    let Some((offset, _)) = text.char_indices().nth(skipped) else { return Ok(text.to_owned()) };
    let mut out = text[..offset].to_owned();
    let searched = &text[offset..];
    let mut copied = 0;
    for (place, captures) in regex.captures_iter(searched).enumerate() {
        if nth != 0 && place + 1 != nth {
            continue;
        }
        let whole = captures.get_match();
        out.push_str(&searched[copied..whole.start()]);
        expand(to, &captures, &mut out)?;
        copied = whole.end();
        if out.len() > REPLACED_BYTES_MAX {
            return exec_err!("REGEX_REPLACE would make a text of more than {REPLACED_BYTES_MAX} bytes");
        }
    }
    out.push_str(&searched[copied..]);
    Ok(out)
}

/// Writes a replacement: `$1` and `${name}` are groups, a backslash takes the next character as it is.
fn expand(to: &str, captures: &Captures<'_>, out: &mut String) -> Result<()> {
    let mut rest = to.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\\' => match rest.next() {
                Some(literal) => out.push(literal),
                None => return exec_err!("the replacement '{to}' ends with a backslash; write two for one"),
            },
            '$' if rest.next_if_eq(&'{').is_some() => {
                let name: String = rest.by_ref().take_while(|character| *character != '}').collect();
                out.push_str(captures.name(&name).map_or("", |group| group.as_str()));
            }
            '$' => {
                let digit = |character: &char| character.to_digit(10).map(|digit| digit as usize);
                let first = rest.peek().and_then(digit).filter(|group| *group < captures.len());
                let mut group = first.ok_or_else(|| {
                    exec_datafusion_err!(
                        "the replacement '{to}' names a group that there is not; write \\$ for a dollar"
                    )
                })?;
                rest.next();
                while let Some(longer) = rest.peek().and_then(digit).map(|digit| group * 10 + digit)
                    && longer < captures.len()
                {
                    group = longer;
                    rest.next();
                }
                out.push_str(captures.get(group).map_or("", |group| group.as_str()));
            }
            other => out.push(other),
        }
    }
    Ok(())
}
