//! What an action answers with.

use minicbor_serde::Serializer;
use serde::ser::Serialize;

/// An answer in both forms. Everything that derives `Serialize` is one; hot answers write their bytes themselves.
pub(crate) trait Output {
    /// Appends the JSON form.
    fn write_json(&self, into: &mut Vec<u8>);
    /// Appends the CBOR form.
    fn write_cbor(&self, into: &mut Vec<u8>);
}

impl<T: Serialize> Output for T {
    fn write_json(&self, into: &mut Vec<u8>) {
        serde_json::to_writer(into, self).expect("answers hold nothing that JSON does not");
    }

    fn write_cbor(&self, into: &mut Vec<u8>) {
        self.serialize(&mut Serializer::new(into)).expect("answers hold nothing that CBOR does not");
    }
}

/// The answer of an operation without output: no bytes at all, not even an empty object.
#[derive(Debug)]
pub(crate) struct Empty;

impl Output for Empty {
    fn write_json(&self, _into: &mut Vec<u8>) {}
    fn write_cbor(&self, _into: &mut Vec<u8>) {}
}

/// A value that is written as the text it displays as.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<T>(pub(crate) T);

impl<T: std::fmt::Display> Serialize for Shown<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
