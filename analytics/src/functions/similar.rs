//! Patterns of SIMILAR TO: `%` is any text and `_` any character; `| * + ? {n} {n,m} ( )` and `[a-z]`, `[^a-z]`,
//! `[a-e^c]` as in regular expressions. Every other character stands for itself, and behind the escape character so do
//! these.

use datafusion::common::{Result, exec_err, not_impl_err};
use regex::Regex;

use super::java_regex::build;

/// What a pattern and its escape character are called in one text.
pub(super) fn key(pattern: &str, escape: &str) -> String {
    format!("{escape}\n{pattern}")
}

/// Compiles a pattern that the whole text must match.
pub(super) fn compile(key: &str) -> Result<Regex> {
    let (escape, pattern) = parts(key)?;
    build(pattern, &format!("^(?:{})$", translate(pattern, escape)?))
}

/// Compiles a pattern of three parts with the escape character and a quote between them: the group is the middle one.
pub(super) fn compile_substring(key: &str) -> Result<Regex> {
    let (escape, pattern) = parts(key)?;
    let separator = escape.map(|escape| format!("{escape}\"")).unwrap_or_default();
    let pieces: Vec<&str> = if separator.is_empty() { Vec::new() } else { pattern.split(&separator).collect() };
    let [before, middle, behind] = pieces[..] else {
        return exec_err!(
            "SUBSTRING .. SIMILAR '{pattern}' needs three parts, with the escape character and a quote between them, as \
             in 'a#\"b#\"c' ESCAPE '#'"
        );
    };
    let translated =
        format!("(?:{})({})(?:{})", translate(before, escape)?, translate(middle, escape)?, translate(behind, escape)?);
    build(pattern, &translated)
}

fn parts(key: &str) -> Result<(Option<char>, &str)> {
    let (escape, pattern) = key.split_once('\n').unwrap_or(("", key));
    let mut characters = escape.chars();
    match (characters.next(), characters.next()) {
        (escape, None) => Ok((escape, pattern)),
        _ => exec_err!("ESCAPE '{escape}' is not one character"),
    }
}

fn translate(pattern: &str, escape: Option<char>) -> Result<String> {
    let mut out = String::new();
    let mut rest = pattern.chars();
    while let Some(character) = rest.next() {
        match character {
            escaped if Some(escaped) == escape => match rest.next() {
                Some(literal) => out.push_str(&regex::escape(literal.encode_utf8(&mut [0; 4]))),
                None => return exec_err!("the pattern '{pattern}' ends with its escape character; put one behind it"),
            },
            '%' => out.push_str("(?s:.*)"),
            '_' => out.push_str("(?s:.)"),
            '(' => out.push_str("(?:"),
            '|' | '*' | '+' | '?' | '{' | '}' | ')' => out.push(character),
            '[' => {
                let inside: String = rest.by_ref().take_while(|character| *character != ']').collect();
                out.push_str(&class(pattern, &inside)?);
            }
            literal => out.push_str(&regex::escape(literal.encode_utf8(&mut [0; 4]))),
        }
    }
    Ok(out)
}

/// A class: its members, and behind `^` those that are left out.
fn class(pattern: &str, inside: &str) -> Result<String> {
    if inside.contains(['(', ')', '%']) || inside.is_empty() {
        return not_impl_err!(
            "the class [{inside}] in the pattern '{pattern}' is not possible; list characters or ranges"
        );
    }
    let members = |text: &str| -> String {
        let escaped = |character: char| match character {
            '\\' | '[' | ']' | '&' | '~' => format!("\\{character}"),
            other => other.to_string(),
        };
        text.chars().map(escaped).collect()
    };
    Ok(match inside.split_once('^') {
        None => format!("[{}]", members(inside)),
        Some(("", without)) => format!("[^{}]", members(without)),
        Some((with, without)) => format!("[{}&&[^{}]]", members(with), members(without)),
    })
}
