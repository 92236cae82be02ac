//! Opaque text that a client hands back: what it holds, when it was made, and a checksum, so that a garbled or
//! an old one is told apart. It is no secret and grants nothing.
//!
//! ```text
//! bytes   1      8                  n         4
//!         kind   made at, ms, LE    payload   CRC-32C of all before, LE
//! ```

use model::clock::Timestamp;

use crate::aws::error::AwsError;
use crate::kinesis::limits::ITERATOR_MILLIS_MAX;

/// Which kind of token it is: one is never taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Iterator = 1,
    Streams = 2,
    Shards = 3,
    Consumers = 4,
}

const CHECKSUM_BYTES: usize = 4;
const HEAD_BYTES: usize = 9;

/// Makes the text.
pub(crate) fn seal(kind: Kind, made_at: Timestamp, payload: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + payload.len() + CHECKSUM_BYTES);
    bytes.push(kind as u8);
    bytes.extend_from_slice(&made_at.as_millis().to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    base64_simd::STANDARD.encode_to_string(bytes)
}

/// Reads the text back; nothing where it is not what [`seal`] made for `kind`.
pub(crate) fn open(kind: Kind, text: &str) -> Option<(Timestamp, Vec<u8>)> {
    let mut bytes = base64_simd::STANDARD.decode_to_vec(text).ok()?;
    let checked = bytes.len().checked_sub(CHECKSUM_BYTES).filter(|length| *length >= HEAD_BYTES)?;
    let (content, checksum) = bytes.split_at(checked);
    if crc32c::crc32c(content).to_le_bytes() != checksum || content[0] != kind as u8 {
        return None;
    }
    let made_at = i64::from_le_bytes(content[1..HEAD_BYTES].try_into().expect("eight bytes"));
    bytes.truncate(checked);
    bytes.drain(..HEAD_BYTES);
    Some((Timestamp::from_millis(made_at), bytes))
}

/// What a page token holds. Error: [`AwsError::invalid_argument`], or `ExpiredNextTokenException` for an old one.
pub(crate) fn page(kind: Kind, text: &str, now: Timestamp) -> Result<String, AwsError> {
    let invalid = || AwsError::invalid_argument("Invalid NextToken.");
    let (made_at, payload) = open(kind, text).ok_or_else(invalid)?;
    if now.as_millis().saturating_sub(made_at.as_millis()) > ITERATOR_MILLIS_MAX {
        return Err(AwsError::new("ExpiredNextTokenException", "NextToken has expired. Start the listing again."));
    }
    String::from_utf8(payload).map_err(|_| invalid())
}
