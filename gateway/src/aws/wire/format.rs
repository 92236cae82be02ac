//! Which of the two forms a client speaks.

use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;

use crate::aws::body;
use crate::aws::error::AwsError;
use crate::aws::wire::output::Output;
use crate::aws::wire::{cbor, json};

/// The form of a request and of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// AWS JSON 1.1.
    Json,
    /// The same shapes in CBOR: what the SDKs for Java send.
    Cbor,
}

impl Format {
    /// What a request's headers say; JSON where they say nothing. Error: neither of the two.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Format, AwsError> {
        let content_type = headers.get(CONTENT_TYPE).map_or("", |value| value.to_str().unwrap_or("?"));
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        match media_type.to_ascii_lowercase().as_str() {
            "" | "application/x-amz-json-1.1" | "application/json" => Ok(Format::Json),
            "application/x-amz-cbor-1.1" => Ok(Format::Cbor),
            _ => Err(body::unsupported(&format!("Content-Type {media_type}"))),
        }
    }

    /// The header of answers.
    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Format::Json => "application/x-amz-json-1.1",
            Format::Cbor => "application/x-amz-cbor-1.1",
        })
    }

    /// Reads an operation's input. An empty body is an empty input, as some clients send for operations without one.
    pub(crate) fn read<'a, T: Deserialize<'a>>(self, body: &'a [u8]) -> Result<T, AwsError> {
        match self {
            Format::Json => json::read(body),
            Format::Cbor => cbor::read(body),
        }
    }

    /// Writes an answer.
    pub(crate) fn write(self, output: &impl Output) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Format::Json => output.write_json(&mut bytes),
            Format::Cbor => output.write_cbor(&mut bytes),
        }
        bytes
    }
}
