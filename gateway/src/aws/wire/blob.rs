//! Bytes of a request: base64 text in JSON, a byte string in CBOR.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::aws::error::AwsError;
use crate::aws::wire::text::Text;

/// Bytes as they stand in the request, not decoded yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Blob<'a> {
    /// From JSON: the content of a text, which may be anything until it is decoded.
    Base64(Cow<'a, [u8]>),
    /// From CBOR.
    Bytes(Cow<'a, [u8]>),
}

impl Blob<'_> {
    /// At most so many bytes will [`Blob::append_to`] add.
    pub(crate) fn length_max(&self) -> usize {
        match self {
            Blob::Base64(text) => text.len() / 4 * 3 + 3,
            Blob::Bytes(bytes) => bytes.len(),
        }
    }

    /// Appends the bytes. `into` is unspecified after an error.
    pub(crate) fn append_to(&self, into: &mut Vec<u8>) -> Result<(), AwsError> {
        match self {
            Blob::Base64(text) => {
                let decoded = base64_simd::STANDARD.decode_append(text, into);
                decoded.map_err(|_| AwsError::serialization("Data is not valid base64."))
            }
            Blob::Bytes(bytes) => {
                into.extend_from_slice(bytes);
                Ok(())
            }
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Blob<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = Text::deserialize(deserializer)?;
            Ok(Blob::Base64(match text.0 {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            }))
        } else {
            deserializer.deserialize_any(BytesVisitor).map(Blob::Bytes)
        }
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Cow<'de, [u8]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a byte string")
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(bytes))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(bytes.to_owned()))
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Self::Value, E> {
        Ok(Cow::Owned(bytes))
    }
}
