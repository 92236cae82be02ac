//! The bytes of a frame: what is written at once, checked at once, and there whole or not at all.
//!
//! ```text
//! offset  size  header, 52 bytes, all numbers little-endian
//!      0     4  magic "GALF"
//!      4     1  version: 1 plain, 2 encrypted
//!      5     1  kind: 1 head of a segment, 2 records, 3 commit, 4 filler in place of lost bytes
//!      6     2  key that the payload is encrypted with  (0 where it is plain)
//!      8     4  shard                                   (0 unless records)
//!     12     4  records in the frame                    (0 unless records; 1 in a filler of checkpoints)
//!     16     8  sequence number of the first record     (0 unless records)
//!     24     8  arrival time, ms since 1970
//!     32     4  payload length
//!     36     4  CRC32C of the payload
//!     40     8  bytes from the first frame of the write group to this one
//!     48     4  CRC32C of bytes 0 to 47 and of the frame's place: stream incarnation, segment, offset (8 bytes each)
//!     52        payload: drawn in `head.rs`, `block.rs` and `commit.rs`; encrypted, in `cipher.rs`
//! ```
//!
//! The place is part of the checksum but not stored: a frame that is read from where it was not written, be it an old
//! file's block or a copy inside a record, does not verify.

use bytes::{Buf, BufMut, Bytes};
use model::clock::Timestamp;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;

use crate::log::error::Reason;
use crate::log::frames::block::Block;
use crate::log::frames::key::PLAIN;
use crate::log::frames::place::Place;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 52;
/// The first four bytes of every frame.
pub const MAGIC: [u8; 4] = *b"GALF";
const VERSION_PLAIN: u8 = 1;
const VERSION_ENCRYPTED: u8 = 2;
/// Bytes that tell a frame from every other.
pub const IDENTITY_BYTES: usize = 56;
/// Bytes of the header that belong to its identity: all before the payload's length.
const IDENTITY_HEADER_BYTES: usize = 32;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The first frame of a segment.
    Head,
    /// Records of one shard.
    Records,
    /// A checkpoint with the outputs that belong to it.
    Commit,
    /// Nothing, in the place of frames that are lost.
    Filler,
}

/// A verified header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the frame holds.
    pub kind: Kind,
    /// The number of the stream's key that encrypts the payload; [`PLAIN`] where none does.
    pub key: u16,
    /// Whose records.
    pub shard: ShardId,
    /// How many.
    pub count: u32,
    /// Number of the first.
    pub first: SequenceNumber,
    /// When they arrived.
    pub arrived_at: Timestamp,
    /// Bytes after the header.
    pub payload_bytes: u32,
    /// Their checksum.
    pub payload_crc: u32,
    /// Bytes from the first frame of the write group to this one.
    pub group_back: u64,
}

impl Header {
    /// The bytes of the header of a frame at `offset` of `place`.
    pub fn encode(&self, place: Place, offset: u64) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut out = &mut bytes[..];
        out.put_slice(&MAGIC);
        out.put_u8(if self.key == PLAIN { VERSION_PLAIN } else { VERSION_ENCRYPTED });
        out.put_u8(match self.kind {
            Kind::Head => 1,
            Kind::Records => 2,
            Kind::Commit => 3,
            Kind::Filler => 4,
        });
        out.put_u16_le(self.key);
        out.put_u32_le(self.shard.0);
        out.put_u32_le(self.count);
        out.put_u64_le(self.first.0);
        out.put_i64_le(self.arrived_at.as_millis());
        out.put_u32_le(self.payload_bytes);
        out.put_u32_le(self.payload_crc);
        out.put_u64_le(self.group_back);
        let crc = header_crc(&bytes, place, offset);
        bytes[48..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Verifies the first [`HEADER_BYTES`] of `bytes` as a header at `offset` of `place`.
    pub fn decode(bytes: &[u8], place: Place, offset: u64) -> Result<Header, Reason> {
        let bytes = bytes.first_chunk::<HEADER_BYTES>().ok_or("the file ends inside a frame header")?;
        if bytes[..4] != MAGIC {
            return Err("no frame begins here");
        }
        if header_crc(bytes, place, offset).to_le_bytes() != bytes[48..] {
            return Err("the checksum of the frame header does not fit");
        }
        let key = u16::from_le_bytes([bytes[6], bytes[7]]);
        if bytes[4] != if key == PLAIN { VERSION_PLAIN } else { VERSION_ENCRYPTED } {
            return Err("the frame is of a version that this program does not know");
        }
        let kind = match bytes[5] {
            1 => Kind::Head,
            2 => Kind::Records,
            3 => Kind::Commit,
            4 => Kind::Filler,
            _ => return Err("the frame is of a kind that this program does not know"),
        };
        let mut rest = &bytes[8..];
        let (shard, count, first) = (ShardId(rest.get_u32_le()), rest.get_u32_le(), rest.get_u64_le());
        Ok(Header {
            kind,
            key,
            shard,
            count,
            first: first_of(first, count)?,
            arrived_at: Timestamp::from_millis(rest.get_i64_le()),
            payload_bytes: rest.get_u32_le(),
            payload_crc: rest.get_u32_le(),
            group_back: rest.get_u64_le(),
        })
    }

    /// Header and payload together.
    pub fn frame_bytes(&self) -> usize {
        HEADER_BYTES + self.payload_bytes as usize
    }

    /// Whether `payload` is what was written.
    pub fn verify(&self, payload: &[u8]) -> Result<(), Reason> {
        let fits = payload.len() == self.payload_bytes as usize && crc32c::crc32c(payload) == self.payload_crc;
        if fits { Ok(()) } else { Err("the checksum of the frame's payload does not fit") }
    }

    /// What tells the frame at `offset` of `place` from every other, whatever its payload's length.
    pub fn identity(&self, place: Place, offset: u64) -> [u8; IDENTITY_BYTES] {
        let mut identity = [0; IDENTITY_BYTES];
        let (header, salt) = identity.split_at_mut(IDENTITY_HEADER_BYTES);
        header.copy_from_slice(&self.encode(place, offset)[..IDENTITY_HEADER_BYTES]);
        salt.copy_from_slice(&place.bytes_at(offset));
        identity
    }

    /// The records of a records frame, given its plain payload.
    pub fn block(&self, payload: Bytes) -> Block {
        Block { shard: self.shard, first: self.first, count: self.count, arrived_at: self.arrived_at, payload }
    }
}

/// The frame at `offset` of a segment's bytes, verified, with its payload.
pub fn frame_at(bytes: &Bytes, place: Place, offset: usize) -> Result<(Header, Bytes), Reason> {
    let header = Header::decode(&bytes[offset..], place, offset as u64)?;
    let end = offset + header.frame_bytes();
    if end > bytes.len() {
        return Err("the file ends inside a frame");
    }
    let payload = bytes.slice(offset + HEADER_BYTES..end);
    header.verify(&payload)?;
    Ok((header, payload))
}

/// The number of the first of `count` records, which all have numbers.
pub(crate) fn first_of(first: u64, count: u32) -> Result<SequenceNumber, Reason> {
    match first.checked_add(u64::from(count)) {
        Some(_) => Ok(SequenceNumber(first)),
        None => Err("the records of a frame have numbers above the last there is"),
    }
}

fn header_crc(bytes: &[u8; HEADER_BYTES], place: Place, offset: u64) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..48]), &place.bytes_at(offset))
}
