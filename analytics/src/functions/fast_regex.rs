//! Patterns of FAST_REGEX_LOG_PARSE: a group takes as little as it can, what stands between groups as much as it can,
//! and the whole text must be used up.
//!
//! | sign | matches | sign | matches |
//! |---|---|---|---|
//! | `.` | any character | `[a-z]` `[^a-z]` | a class |
//! | `@` | any text | `<Digit>` `<Alpha>` .. | a named class |
//! | `#` | nothing at all | `<1-31>` | a number in this range |
//! | `"text"` | the text as it is | `\c` | the character c as it is |
//! | `()` | the empty text | `? * + {n} {n,} {n,m} \|` | as everywhere |

use std::iter::Peekable;
use std::str::Chars;

use datafusion::common::{Result, exec_datafusion_err, exec_err, not_impl_err};
use regex::Regex;

use super::java_regex::build;

/// How many numbers `<n-m>` may stand for.
const NUMBERS_MAX: u64 = 1000;

pub(super) fn compile(pattern: &str) -> Result<Regex> {
    let mut out = String::from("^(?:");
    let mut depth = 0_usize;
    let mut rest = pattern.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '(' if rest.next_if_eq(&')').is_some() => out.push_str("(?:)"),
            '(' => {
                depth += 1;
                out.push('(');
            }
            ')' => {
                depth = depth.saturating_sub(1);
                out.push(')');
            }
            '|' => out.push('|'),
            '?' | '*' | '+' | '{' => quantifier(character, &mut rest, depth > 0, &mut out),
            '.' => out.push_str("(?s:.)"),
            '@' => out.push_str(if depth > 0 { "(?s:.*?)" } else { "(?s:.*)" }),
            '#' => out.push_str("[^\\s\\S]"),
            '"' => {
                let text: String = rest.by_ref().take_while(|next| *next != '"').collect();
                out.push_str(&format!("(?:{})", regex::escape(&text)));
            }
            '<' => {
                let name: String = rest.by_ref().take_while(|next| *next != '>').collect();
                out.push_str(&named(&name)?);
            }
            '[' => class(&mut rest, &mut out),
            '\\' => match rest.next() {
                Some(literal) => out.push_str(&regex::escape(literal.encode_utf8(&mut [0; 4]))),
                None => return exec_err!("the pattern '{pattern}' ends with a backslash; write two for one"),
            },
            '&' | '~' => {
                return not_impl_err!(
                    "the pattern '{pattern}' uses {character}, which is not supported; write {character} as \"{character}\" \
                     where you mean the character"
                );
            }
            literal => out.push_str(&regex::escape(literal.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push_str(")$");
    build(pattern, &out)
}

fn quantifier(first: char, rest: &mut Peekable<Chars<'_>>, is_lazy: bool, out: &mut String) {
    out.push(first);
    if first == '{' {
        out.extend(rest.by_ref().take_while(|next| *next != '}'));
        out.push('}');
    }
    if is_lazy {
        out.push('?');
    }
}

fn class(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.push('[');
    if rest.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    while let Some(member) = rest.next() {
        match member {
            ']' => break,
            '\\' => {
                if let Some(literal) = rest.next() {
                    out.push('\\');
                    out.push(literal);
                }
            }
            '[' | '&' | '~' => {
                out.push('\\');
                out.push(member);
            }
            other => out.push(other),
        }
    }
    out.push(']');
}

/// A named class of ASCII characters, or the numbers of a range.
fn named(name: &str) -> Result<String> {
    let classes = [
        "Digit", "Alpha", "Alnum", "Upper", "Lower", "Space", "Punct", "XDigit", "Cntrl", "Graph", "Print", "Blank",
        "ASCII",
    ];
    if classes.contains(&name) {
        return Ok(format!("[[:{}:]]", name.to_ascii_lowercase()));
    }
    let numbers =
        name.split_once('-').and_then(|(from, to)| Some((from.parse::<u64>().ok()?, to.parse::<u64>().ok()?)));
    let (from, to) = numbers.filter(|(from, to)| from <= to).ok_or_else(|| {
        exec_datafusion_err!("<{name}> is no class of characters; <Digit>, <Alpha>, <Space> and <1-31> are")
    })?;
    if to - from >= NUMBERS_MAX {
        return exec_err!("<{name}> stands for more than {NUMBERS_MAX} numbers; write <Digit>{{n}} instead");
    }
    // Longer numbers first: 12 is not a 1 with a 2 behind it.
    let all: Vec<String> = (from..=to).rev().map(|number| number.to_string()).collect();
    Ok(format!("(?:{})", all.join("|")))
}
