//! One input, written in every way that clients write it, reads the same.

#![allow(clippy::unwrap_used)]

use std::fmt::Debug;

use minicbor::data::Tag;
use minicbor::encode::Encoder;
use model::clock::Timestamp;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;

use crate::aws::error::AwsError;
use crate::aws::wire::blob::Blob;
use crate::aws::wire::format::Format;
use crate::aws::wire::output::Output;
use crate::aws::wire::text::Text;
use crate::aws::wire::time::Time;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    limit: Option<i64>,
    flag: Option<bool>,
    at: Option<Time>,
    #[serde(borrow)]
    records: Option<Vec<Entry<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    #[serde(borrow)]
    data: Blob<'a>,
    #[serde(borrow)]
    key: Text<'a>,
}

/// What an input says, whichever form it came in.
#[derive(Debug, Clone, PartialEq)]
struct Meaning {
    name: Option<String>,
    limit: Option<i64>,
    flag: Option<bool>,
    at: Option<i64>,
    records: Option<Vec<(Vec<u8>, String)>>,
}

fn meaning(input: &Input<'_>) -> Meaning {
    let entry = |entry: &Entry<'_>| {
        let mut data = Vec::new();
        entry.data.append_to(&mut data).expect("valid data");
        assert!(data.len() <= entry.data.length_max());
        (data, entry.key.to_string())
    };
    Meaning {
        name: input.name.as_deref().map(str::to_owned),
        limit: input.limit,
        flag: input.flag,
        at: input.at.map(|at| at.0.as_millis()),
        records: input.records.as_ref().map(|records| records.iter().map(entry).collect()),
    }
}

/// How a CBOR client writes.
#[derive(Debug, Clone)]
struct Style {
    /// Containers without a length, as Jackson writes them.
    indefinite: bool,
    /// Texts and byte strings in pieces, as Jackson writes long ones.
    pieces: bool,
    tag: bool,
    float_time: bool,
    /// A member nobody knows.
    unknown: bool,
    /// Absent members as nulls.
    nulls: bool,
}

fn styles() -> impl Strategy<Value = Style> {
    any::<[bool; 6]>().prop_map(|[indefinite, pieces, tag, float_time, unknown, nulls]| Style {
        indefinite,
        pieces,
        tag,
        float_time,
        unknown,
        nulls,
    })
}

fn meanings() -> impl Strategy<Value = Meaning> {
    let text = || "[a-z\"\\\\é\u{1F984}\n]{0,40}";
    let records = prop::collection::vec((prop::collection::vec(any::<u8>(), 0..50), text()), 0..30);
    (
        prop::option::of(text()),
        prop::option::of(any::<i64>()),
        prop::option::of(any::<bool>()),
        prop::option::of(0i64..4_000_000_000_000),
        prop::option::of(records),
    )
        .prop_map(|(name, limit, flag, at, records)| Meaning { name, limit, flag, at, records })
}

fn to_json(meaning: &Meaning, style: &Style) -> Vec<u8> {
    let mut body = json!({});
    let mut put = |name: &str, value: serde_json::Value| {
        if style.nulls || !value.is_null() {
            body[name] = value;
        }
    };
    put("Name", json!(meaning.name));
    put("Limit", json!(meaning.limit));
    put("Flag", json!(meaning.flag));
    put("At", json!(meaning.at.map(|at| at as f64 / 1000.0)));
    let base64 = |data: &[u8]| base64_simd::STANDARD.encode_to_string(data);
    let entry = |(data, key): &(Vec<u8>, String)| json!({"Data": base64(data), "Key": key});
    put("Records", json!(meaning.records.as_ref().map(|records| records.iter().map(entry).collect::<Vec<_>>())));
    if style.unknown {
        put("Unknown", json!([{"x": [1, "two", null]}]));
    }
    serde_json::to_vec(&body).expect("valid JSON")
}

struct Writer<'s> {
    encoder: Encoder<Vec<u8>>,
    style: &'s Style,
}

impl Writer<'_> {
    fn text(&mut self, text: &str) {
        if self.style.pieces {
            self.encoder.begin_str().unwrap();
            for piece in text.chars() {
                self.encoder.str(piece.encode_utf8(&mut [0; 4])).unwrap();
            }
            self.encoder.end().unwrap();
        } else {
            self.encoder.str(text).unwrap();
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if self.style.pieces {
            self.encoder.begin_bytes().unwrap();
            for piece in bytes.chunks(3) {
                self.encoder.bytes(piece).unwrap();
            }
            self.encoder.end().unwrap();
        } else {
            self.encoder.bytes(bytes).unwrap();
        }
    }

    fn open(&mut self, map: bool, items: usize) {
        match (self.style.indefinite, map) {
            (true, true) => self.encoder.begin_map(),
            (true, false) => self.encoder.begin_array(),
            (false, true) => self.encoder.map(items as u64),
            (false, false) => self.encoder.array(items as u64),
        }
        .unwrap();
    }

    fn close(&mut self) {
        if self.style.indefinite {
            self.encoder.end().unwrap();
        }
    }

    fn time(&mut self, millis: i64) {
        if self.style.tag {
            self.encoder.tag(Tag::new(1)).unwrap();
        }
        if self.style.float_time { self.encoder.f64(millis as f64) } else { self.encoder.i64(millis) }.unwrap();
    }

    fn member<T>(&mut self, name: &str, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        if value.is_some() || self.style.nulls {
            self.encoder.str(name).unwrap();
        }
        match value {
            Some(value) => write(self, value),
            None if self.style.nulls => {
                self.encoder.null().unwrap();
            }
            None => {}
        }
    }
}

fn to_cbor(meaning: &Meaning, style: &Style) -> Vec<u8> {
    let mut writer = Writer { encoder: Encoder::new(Vec::new()), style };
    let Meaning { name, limit, flag, at, records } = meaning;
    let given = [name.is_some(), limit.is_some(), flag.is_some(), at.is_some(), records.is_some(), style.unknown];
    let members = given.iter().enumerate().filter(|(i, given)| **given || (style.nulls && *i < 5)).count();
    writer.open(true, members);
    writer.member("Name", name.as_deref(), |writer, name| writer.text(name));
    writer.member("Limit", *limit, |writer, limit| drop(writer.encoder.i64(limit)));
    writer.member("Flag", *flag, |writer, flag| drop(writer.encoder.bool(flag)));
    writer.member("At", *at, |writer, at| writer.time(at));
    writer.member("Records", records.as_ref(), |writer, records| {
        writer.open(false, records.len());
        for (data, key) in records {
            writer.open(true, 2);
            writer.encoder.str("Data").unwrap();
            writer.bytes(data);
            writer.encoder.str("Key").unwrap();
            writer.text(key);
            writer.close();
        }
        writer.close();
    });
    if style.unknown {
        writer.encoder.str("Unknown").unwrap();
        writer.open(false, 1);
        writer.open(true, 1);
        writer.encoder.str("x").unwrap();
        writer.time(7);
        writer.close();
        writer.close();
    }
    writer.close();
    writer.encoder.into_writer()
}

proptest! {
    #[test]
    fn json_and_cbor_read_as_the_same_input(given in meanings(), style in styles()) {
        let body = to_json(&given, &style);
        let input: Input<'_> = Format::Json.read(&body).expect("valid JSON");
        prop_assert_eq!(meaning(&input), given.clone());
        let body = to_cbor(&given, &style);
        let input: Input<'_> = Format::Cbor.read(&body).expect("valid CBOR");
        prop_assert_eq!(meaning(&input), given);
    }

    #[test]
    fn no_bytes_break_the_readers(body in prop::collection::vec(any::<u8>(), 0..200)) {
        for format in [Format::Json, Format::Cbor] {
            let read: Result<Input<'_>, AwsError> = format.read(&body);
            prop_assert!(read.is_ok() || read.is_err_and(|error| error.name == "SerializationException"));
        }
    }

    #[test]
    fn no_cut_or_garbled_body_breaks_the_reader(given in meanings(), style in styles(), cut in 0usize..4096, flip: u8) {
        let mut body = to_cbor(&given, &style);
        let at = cut % body.len();
        let whole: Result<Input<'_>, AwsError> = Format::Cbor.read(&body[..at]);
        prop_assert!(at == 0 || whole.is_err());
        body[at] ^= flip;
        let _: Result<Input<'_>, AwsError> = Format::Cbor.read(&body);
    }
}

#[test]
fn whole_texts_and_byte_strings_are_borrowed() {
    let body =
        [&[0xa2, 0x64][..], b"Name", &[0x61], b"n", &[0x67], b"Records", &[0x81, 0xa2, 0x64], b"Data", &[0x41, 9]];
    let body = [&body.concat()[..], &[0x63], b"Key", &[0x61], b"k"].concat();
    let input: Input<'_> = Format::Cbor.read(&body).expect("valid CBOR");
    assert!(matches!(&input.name, Some(Text(std::borrow::Cow::Borrowed("n")))), "{input:?}");
    let records = input.records.expect("records");
    assert!(matches!(&records[0].data, Blob::Bytes(std::borrow::Cow::Borrowed([9]))), "{records:?}");
}

#[track_caller]
fn check_refused<T: Debug>(read: Result<T, AwsError>) {
    let refused = read.expect_err("refused");
    assert_eq!(refused.name, "SerializationException", "{refused:?}");
}

#[test]
fn what_is_not_the_shape_is_refused() {
    let cbor = |body: &'static [u8]| Format::Cbor.read::<Input<'static>>(body);
    assert!(cbor(&[]).is_ok());
    assert!(cbor(&[0xa0]).is_ok());
    assert!(cbor(&[0xbf, 0xff]).is_ok());
    check_refused(cbor(&[0x80]));
    check_refused(cbor(&[0xf6]));
    check_refused(cbor(&[0xa0, 0xa0]));
    check_refused(cbor(&[0xff]));
    check_refused(cbor(b"\xa1\x64Name\x05"));
    check_refused(cbor(b"\xa1\x62At\xc2\x41\x05"));
    check_refused(cbor(b"\xa1\x62At\xf9\x7e\x00"));
    check_refused(cbor(b"\xbf\x64Name\xff"));
    check_refused(Format::Json.read::<Input<'static>>(br#"{"At":"yesterday"}"#));
}

/// Nesting costs neither stack nor memory beyond the body.
#[test]
fn bombs_are_refused() {
    for opener in [&b"\x81"[..], b"\x9f", b"\xa1\x61x", b"\xbf\x61x", b"\x82\x9f", b"\x9f\x82"] {
        let bomb = [b"\xa1\x61x", opener.repeat(500_000).as_slice()].concat();
        check_refused(Format::Cbor.read::<Input<'_>>(&bomb));
    }
    check_refused(Format::Cbor.read::<Input<'_>>(&[&b"\xa1\x61x"[..], &b"\xc1".repeat(1_000_000)].concat()));
    check_refused(Format::Cbor.read::<Input<'_>>(b"\xa1\x67Records\x9b\xff\xff\xff\xff\xff\xff\xff\xff"));
    check_refused(Format::Cbor.read::<Input<'_>>(b"\xa1\x64Name\x7b\xff\xff\xff\xff\xff\xff\xff\xff"));
}

#[test]
fn times_are_written_as_aws_writes_them() {
    let at = Time(Timestamp::from_millis(1_545_084_650_987));
    let mut bytes = Vec::new();
    at.write_cbor(&mut bytes);
    assert_eq!(bytes, [0xc1, 0x1b, 0, 0, 0x01, 0x67, 0xbe, 0x38, 0xc5, 0xeb]);
    let mut text = Vec::new();
    at.write_json(&mut text);
    assert_eq!(text, b"1545084650.987");
}

#[test]
fn errors_have_one_shape_in_both_forms() {
    let error = AwsError::new("Name", "text");
    assert_eq!(Format::Json.write(&error), br#"{"__type":"Name","message":"text"}"#);
    assert_eq!(Format::Cbor.write(&error), b"\xa2\x66__type\x64Name\x67message\x64text");
}
