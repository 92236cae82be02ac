//! What may be a line of an archived object: exactly one JSON object that every reader can read.
//!
//! One bad line fails a whole SQL query, so the check is strict: well-formed UTF-8, no lone surrogates, numbers that
//! fit a double, nesting that parsers take, nothing before or after but whitespace.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// Appends `data` to `lines` as one line. Error: the reason why it is none; `lines` is unchanged.
pub fn push_line(lines: &mut Vec<u8>, data: &[u8]) -> Result<(), String> {
    check(data)?;
    let document = data.trim_ascii();
    if document.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        push_without_whitespace(lines, document);
    } else {
        lines.extend(document);
    }
    lines.push(b'\n');
    Ok(())
}

fn check(data: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(data).map_err(|error| format!("not UTF-8: {error}"))?;
    if text.trim_ascii().is_empty() {
        return Err("empty".to_owned());
    }
    match serde_json::from_str::<Document>(text) {
        Ok(_) if text.trim_ascii_start().starts_with('{') => Ok(()),
        Ok(_) => Err("JSON, but not an object".to_owned()),
        Err(error) => Err(format!("not a JSON document: {error}")),
    }
}

/// Outside of strings whitespace means nothing; inside of them JSON allows no line breaks.
fn push_without_whitespace(lines: &mut Vec<u8>, document: &[u8]) {
    let (mut in_string, mut escaped) = (false, false);
    for &byte in document {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if byte.is_ascii_whitespace() {
            continue;
        } else {
            in_string = byte == b'"';
        }
        lines.push(byte);
    }
}

/// Any JSON value, read in full and thrown away: unlike `IgnoredAny` it looks into strings and numbers.
struct Document;

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Document, E> {
        Ok(Document)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Document, E> {
        Ok(Document)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Document, E> {
        Ok(Document)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Document, E> {
        Ok(Document)
    }

    fn visit_str<E>(self, _: &str) -> Result<Document, E> {
        Ok(Document)
    }

    fn visit_unit<E>(self) -> Result<Document, E> {
        Ok(Document)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Document, A::Error> {
        while elements.next_element::<Document>()?.is_some() {}
        Ok(Document)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Document, A::Error> {
        while entries.next_entry::<Document, Document>()?.is_some() {}
        Ok(Document)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    fn line(data: &[u8]) -> Result<String, String> {
        let mut lines = Vec::new();
        push_line(&mut lines, data)?;
        Ok(String::from_utf8(lines).unwrap())
    }

    #[test]
    fn one_object_is_one_line() {
        for (data, expected) in [
            (r#"{"a":1}"#, r#"{"a":1}"#),
            ("{\"a\": 1}\n", r#"{"a": 1}"#),
            (" \t{}\r\n", "{}"),
            ("{\n  \"a b\": [1,\r\n 2],\n  \"c\": \"x \\\" \\\\\"\n}", r#"{"a b":[1,2],"c":"x \" \\"}"#),
            (r#"{"s":"\ud83e\udd84 \n"}"#, r#"{"s":"\ud83e\udd84 \n"}"#),
        ] {
            assert_eq!(line(data.as_bytes()), Ok(format!("{expected}\n")), "{data}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_reason() {
        for (data, reason) in [
            (&b""[..], "empty"),
            (b" \n", "empty"),
            (b"\xff", "not UTF-8"),
            (b"hello", "not a JSON document"),
            (b"[1]", "JSON, but not an object"),
            (b"1", "JSON, but not an object"),
            (b"null", "JSON, but not an object"),
            (b"{}{}", "not a JSON document"),
            (b"{}\n{}", "not a JSON document"),
            (b"{\"a\":1", "not a JSON document"),
            (b"{\"a\":NaN}", "not a JSON document"),
            (b"{\"a\":1e999}", "not a JSON document"),
            (br#"{"a":"\ud800"}"#, "not a JSON document"),
            (b"{\"a\":\"line\nbreak\"}", "not a JSON document"),
            (b"\xef\xbb\xbf{}", "not a JSON document"),
        ] {
            let refused = line(data).unwrap_err();
            assert!(refused.starts_with(reason), "{:?}: {refused}", String::from_utf8_lossy(data));
        }
        assert!(line("[".repeat(100_000).as_bytes()).is_err(), "deep nesting is an error, not a crash");
        let mut lines = b"kept\n".to_vec();
        push_line(&mut lines, b"bad").unwrap_err();
        assert_eq!(lines, b"kept\n");
    }

    proptest! {
        #[test]
        fn pretty_objects_become_one_line_of_the_same_value(pairs in prop::collection::vec((".*", ".*", any::<f64>()), 0..5)) {
            let mut object = Map::new();
            for (name, text, number) in pairs {
                object.insert(name, serde_json::json!([text, number, {"inner": null}]));
            }
            let line = line(&serde_json::to_vec_pretty(&object).unwrap()).unwrap();
            prop_assert_eq!(line.matches('\n').count(), 1);
            prop_assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), Value::Object(object));
        }
    }
}
