//! The 32 bytes before the records.

use serde::{Deserialize, Serialize};

use super::malformed::Malformed;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 32;
/// Bytes of the time at the beginning of each record, where [`Header::record_times`] is set.
pub const RECORD_TIME_BYTES: usize = 4;

const MAGIC: u16 = 0x5346;
const VERSION: u8 = 1;
const FLAG_TAG: u8 = 1;
const FLAG_RECORD_TIMES: u8 = 2;

/// A device, by the number it is registered under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// What a record holds, by the number it is registered under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SchemaId(pub u16);

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// A tag stands after the records.
    pub tagged: bool,
    /// Each record begins with its time, as nanoseconds after that of the first (u32).
    pub record_times: bool,
    /// What the records hold.
    pub schema_id: SchemaId,
    /// Bytes of a record, its time included.
    pub record_len: u16,
    /// Records.
    pub count: u8,
    /// Which of the source's keys the tag was made with.
    pub key_id: u8,
    /// How often the source has started.
    pub epoch: u16,
    /// Who sends.
    pub source_id: SourceId,
    /// Sequence number of the first record, within the source and epoch.
    pub first: u64,
    /// Time of the first record, nanoseconds since 1970.
    pub time_nanos: u64,
}

impl Header {
    /// Reads the header at the beginning of `bytes`; what it says of lengths is not checked against them.
    #[inline]
    pub fn read(bytes: &[u8]) -> Result<Header, Malformed> {
        let header: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or(Malformed::Short)?;
        let u16_at = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let u64_at = |at: usize| u64::from_le_bytes(*header[at..].first_chunk().expect("inside the header"));
        if u16_at(0) != MAGIC {
            return Err(Malformed::Magic);
        }
        if header[2] != VERSION {
            return Err(Malformed::Version);
        }
        if header[3] & !(FLAG_TAG | FLAG_RECORD_TIMES) != 0 {
            return Err(Malformed::Flags);
        }
        Ok(Header {
            tagged: header[3] & FLAG_TAG != 0,
            record_times: header[3] & FLAG_RECORD_TIMES != 0,
            schema_id: SchemaId(u16_at(4)),
            record_len: u16_at(6),
            count: header[8],
            key_id: header[9],
            epoch: u16_at(10),
            source_id: SourceId(u32::from_le_bytes(*header[12..].first_chunk().expect("inside the header"))),
            first: u64_at(16),
            time_nanos: u64_at(24),
        })
    }

    /// The header as bytes.
    pub fn write(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..2].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[2] = VERSION;
        bytes[3] = u8::from(self.tagged) * FLAG_TAG + u8::from(self.record_times) * FLAG_RECORD_TIMES;
        bytes[4..6].copy_from_slice(&self.schema_id.0.to_le_bytes());
        bytes[6..8].copy_from_slice(&self.record_len.to_le_bytes());
        bytes[8] = self.count;
        bytes[9] = self.key_id;
        bytes[10..12].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.source_id.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.time_nanos.to_le_bytes());
        bytes
    }

    /// Bytes of all records together.
    pub fn records_bytes(&self) -> usize {
        usize::from(self.count) * usize::from(self.record_len)
    }
}
