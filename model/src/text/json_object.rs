//! What counts as a row: exactly one JSON object that every reader can read.
//!
//! Archive, tables' dead letters and ad hoc SQL decide by this one check. If they differed, a record would be a row
//! while it waits in the stream and vanish once it is archived. It is strict because one bad line fails a whole SQL
//! query: well-formed UTF-8, no lone surrogates, numbers that fit a double, nesting that parsers take, nothing before
//! or after but whitespace.

use std::fmt;
use std::str::Utf8Error;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// Why bytes are not one JSON object.
#[derive(Debug, thiserror::Error)]
pub enum NotAnObject {
    /// Not text.
    #[error("not UTF-8: {0}")]
    NotText(Utf8Error),
    /// Nothing, or nothing but whitespace.
    #[error("empty")]
    Empty,
    /// Another JSON value.
    #[error("JSON, but not an object")]
    OtherValue,
    /// Not one JSON document.
    #[error("not a JSON document: {0}")]
    NotADocument(serde_json::Error),
}

/// Whether `data` is one JSON object through and through.
pub fn check_object(data: &[u8]) -> Result<(), NotAnObject> {
    let text = std::str::from_utf8(data).map_err(NotAnObject::NotText)?;
    if text.trim_ascii().is_empty() {
        return Err(NotAnObject::Empty);
    }
    match serde_json::from_str::<Document>(text) {
        Ok(_) if text.trim_ascii_start().starts_with('{') => Ok(()),
        Ok(_) => Err(NotAnObject::OtherValue),
        Err(error) => Err(NotAnObject::NotADocument(error)),
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
    use super::*;

    #[test]
    fn whole_objects_are_objects() {
        for object in ["{}", " {\"a\":1}\r\n", "{\n\"a\": [true, null, \"é\"]}", r#"{"s":"\ud83e\udd84 \n"}"#] {
            assert!(check_object(object.as_bytes()).is_ok(), "{object}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_reason() {
        for (data, reason) in [
            (&b""[..], "empty"),
            (b" \n", "empty"),
            (b"\xff", "not UTF-8"),
            (b"{\"a\":\"\xff\"}", "not UTF-8"),
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
            (br#"{"\ud800":1}"#, "not a JSON document"),
            (b"{\"a\":\"line\nbreak\"}", "not a JSON document"),
            (b"\xef\xbb\xbf{}", "not a JSON document"),
        ] {
            let refused = check_object(data).expect_err("no object").to_string();
            assert!(refused.starts_with(reason), "{:?}: {refused}", String::from_utf8_lossy(data));
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(check_object(deep.as_bytes()).is_err(), "deep nesting is an error, not a crash");
    }
}
