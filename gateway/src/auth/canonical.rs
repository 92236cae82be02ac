//! A request as one text that signer and verifier both come to: the canonical request of Signature Version 4.
//!
//! ```text
//! POST                                  method
//! /                                     path, each byte but unreserved ones and `/` as %XX
//!                                       query, decoded and encoded again, sorted
//! content-type:application/x-amz-json-1.1
//! host:localhost:4567                   the signed headers, trimmed, inner spaces as one
//! x-amz-date:20150830T123600Z
//!
//! content-type;host;x-amz-date          their names
//! e3b0c442…                             SHA-256 of the body
//! ```

use std::borrow::Cow;

use http::HeaderMap;
use http::header::HOST;

use crate::auth::error::AuthError;

/// The query parameter that holds the signature, and is therefore not signed.
pub(crate) const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

/// What the SDK for JavaScript signs over HTTP/2, in place of `host`.
pub(crate) const AUTHORITY: &str = ":authority";

/// How a path is brought into the signed form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathForm {
    /// Without `.`, `..` and empty segments, as AWS does for all services but S3.
    Normal,
    /// As it was sent: where paths name things, `//` and `/../` must not be signed as something else.
    AsSent,
}

/// The parts of a request that a signature covers, but for the body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) path_form: PathForm,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    /// What HTTP/2 has in place of `Host`.
    pub(crate) authority: Option<&'a str>,
}

impl<'a> Head<'a> {
    /// The head of a request as it came in.
    pub(crate) fn of(request: &'a http::request::Parts, path_form: PathForm) -> Self {
        Head {
            method: request.method.as_str(),
            path: request.uri.path(),
            path_form,
            query: request.uri.query().unwrap_or_default(),
            headers: &request.headers,
            authority: request.uri.authority().map(http::uri::Authority::as_str),
        }
    }

    /// The canonical request. `unsigned` is a query parameter to leave out besides the signature.
    ///
    /// Error: a signed header that the request does not have, or a path that is none.
    pub(crate) fn canonical(
        &self,
        signed_headers: &[String],
        payload_hash: &str,
        unsigned: Option<&str>,
    ) -> Result<Vec<u8>, AuthError> {
        if !self.path.starts_with('/') {
            return Err(AuthError::InvalidSignature("The path of a signed request must begin with '/'.".to_owned()));
        }
        let mut out = Vec::with_capacity(1024);
        out.extend_from_slice(self.method.as_bytes());
        out.push(b'\n');
        match self.path_form {
            PathForm::Normal => encode(normalized(self.path).as_bytes(), true, &mut out),
            PathForm::AsSent => encode(self.path.as_bytes(), true, &mut out),
        }
        out.push(b'\n');
        let skip = |name: &[u8]| name == SIGNATURE_PARAMETER.as_bytes() || unsigned.map(str::as_bytes) == Some(name);
        canonical_query(self.query, skip, &mut out);
        out.push(b'\n');
        for name in signed_headers {
            out.extend_from_slice(name.as_bytes());
            out.push(b':');
            self.write_values(name, &mut out)?;
            out.push(b'\n');
        }
        out.push(b'\n');
        out.extend_from_slice(signed_headers.join(";").as_bytes());
        out.push(b'\n');
        out.extend_from_slice(payload_hash.as_bytes());
        Ok(out)
    }

    fn write_values(&self, name: &str, out: &mut Vec<u8>) -> Result<(), AuthError> {
        if let (AUTHORITY, Some(authority)) = (name, self.authority) {
            out.extend_from_slice(authority.as_bytes());
            return Ok(());
        }
        // Each stands in for the other, for a proxy may have turned HTTP/2 into HTTP/1.1.
        let host = matches!(name, AUTHORITY | "host");
        let mut found = false;
        for value in self.headers.get_all(if host { HOST.as_str() } else { name }) {
            if found {
                out.push(b',');
            }
            found = true;
            write_value(value.as_bytes(), out);
        }
        if let (false, Some(authority)) = (found, self.authority.filter(|_| host)) {
            found = true;
            out.extend_from_slice(authority.as_bytes());
        }
        let missing = || AuthError::InvalidSignature(format!("The signed header '{name}' is not in the request."));
        if found { Ok(()) } else { Err(missing()) }
    }
}

/// Trimmed, and runs of spaces as one.
fn write_value(value: &[u8], out: &mut Vec<u8>) {
    let mut words = value.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    out.extend_from_slice(words.next().unwrap_or_default());
    for word in words {
        out.push(b' ');
        out.extend_from_slice(word);
    }
}

/// A path without empty, `.` and `..` segments. It ends in `/` where it did before.
fn normalized(path: &str) -> Cow<'_, str> {
    let plain = !path.contains("//") && !path.split('/').any(|segment| matches!(segment, "." | ".."));
    if plain {
        return Cow::Borrowed(path);
    }
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let open = matches!(path.rsplit('/').next(), Some("" | "." | "..")) && !segments.is_empty();
    Cow::Owned(format!("/{}{}", segments.join("/"), if open { "/" } else { "" }))
}

fn canonical_query(query: &str, skip: impl Fn(&[u8]) -> bool, out: &mut Vec<u8>) {
    let mut encoded = Vec::new();
    for (name, value) in parameters(query) {
        if skip(&name) {
            continue;
        }
        let (mut encoded_name, mut encoded_value) = (Vec::new(), Vec::new());
        encode(&name, false, &mut encoded_name);
        encode(&value, false, &mut encoded_value);
        encoded.push((encoded_name, encoded_value));
    }
    encoded.sort_unstable();
    for (i, (name, value)) in encoded.into_iter().enumerate() {
        if i > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(&name);
        out.push(b'=');
        out.extend_from_slice(&value);
    }
}

/// The decoded parameters of a query in their order. `+` is a space, as it is to whoever reads them after us.
pub(crate) fn parameters(query: &str) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

fn decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let four = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16)).map(|digit| digit as u8);
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], four(at + 1), four(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            (byte, ..) => out.push(byte),
        }
        at += 1;
    }
    out
}

/// Percent-encodes all but unreserved bytes, and `/` in paths.
fn encode(bytes: &[u8], keep_slash: bool, out: &mut Vec<u8>) {
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || (keep_slash && byte == b'/') {
            out.push(byte);
        } else {
            let digit = |four: u8| b"0123456789ABCDEF"[usize::from(four)];
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}
