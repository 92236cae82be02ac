//! Which of the two forms a client uses.

use serde::Deserialize;

use crate::aws::error::AwsError;
use crate::aws::wire::output::Output;
use crate::aws::wire::{cbor, json};

/// The form of a request and of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// JSON.
    Json,
    /// The same shapes in CBOR: what the SDKs for Java send.
    Cbor,
}

impl Format {
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
