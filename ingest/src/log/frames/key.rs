//! The keys that a stream is encrypted with at rest, and what is derived from them.
//!
//! ```text
//! key, 32 bytes, handed in ──────┐
//! salt, random, in the manifest ─┴─ HKDF-SHA256 ─┬─ "gallop check" ──────────────────────▶ the check in the manifest
//!                                                └─ "gallop segment", incarnation, segment ▶ AES-256-GCM key of a segment
//! ```
//!
//! The check tells another key of the same name before a byte is read or written. A segment's key encrypts no more
//! frames than fit in a segment, far below what random nonces allow, so that no key is ever worn out.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use model::text::hex::hex;
use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::log::error::LogError;
use crate::log::frames::place::Place;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// Bytes of a stream key's salt.
const SALT_BYTES: usize = 16;
/// Bytes of a stream key's check.
const CHECK_BYTES: usize = 32;

/// The number of frames that are not encrypted.
pub const PLAIN: u16 = 0;

/// Keys by name. Clones share them.
#[derive(Clone, Default)]
pub struct KeyRing(Arc<BTreeMap<String, [u8; KEY_BYTES]>>);

impl KeyRing {
    /// These keys.
    pub fn new(keys: BTreeMap<String, [u8; KEY_BYTES]>) -> Self {
        KeyRing(Arc::new(keys))
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A key of a stream as its manifest has it: everything but the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamKey {
    /// What frames call it; never [`PLAIN`].
    pub number: u16,
    /// What it is called outside.
    pub name: String,
    /// Makes what is derived the stream's own: hexadecimal digits, as they are.
    salt: String,
    /// Derived from the key: hexadecimal digits.
    check: String,
    /// The last segment with frames that it encrypts; none while it is in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_segment: Option<u64>,
}

impl StreamKey {
    /// Begins to use the key `name` of `ring`. Error: [`LogError::KeyMissing`].
    pub fn begin(number: u16, name: &str, ring: &KeyRing) -> Result<StreamKey, LogError> {
        let mut salt = [0; SALT_BYTES];
        SystemRandom::new().fill(&mut salt).expect("the system has randomness");
        let (name, salt) = (name.to_owned(), hex(&salt));
        let key = StreamKey { number, name, salt, check: String::new(), last_segment: None };
        let check = key.derive(ring)?.check();
        Ok(StreamKey { check, ..key })
    }

    /// The key itself. Error: [`LogError::KeyMissing`] or [`LogError::KeyDiffers`].
    fn unlock(&self, ring: &KeyRing) -> Result<Unlocked, LogError> {
        let unlocked = self.derive(ring)?;
        if unlocked.check() == self.check { Ok(unlocked) } else { Err(LogError::KeyDiffers { key: self.name.clone() }) }
    }

    fn derive(&self, ring: &KeyRing) -> Result<Unlocked, LogError> {
        let key = ring.0.get(&self.name).ok_or_else(|| LogError::KeyMissing { key: self.name.clone() })?;
        Ok(Unlocked(Salt::new(HKDF_SHA256, self.salt.as_bytes()).extract(key)))
    }
}

/// A stream's key at hand.
struct Unlocked(Prk);

impl Unlocked {
    fn check(&self) -> String {
        let mut check = [0; CHECK_BYTES];
        let derived = self.0.expand(&[b"gallop check"], HKDF_SHA256);
        derived.and_then(|derived| derived.fill(&mut check)).expect("as long as the hash");
        hex(&check)
    }

    fn of_segment(&self, place: Place) -> LessSafeKey {
        let (incarnation, segment) = (place.incarnation.to_le_bytes(), place.segment.to_le_bytes());
        let info = [&b"gallop segment"[..], &incarnation, &segment];
        let derived = self.0.expand(&info, &AES_256_GCM).expect("as long as the hash");
        LessSafeKey::new(UnboundKey::from(derived))
    }
}

/// All keys of a stream at hand.
#[derive(Default)]
pub struct StreamKeys(BTreeMap<u16, Unlocked>);

impl StreamKeys {
    /// Keys of a manifest, all of them. Error: the first that `ring` does not have, or has another of that name.
    pub fn unlock(keys: &[StreamKey], ring: &KeyRing) -> Result<Self, LogError> {
        let unlocked = keys.iter().map(|key| Ok((key.number, key.unlock(ring)?)));
        unlocked.collect::<Result<_, LogError>>().map(StreamKeys)
    }

    /// What encrypts the frames of a segment that name this key.
    pub fn of_segment(&self, number: u16, place: Place) -> Option<LessSafeKey> {
        self.0.get(&number).map(|key| key.of_segment(place))
    }
}

impl fmt::Debug for StreamKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
