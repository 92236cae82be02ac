//! Records of one shard as one run of bytes: encoded once, by whoever appends, then numbered, written, kept for
//! readers at the tip and read without being copied.
//!
//! ```text
//! { key length u16, data length u32 } per record, then { key, data } per record
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};
use bytestring::ByteString;
use model::clock::Timestamp;
use model::stream::hash_key::PartitionKey;
use model::stream::record::{PutEntry, Record};
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::ReadLimit;

use crate::log::error::Reason;

/// Bytes of a record besides its key and its data.
pub const RECORD_ENTRY_BYTES: usize = 6;
/// The fewest bytes of a record: a key has at least one.
pub const RECORD_BYTES_MIN: usize = RECORD_ENTRY_BYTES + 1;

/// Records of one shard that have no numbers yet.
#[derive(Debug, Clone)]
pub struct Unnumbered {
    /// Whose.
    pub shard: ShardId,
    /// How many.
    pub count: u32,
    /// Their bytes.
    pub payload: Bytes,
}

impl Unnumbered {
    /// Encodes entries.
    pub fn encode<'a>(shard: ShardId, entries: impl Iterator<Item = &'a PutEntry> + Clone) -> Self {
        let bytes = entries.clone().map(|entry| RECORD_ENTRY_BYTES + entry.size_bytes()).sum();
        let mut out = BytesMut::with_capacity(bytes);
        let count = put_records(&mut out, entries);
        Unnumbered { shard, count, payload: out.freeze() }
    }

    /// All of `parts`, which are of one shard, as one; none when there are none.
    pub fn join(mut parts: Vec<Unnumbered>) -> Option<Self> {
        if parts.len() <= 1 {
            return parts.pop();
        }
        let mut out = BytesMut::with_capacity(parts.iter().map(|part| part.payload.len()).sum());
        for part in &parts {
            out.put_slice(&part.payload[..part.table_bytes()]);
        }
        for part in &parts {
            out.put_slice(&part.payload[part.table_bytes()..]);
        }
        let count = parts.iter().map(|part| part.count).sum();
        Some(Unnumbered { shard: parts[0].shard, count, payload: out.freeze() })
    }

    fn table_bytes(&self) -> usize {
        self.count as usize * RECORD_ENTRY_BYTES
    }

    /// The same records, the first of them as `first`.
    pub fn numbered(self, first: SequenceNumber, arrived_at: Timestamp) -> Block {
        Block { shard: self.shard, first, count: self.count, arrived_at, payload: self.payload }
    }
}

/// Appends a payload and says how many records are in it.
pub(crate) fn put_records<'a>(out: &mut BytesMut, entries: impl Iterator<Item = &'a PutEntry> + Clone) -> u32 {
    let mut count = 0;
    for entry in entries.clone() {
        let mut lengths = [0; RECORD_ENTRY_BYTES];
        let key_bytes = u16::try_from(entry.partition_key.as_str().len()).expect("keys are short");
        let data_bytes = u32::try_from(entry.data.len()).expect("records are bounded far below 4 GiB");
        lengths[..2].copy_from_slice(&key_bytes.to_le_bytes());
        lengths[2..].copy_from_slice(&data_bytes.to_le_bytes());
        out.put_slice(&lengths);
        count += 1;
    }
    for entry in entries {
        out.put_slice(entry.partition_key.as_str().as_bytes());
        out.put_slice(&entry.data);
    }
    count
}

/// Records of one shard, still encoded.
#[derive(Debug, Clone)]
pub struct Block {
    /// Whose.
    pub shard: ShardId,
    /// Number of the first.
    pub first: SequenceNumber,
    /// How many.
    pub count: u32,
    /// When they arrived.
    pub arrived_at: Timestamp,
    /// Verified bytes.
    pub payload: Bytes,
}

impl Block {
    /// One past the last number.
    pub fn end(&self) -> SequenceNumber {
        self.first.plus(u64::from(self.count))
    }

    /// Bytes of keys and data.
    pub fn record_bytes(&self) -> usize {
        self.payload.len().saturating_sub(self.count as usize * RECORD_ENTRY_BYTES)
    }

    /// Adds the records from `from` on to `read`, until `limit` is reached. They share the block's memory.
    pub fn read_into(&self, from: SequenceNumber, limit: ReadLimit, read: &mut Read) -> Result<(), Reason> {
        let table_bytes = self.count as usize * RECORD_ENTRY_BYTES;
        let mut table = self.payload.get(..table_bytes).ok_or("a frame's record table is too short")?;
        let mut at = table_bytes;
        let mut number = self.first;
        while table.has_remaining() && !read.is_full(limit) {
            let (key_bytes, data_bytes) = (table.get_u16_le() as usize, table.get_u32_le() as usize);
            let (data_at, end) = (at + key_bytes, at + key_bytes + data_bytes);
            if end > self.payload.len() {
                return Err("a frame's record table points outside it");
            }
            if number >= from {
                let key = ByteString::try_from(self.payload.slice(at..data_at)).ok();
                let partition_key = key.and_then(|key| PartitionKey::new(key).ok()).ok_or("a key is not a key")?;
                let data = self.payload.slice(data_at..end);
                read.push(Record { sequence_number: number, arrived_at: self.arrived_at, partition_key, data });
            }
            at = end;
            number = number.next();
        }
        Ok(())
    }
}

/// What a read has gathered so far.
#[derive(Debug, Default)]
pub struct Read {
    /// In order.
    pub records: Vec<Record>,
    bytes: usize,
}

impl Read {
    /// Whether `limit` allows no more. One record always fits.
    pub fn is_full(&self, limit: ReadLimit) -> bool {
        !self.records.is_empty() && (self.records.len() >= limit.records_max || self.bytes >= limit.bytes_max)
    }

    fn push(&mut self, record: Record) {
        self.bytes += record.size_bytes();
        self.records.push(record);
    }
}
