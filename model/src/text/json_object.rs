//! What counts as a row: each JSON object of a record, if every reader can read all of them.
//!
//! A record is one object, or several one after the other with nothing but whitespace between them. It may begin with a
//! byte order mark, and it may be packed with gzip, as CloudWatch Logs sends it. Archive, tables, their dead letters and
//! SQL decide by this one check. If they differed, a record would be a row while it waits in the stream and vanish once
//! it is archived. It is strict because one bad line fails a whole SQL query: well-formed UTF-8, no lone surrogates,
//! numbers that fit a double, nesting that parsers take.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read};
use std::str::Utf8Error;

use flate2::read::MultiGzDecoder;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// How deep objects and arrays may be nested: as deep as parsers go.
const DEPTH_MAX: usize = 127;

/// The longest text that a packed record may have.
pub const UNPACKED_BYTES_MAX: usize = 16 << 20;
/// What gzip begins with.
const GZIP_MARK: &[u8] = b"\x1f\x8b";
/// What some writers of UTF-8 begin with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why a record is no rows.
#[derive(Debug, thiserror::Error)]
pub enum NotAnObject {
    /// Gzip that ends too early, or is damaged.
    #[error("it begins as gzip does, and cannot be unpacked: {0}")]
    NotGzip(io::Error),
    /// Gzip of too much.
    #[error("unpacked, it has more than {UNPACKED_BYTES_MAX} bytes; put less into a record")]
    TooLong,
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

/// The text of a record: unpacked, and without a byte order mark.
#[derive(Debug)]
pub struct RecordText<'a>(Cow<'a, [u8]>);

impl<'a> RecordText<'a> {
    /// The text of a record's data.
    pub fn of(data: &'a [u8]) -> Result<RecordText<'a>, NotAnObject> {
        if !data.starts_with(GZIP_MARK) {
            return Ok(RecordText(Cow::Borrowed(without_mark(data))));
        }
        let mut unpacked = Vec::new();
        let mut packed = MultiGzDecoder::new(data).take(UNPACKED_BYTES_MAX as u64 + 1);
        packed.read_to_end(&mut unpacked).map_err(NotAnObject::NotGzip)?;
        if UNPACKED_BYTES_MAX < unpacked.len() {
            return Err(NotAnObject::TooLong);
        }
        let mark = unpacked.len() - without_mark(&unpacked).len();
        unpacked.drain(..mark);
        Ok(RecordText(Cow::Owned(unpacked)))
    }

    /// As bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The objects that it consists of, each without whitespace around it; at least one.
    pub fn objects(&self) -> Result<Vec<&str>, NotAnObject> {
        let text = std::str::from_utf8(&self.0).map_err(NotAnObject::NotText)?;
        let mut documents = serde_json::Deserializer::from_str(text).into_iter::<Document>();
        let (mut objects, mut start) = (Vec::with_capacity(1), 0);
        while let Some(document) = documents.next() {
            document.map_err(NotAnObject::NotADocument)?;
            let object = text[start..documents.byte_offset()].trim_ascii();
            if !object.starts_with('{') {
                return Err(NotAnObject::OtherValue);
            }
            objects.push(object);
            start = documents.byte_offset();
        }
        if objects.is_empty() { Err(NotAnObject::Empty) } else { Ok(objects) }
    }
}

/// Text without the byte order mark that it may begin with.
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// Whether `data` is JSON objects through and through.
pub fn check_object(data: &[u8]) -> Result<(), NotAnObject> {
    RecordText::of(data)?.objects().map(drop)
}

/// Whether a value of an object, whose grammar was checked already, is as [`check_object`] wants it, but for the
/// size of numbers: whoever reads value by value can say which number does not fit.
pub fn check_value(raw: &str) -> serde_json::Result<()> {
    match raw.as_bytes().first() {
        Some(b'"' | b'{' | b'[') => check_inside(raw, DEPTH_MAX - 1),
        _ => Ok(()),
    }
}

/// Checks what the grammar does not say: that strings are text, and how deep values are nested.
fn check_inside(raw: &str, depth_max: usize) -> serde_json::Result<()> {
    let (mut rest, mut depth) = (raw, 0_usize);
    while let Some(at) = rest.find(['"', '{', '}', '[', ']']) {
        match rest.as_bytes()[at] {
            b'"' => {
                let string = string(&rest[at..]);
                if string.contains('\\') {
                    serde_json::from_str::<String>(string)?;
                }
                rest = &rest[at + string.len()..];
                continue;
            }
            b'{' | b'[' if depth == depth_max => {
                return Err(serde_json::Error::custom(format!("values are nested more than {DEPTH_MAX} levels deep")));
            }
            b'{' | b'[' => depth += 1,
            _ => depth = depth.saturating_sub(1),
        }
        rest = &rest[at + 1..];
    }
    Ok(())
}

/// The string that `text` begins with, with its quotes.
fn string(text: &str) -> &str {
    let mut end = 1;
    while let Some(at) = text[end..].find(['"', '\\']) {
        end += at + 1;
        match text.as_bytes()[end - 1] {
            b'"' => return &text[..end],
            _ => end += text[end..].chars().next().map_or(0, char::len_utf8),
        }
    }
    text
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
    use std::io::Write;

    use super::*;

    #[test]
    fn whole_objects_are_objects() {
        for object in ["{}", " {\"a\":1}\r\n", "{\n\"a\": [true, null, \"é\"]}", r#"{"s":"\ud83e\udd84 \n"}"#] {
            assert!(check_object(object.as_bytes()).is_ok(), "{object}");
        }
    }

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).expect("into memory");
        encoder.finish().expect("into memory")
    }

    #[test]
    fn a_record_may_be_several_objects_and_packed() {
        let several: &[&str] = &[r#"{"a":1}"#, "{\n}"];
        for text in ["{\"a\":1}{\n}", "{\"a\":1}\r\n{\n}\n", "\u{feff} {\"a\":1}\t{\n} "] {
            for data in [text.as_bytes().to_vec(), packed(text.as_bytes())] {
                let record = RecordText::of(&data).expect("text");
                assert_eq!(record.objects().expect("objects"), several, "{text}");
            }
        }
    }

    #[test]
    fn a_packed_record_has_a_bound() {
        let long = |length: usize| packed(&vec![b' '; length]);
        assert!(matches!(RecordText::of(&long(UNPACKED_BYTES_MAX + 1)), Err(NotAnObject::TooLong)));
        assert!(matches!(check_object(&long(UNPACKED_BYTES_MAX)), Err(NotAnObject::Empty)));
    }

    #[test]
    fn values_are_checked_through_and_through() {
        for good in ["1e999", "null", r#""a\\\"b\ud83e\udd84""#, r#"{"a":["[{",{}],"b":"\\"}"#] {
            assert!(check_value(good).is_ok(), "{good}");
        }
        for bad in [r#""\ud800""#, r#"{"a":["\ud800"]}"#, r#"{"\ud800":1}"#] {
            assert!(check_value(bad).is_err(), "{bad}");
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
            (b"{}{", "not a JSON document"),
            (b"{}x", "not a JSON document"),
            (b"{} [1]", "JSON, but not an object"),
            (b"{},{}", "not a JSON document"),
            (b"\x1f\x8b\x08", "it begins as gzip does"),
            (b"{\"a\":1", "not a JSON document"),
            (b"{\"a\":NaN}", "not a JSON document"),
            (b"{\"a\":1e999}", "not a JSON document"),
            (br#"{"a":"\ud800"}"#, "not a JSON document"),
            (br#"{"\ud800":1}"#, "not a JSON document"),
            (b"{\"a\":\"line\nbreak\"}", "not a JSON document"),
            (b"\xef\xbb\xbf", "empty"),
        ] {
            let refused = check_object(data).expect_err("no object").to_string();
            assert!(refused.starts_with(reason), "{:?}: {refused}", String::from_utf8_lossy(data));
        }
        for (depth, is_object) in [(DEPTH_MAX - 1, true), (DEPTH_MAX, false), (100_000, false)] {
            let value = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            let object = format!("{{\"a\":{value}}}");
            assert_eq!(check_object(object.as_bytes()).is_ok(), is_object, "deep nesting is an error, not a crash");
            assert_eq!(check_value(&value).is_ok(), is_object);
        }
    }
}
