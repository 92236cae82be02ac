//! The tag of a datagram proves that somebody with the key made it, and that nothing was changed.
//!
//! SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012) with a key of 128
//! bits for each source and key id. It authenticates; it does not hide anything. At 64 bits,
//! forging one datagram takes 2^63 tries on average.

use std::fmt;
use std::hash::Hasher;

use siphasher::sip::SipHasher24;

/// Bytes of a tag.
pub const TAG_BYTES: usize = 8;

/// A secret that a source shares with the server.
#[derive(Clone, PartialEq, Eq)]
pub struct TagKey([u8; 16]);

/// A tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag(pub u64);

impl TagKey {
    /// A key of 128 random bits.
    pub fn new(bits: [u8; 16]) -> Self {
        TagKey(bits)
    }

    /// The tag of these bytes.
    pub fn tag(&self, bytes: &[u8]) -> Tag {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(bytes);
        Tag(hasher.finish())
    }
}

impl fmt::Debug for TagKey {
    /// Keys are not for logs.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TagKey(..)")
    }
}
