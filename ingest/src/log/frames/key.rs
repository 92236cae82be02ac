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
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use model::blocking::blocking;
use model::text::hex::hex;
use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

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

/// Keys by name.
pub type Keys = BTreeMap<String, [u8; KEY_BYTES]>;
/// Reads the keys that there are now; blocks. Error: why they cannot be used.
pub type ReadKeys = dyn Fn() -> Result<Keys, String> + Send + Sync;

/// Keys by name. Clones share them.
#[derive(Clone, Default)]
pub struct KeyRing(Arc<Ring>);

#[derive(Default)]
struct Ring {
    /// A key that is here once stays as it is: streams are encrypted with it.
    keys: RwLock<Keys>,
    source: Option<Arc<ReadKeys>>,
    /// How many reads of the source have begun.
    begun: AtomicU64,
    /// One read at a time.
    last: tokio::sync::Mutex<LastRead>,
}

/// The last read of the source that came to its end.
#[derive(Default)]
struct LastRead {
    /// Which one it was, counted from 1 by their beginnings.
    number: u64,
    /// Why it failed, if it did.
    trouble: Option<String>,
}

impl KeyRing {
    /// These keys.
    pub fn new(keys: Keys) -> Self {
        KeyRing(Arc::new(Ring { keys: RwLock::new(keys), ..Ring::default() }))
    }

    /// The keys of `source`, which is read again when a key is wanted that was not there before.
    /// Error: why it cannot be used now.
    pub fn reading(source: Arc<ReadKeys>) -> Result<Self, String> {
        let keys = RwLock::new(source()?);
        Ok(KeyRing(Arc::new(Ring { keys, source: Some(source), ..Ring::default() })))
    }

    fn get(&self, name: &str) -> Option<[u8; KEY_BYTES]> {
        self.0.keys.read().expect("no holder of the lock panics").get(name).copied()
    }

    /// Looks for a key where keys come from, unless it is at hand. Those who ask at once share one
    /// read. Error: why the source cannot be used; the keys at hand stay.
    pub async fn look_for(&self, name: &str) -> Result<(), String> {
        let Some(source) = self.0.source.clone().filter(|_| self.get(name).is_none()) else { return Ok(()) };
        let begun_before = self.0.begun.load(Ordering::Relaxed);
        let mut last = self.0.last.lock().await;
        if last.number <= begun_before {
            let number = self.0.begun.fetch_add(1, Ordering::Relaxed) + 1;
            let read = blocking(move || source()).await;
            *last = LastRead { number, trouble: read.map(|keys| self.add(keys)).err() };
        }
        last.trouble.clone().map_or(Ok(()), Err)
    }

    fn add(&self, found: Keys) {
        let mut keys = self.0.keys.write().expect("no holder of the lock panics");
        for (name, key) in found {
            match keys.entry(name) {
                Entry::Vacant(place) => {
                    info!(key = place.key(), "key added");
                    place.insert(key);
                }
                Entry::Occupied(there) if *there.get() != key => {
                    warn!(
                        key = there.key(),
                        "the key file has another key of this name now: the one read before is used"
                    );
                }
                Entry::Occupied(_) => {}
            }
        }
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys.read().expect("no holder of the lock panics").keys()).finish()
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
        let key = ring.get(&self.name).ok_or_else(|| LogError::KeyMissing { key: self.name.clone() })?;
        Ok(Unlocked(Salt::new(HKDF_SHA256, self.salt.as_bytes()).extract(&key)))
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
