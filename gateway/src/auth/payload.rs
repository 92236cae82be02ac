//! The hash of the body, as the signature covers it.
//!
//! Without `x-amz-content-sha256` the signer hashed the body, and so do we. With it, the header is what was signed, and
//! the body must hash to it. The forms of S3 that leave the body unsigned or sign it in pieces are refused by name:
//! Kinesis takes none of them, and a put whose records nobody signed would be worth nothing.

use http::HeaderMap;
use model::text::hex::hex;
use ring::digest::{SHA256, digest};

use crate::auth::error::AuthError;

/// The header that names the hash.
pub(crate) const CONTENT_SHA256: &str = "x-amz-content-sha256";

/// What a request says its body hashes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Payload {
    /// Nothing: the body says it itself.
    Computed,
    /// This, in hexadecimal.
    Stated(String),
}

impl Payload {
    /// Reads the header.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, AuthError> {
        let mut values = headers.get_all(CONTENT_SHA256).iter();
        let Some(value) = values.next() else { return Ok(Payload::Computed) };
        let text = value.to_str().unwrap_or("?").trim();
        if values.next().is_some() {
            return Err(AuthError::Incomplete(format!("The header '{CONTENT_SHA256}' occurs twice.")));
        }
        if text == "UNSIGNED-PAYLOAD" || text.starts_with("STREAMING-") {
            return Err(AuthError::InvalidSignature(format!(
                "The payload form '{text}' is not supported by this service: sign the hash of the whole body."
            )));
        }
        if text.len() != 64 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(AuthError::InvalidSignature(format!(
                "The header '{CONTENT_SHA256}' must be a SHA-256 hash in lower-case hexadecimal."
            )));
        }
        Ok(Payload::Stated(text.to_owned()))
    }

    /// The hash that was signed; the body must not have another.
    pub(crate) fn check(&self, body: &[u8]) -> Result<String, AuthError> {
        let computed = hex(digest(&SHA256, body).as_ref());
        match self {
            Payload::Stated(stated) if *stated != computed => Err(AuthError::InvalidSignature(format!(
                "The provided '{CONTENT_SHA256}' header does not match what was computed."
            ))),
            _ => Ok(computed),
        }
    }
}
