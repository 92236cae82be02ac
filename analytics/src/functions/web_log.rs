//! Formats of the log lines of web servers, as Apache writes them: `%h %l %u %t "%r" %>s %b`.
//!
//! Each specifier is a column. It reaches up to the text that follows it in the format.

use datafusion::common::{Result, exec_err};
use regex::Regex;

use super::java_regex::build;

/// Names that stand for a format.
const FORMATS: [(&str, &str); 6] = [
    ("COMMON", r#"%h %l %u %t "%r" %>s %b"#),
    ("COMMON WITH VHOST", r#"%v %h %l %u %t "%r" %>s %b"#),
    ("NCSA EXTENDED", r#"%h %l %u %t "%r" %>s %b "%[Referer]i" "%[User-agent]i""#),
    ("REFERER", "%[Referer]i -> %U"),
    ("AGENT", "%[User-agent]i"),
    ("IIS", "%h, %u, %d, %T, %p, %v, %A, %D, %I, %O, %>s, %w, %m, %U, %q"),
];

/// An expression with a group for every specifier.
pub(super) fn compile(format: &str) -> Result<Regex> {
    let named = FORMATS.iter().find(|(name, _)| name.eq_ignore_ascii_case(format.trim()));
    let format = named.map_or(format, |(_, format)| format);
    let mut out = String::from("^");
    let mut rest = format;
    let mut columns = 0;
    let mut is_in_brackets = false;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        if character != '%' {
            is_in_brackets = character == '[';
            out.push_str(&regex::escape(character.encode_utf8(&mut [0; 4])));
        } else if let Some(behind) = rest.strip_prefix('%') {
            rest = behind;
            out.push('%');
        } else {
            let specifier = specifier(rest);
            if specifier.is_empty() {
                return exec_err!(
                    "the log format '{format}' has a % without a letter behind it; write %% for the sign"
                );
            }
            rest = &rest[specifier.len()..];
            // A time without brackets in the format keeps its own.
            out.push_str(if specifier == "t" && !is_in_brackets { r"(\[.*?\])" } else { "(.*?)" });
            columns += 1;
        }
    }
    if columns == 0 {
        return exec_err!("the log format '{format}' has no column; take COMMON, or specifiers such as %h and %b");
    }
    out.push('$');
    build(format, &out)
}

/// What belongs to a `%`: conditions, a name in brackets, and one letter.
fn specifier(text: &str) -> &str {
    let name = match text.chars().next() {
        Some('[') => text.find(']').map_or(0, |end| end + 1),
        Some('{') => text.find('}').map_or(0, |end| end + 1),
        _ => 0,
    };
    let letter = text[name..].find(|character: char| character.is_ascii_alphabetic());
    letter.map_or("", |letter| &text[..name + letter + 1])
}
