//! JSON: inputs that borrow from the body, and the parts that hand-written answers share.

use std::io::Write;

use model::clock::Timestamp;
use serde::Deserialize;

use crate::aws::error::AwsError;

/// The deepest nesting of a body. The shapes of Kinesis need five; the rest is room for members we ignore. The parser
/// has no limit of its own: it descends once per level, and without optimisation 64 levels overflow a stack of 2 MiB.
const DEPTH_MAX: usize = 16;

/// Whether a body nests deeper than [`DEPTH_MAX`]. Without that many brackets it cannot, and those are quick to count.
fn is_too_deep(body: &[u8]) -> bool {
    let brackets = body.iter().filter(|&&byte| matches!(byte, b'{' | b'[')).count();
    brackets > DEPTH_MAX && depth(body) > DEPTH_MAX
}

/// The deepest nesting outside of texts; for bytes that are no JSON, at least what a parser reaches in them.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let mut at = 0;
    while at < body.len() {
        match body[at] {
            b'"' => at = text_end(body, at + 1),
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    deepest
}

/// Where the text that begins at `at` has its closing quote, or the end of the body.
fn text_end(body: &[u8], mut at: usize) -> usize {
    // Most bytes of a put are texts: they are leapt over.
    while let Some(found) = body.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if body[at] == b'"' {
            return at;
        }
        at += 2;
    }
    body.len()
}

/// Reads an operation's input.
pub(crate) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, AwsError> {
    let body = if body.is_empty() { b"{}" } else { body };
    // A JSON array would otherwise read as a struct by position.
    if body.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
        return Err(AwsError::serialization("The body is not a JSON object."));
    }
    if is_too_deep(body) {
        return Err(AwsError::serialization(format!("The body nests deeper than {DEPTH_MAX} levels.")));
    }
    sonic_rs::from_slice(body).map_err(|wrong| {
        // The first line says what and where; the rest quotes the request.
        let text = wrong.to_string();
        AwsError::serialization(text.lines().next().unwrap_or("The body is not valid JSON.").to_owned())
    })
}

/// Appends the base64 form of `data`.
pub(crate) fn write_base64(data: &[u8], into: &mut Vec<u8>) {
    base64_simd::STANDARD.encode_append(data, into);
}

/// Appends text in quotes, escaped.
pub(crate) fn write_text(text: &str, into: &mut Vec<u8>) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        into.push(b'"');
        into.extend_from_slice(text.as_bytes());
        into.push(b'"');
        return;
    }
    serde_json::to_writer(into, text).expect("writing to memory does not fail");
}

/// Appends seconds since the epoch with three decimals.
pub(crate) fn write_seconds(at: Timestamp, into: &mut Vec<u8>) {
    let millis = at.as_millis().max(0);
    write!(into, "{}.{:03}", millis / 1000, millis % 1000).expect("writing to memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_of_texts() {
        for (body, expected) in [
            ("{}", 1),
            (r#"{"a":[{"b":[]},[]]}"#, 4),
            (r#"{"[[[":"{{{\"[[[","b":"\\"}"#, 1),
            (r#"{"a":"\\\"[","b":[1]}"#, 2),
            ("}}}{", 1),
        ] {
            assert_eq!(depth(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn many_brackets_side_by_side_are_not_deep() {
        assert!(!is_too_deep("[]".repeat(100_000).as_bytes()));
        assert!(is_too_deep("[".repeat(100_000).as_bytes()));
        assert!(is_too_deep(r#"{"x":"#.repeat(100_000).as_bytes()));
    }
}
