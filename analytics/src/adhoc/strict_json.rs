//! Which records of the tail are rows: exactly those that the archive will have as lines.
//!
//! Delivery keeps what every reader can read: one JSON object, well-formed UTF-8, no lone surrogates, numbers that
//! fit a double. Everything else goes to the error prefix, so counting it here would make a row vanish later.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// Whether a record is one JSON object through and through.
pub(super) fn is_object(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    text.trim_ascii_start().starts_with('{') && serde_json::from_str::<Document>(text).is_ok()
}

/// Any JSON value, read in full and thrown away: strings and numbers too.
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
    fn rows_are_whole_objects_only() {
        for row in ["{}", " {\"a\":1}\r\n", "{\n\"a\": [true, null, \"é\"]}"] {
            assert!(is_object(row.as_bytes()), "{row}");
        }
        let nested = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
        for other in
            ["", "1", "[]", "{}{}", "{\"a\":1e999}", "{\"a\":\"\\ud800\"}", "{\"\\ud800\":1}", "{\"a\"", &nested]
        {
            assert!(!is_object(other.as_bytes()), "{other}");
        }
        assert!(!is_object(b"{\"a\":\"\xff\"}"));
    }
}
