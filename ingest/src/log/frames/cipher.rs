//! Frames that are encrypted: AES-256-GCM over the payload, with the frame's identity authenticated beside it.
//!
//! ```text
//! size      payload of an encrypted frame
//!   12      nonce, never used twice with the key of a segment
//!    n      what a plain frame has here, encrypted
//!   16      tag
//! ```
//!
//! The frame's checksum is over these bytes, so that where frames begin and end, and whether they are whole, is known
//! without a key. Without it nobody can read what is in such a frame, or change or move it unseen. The disk is still
//! trusted to give back what it was given last: that the newest frames are missing, that an older file was put back, or
//! that plain frames or other settings were slipped in, no key can tell.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use ring::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use ring::rand::{SecureRandom, SystemRandom};

use crate::log::error::Reason;
use crate::log::frames::frame::Header;
use crate::log::frames::key::{PLAIN, StreamKeys};
use crate::log::frames::place::Place;

/// Encrypts frames of one segment, from one opening of the stream to the next.
#[derive(Debug)]
pub struct Sealer {
    /// Which key frames name.
    pub number: u16,
    key: LessSafeKey,
    /// The first nonce is random, the others count on from it: two openings that write to the same segment, also to
    /// the same place of it after a torn write was cut, never meet.
    nonce: [u8; NONCE_LEN],
    sealed: AtomicU64,
}

impl Sealer {
    /// For the frames of a segment; nothing where there is no key of that number.
    pub fn new(keys: &StreamKeys, number: u16, place: Place) -> Option<Self> {
        let key = keys.of_segment(number, place)?;
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).expect("the system has randomness");
        Some(Sealer { number, key, nonce, sealed: AtomicU64::new(0) })
    }

    /// Encrypts the payload of the frame that `identity` tells from all others.
    pub fn seal(&self, identity: &[u8], payload: &[u8]) -> Bytes {
        let nonce = self.next_nonce();
        let mut sealed = Vec::with_capacity(NONCE_LEN + payload.len() + self.key.algorithm().tag_len());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(payload);
        let (nonce, aad) = (Nonce::assume_unique_for_key(nonce), Aad::from(identity));
        let tag = self.key.seal_in_place_separate_tag(nonce, aad, &mut sealed[NONCE_LEN..]);
        sealed.extend_from_slice(tag.expect("frames are bounded far below 64 GiB").as_ref());
        sealed.into()
    }

    fn next_nonce(&self) -> [u8; NONCE_LEN] {
        let mut nonce = self.nonce;
        let counted = nonce.first_chunk_mut().expect("a nonce is longer than a number");
        *counted = u64::from_le_bytes(*counted).wrapping_add(self.sealed.fetch_add(1, Ordering::Relaxed)).to_le_bytes();
        nonce
    }
}

/// Decrypts frames of one segment.
#[derive(Debug)]
pub struct Opener<'a> {
    keys: &'a StreamKeys,
    place: Place,
    /// Those that were met.
    met: BTreeMap<u16, LessSafeKey>,
}

impl<'a> Opener<'a> {
    /// For the segment at `place`.
    pub fn new(keys: &'a StreamKeys, place: Place) -> Self {
        Opener { keys, place, met: BTreeMap::new() }
    }

    /// The plain payload of a frame at `offset`, whose bytes have been verified.
    pub fn open(&mut self, header: &Header, offset: u64, payload: Bytes) -> Result<Bytes, Reason> {
        if header.key == PLAIN {
            return Ok(payload);
        }
        if !self.met.contains_key(&header.key) {
            let key = self.keys.of_segment(header.key, self.place);
            self.met
                .insert(header.key, key.ok_or("the frame is encrypted with a key that the manifest does not name")?);
        }
        let Some((nonce, sealed)) = payload.split_at_checked(NONCE_LEN) else {
            return Err("an encrypted frame is too short");
        };
        let nonce = Nonce::try_assume_unique_for_key(nonce).expect("cut to its length");
        let mut opened = BytesMut::from(sealed);
        let aad = Aad::from(header.identity(self.place, offset));
        let length = match self.met[&header.key].open_in_place(nonce, aad, &mut opened) {
            Ok(plain) => plain.len(),
            Err(_) => return Err("the frame does not decrypt: it is not as it was written"),
        };
        opened.truncate(length);
        Ok(opened.freeze())
    }
}
