//! Accepted datagrams, one after the other.

use model::datagram::header::{Header, SourceId};
use model::datagram::payload::DATAGRAM_BYTES_MAX;

use super::accounts::Slot;

/// Bytes of a batch, unless it is made for other sizes.
pub const BATCH_BYTES: usize = 256 * 1024;
/// Datagrams of a batch, at most: as many as fill it at 64 bytes each.
pub const BATCH_DATAGRAMS_MAX: usize = BATCH_BYTES / 64;

/// A run of datagrams of one stream from one poller, in the order in which they came.
#[derive(Debug)]
pub struct DatagramBatch {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// Which of its reader's lanes it came through.
    pub(super) lane: usize,
}

/// Where a datagram of a batch lies, and what its writer needs to know without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its first byte.
    pub offset: u32,
    /// Its bytes.
    pub length: u16,
    /// The port it was sent to.
    pub port: u16,
    pub records: u8,
    /// Who sent it.
    pub source_id: SourceId,
    /// When it was taken from the kernel, nanoseconds since 1970.
    pub received_at_nanos: u64,
    pub(super) slot: Slot,
}

impl DatagramBatch {
    /// An empty batch with room for so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        let bytes = bytes.max(DATAGRAM_BYTES_MAX);
        DatagramBatch {
            bytes: Vec::with_capacity(bytes),
            entries: Vec::with_capacity((bytes / 64).min(BATCH_DATAGRAMS_MAX)),
            lane: 0,
        }
    }

    /// All datagrams, without anything between them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where they lie, in their order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The bytes of one of them: header, records, and tag if there is one.
    ///
    /// # Panics
    ///
    /// If the entry is not of this batch.
    pub fn datagram(&self, entry: &Entry) -> &[u8] {
        &self.bytes[entry.offset as usize..][..usize::from(entry.length)]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a datagram of so many bytes still fits without allocating.
    pub(super) fn fits(&self, length: usize) -> bool {
        self.bytes.len() + length <= self.bytes.capacity() && self.entries.len() < self.entries.capacity()
    }

    pub(super) fn push(&mut self, datagram: &[u8], header: &Header, port: u16, slot: Slot, received_at_nanos: u64) {
        self.entries.push(Entry {
            offset: self.bytes.len() as u32,
            length: u16::try_from(datagram.len()).expect("a datagram is at most 65,507 bytes"),
            port,
            records: header.count,
            source_id: header.source_id,
            received_at_nanos,
            slot,
        });
        self.bytes.extend_from_slice(datagram);
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }
}
