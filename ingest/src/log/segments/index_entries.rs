//! Where frames of a shard begin, in little memory: a stream of ten thousand shards has an entry for nearly every frame,
//! and all its segments' entries are in memory.
//!
//! ```text
//! { sequence number, arrival time, offset } per entry, each as what it is above the entry before, as LEB128
//! ```

use model::clock::Timestamp;
use model::stream::sequence_number::SequenceNumber;

/// A frame with records of the shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexEntry {
    /// The shard's first record in the frame.
    pub first: SequenceNumber,
    /// When it arrived.
    pub arrived_at: Timestamp,
    /// Where the frame begins.
    pub offset: u64,
}

impl IndexEntry {
    /// What the first entry is told from.
    const ZERO: IndexEntry = IndexEntry { first: SequenceNumber(0), arrived_at: Timestamp::from_millis(0), offset: 0 };

    fn numbers(self) -> [u64; 3] {
        [self.first.0, self.arrived_at.as_millis().cast_unsigned(), self.offset]
    }

    fn of([first, arrived_at, offset]: [u64; 3]) -> Self {
        let arrived_at = Timestamp::from_millis(arrived_at.cast_signed());
        IndexEntry { first: SequenceNumber(first), arrived_at, offset }
    }
}

/// Entries in order, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntries {
    bytes: Vec<u8>,
    first: SequenceNumber,
    last: IndexEntry,
}

impl IndexEntries {
    /// One entry.
    pub fn new(entry: IndexEntry) -> Self {
        let mut entries = IndexEntries { bytes: Vec::new(), first: entry.first, last: IndexEntry::ZERO };
        entries.push(entry);
        entries
    }

    /// Adds an entry behind all others.
    pub fn push(&mut self, entry: IndexEntry) {
        for (number, before) in entry.numbers().into_iter().zip(self.last.numbers()) {
            put_number(&mut self.bytes, number.wrapping_sub(before));
        }
        self.last = entry;
    }

    /// The shard's first record that an entry names.
    pub fn first(&self) -> SequenceNumber {
        self.first
    }

    /// The entry behind all others.
    pub fn last(&self) -> IndexEntry {
        self.last
    }

    /// The entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = IndexEntry> {
        Decoded { bytes: &self.bytes, last: IndexEntry::ZERO }
    }

    /// The bytes that [`IndexEntries::decode`] reads.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads entries; nothing where they are none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut decoded = Decoded { bytes, last: IndexEntry::ZERO };
        let first = decoded.next()?;
        let last = decoded.by_ref().last().unwrap_or(first);
        decoded.bytes.is_empty().then(|| IndexEntries { bytes: bytes.to_vec(), first: first.first, last })
    }

    /// Gives back memory that was kept for more entries.
    pub fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }
}

/// Entries that are left.
struct Decoded<'a> {
    bytes: &'a [u8],
    last: IndexEntry,
}

impl Iterator for Decoded<'_> {
    type Item = IndexEntry;

    fn next(&mut self) -> Option<IndexEntry> {
        let mut rest = self.bytes;
        let mut numbers = self.last.numbers();
        for number in &mut numbers {
            *number = number.wrapping_add(take_number(&mut rest)?);
        }
        (self.bytes, self.last) = (rest, IndexEntry::of(numbers));
        Some(self.last)
    }
}

/// Appends a number as LEB128: seven bits a byte, lowest first, the highest bit set where more follow.
pub(crate) fn put_number(into: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

/// Takes such a number off the front; nothing where none stands there.
pub(crate) fn take_number(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn entries_are_what_was_pushed(numbers in prop::collection::vec((0..u64::MAX, any::<i64>(), 0..u64::MAX), 1..50)) {
            let entries: Vec<IndexEntry> = numbers
                .into_iter()
                .map(|(first, at, offset)| IndexEntry {
                    first: SequenceNumber(first), arrived_at: Timestamp::from_millis(at), offset,
                })
                .collect();
            let mut index = IndexEntries::new(entries[0]);
            entries[1..].iter().for_each(|entry| index.push(*entry));
            prop_assert_eq!(index.iter().collect::<Vec<_>>(), entries.clone());
            prop_assert_eq!((index.first(), index.last()), (entries[0].first, entries[entries.len() - 1]));
            prop_assert_eq!(IndexEntries::decode(index.bytes()), Some(index));
        }

        #[test]
        fn any_bytes_are_entries_or_none(bytes: Vec<u8>) {
            if let Some(entries) = IndexEntries::decode(&bytes) {
                prop_assert_eq!(entries.iter().last(), Some(entries.last()));
            }
        }
    }

    #[test]
    fn a_frame_among_those_of_ten_thousand_shards_takes_few_bytes() {
        let entry = |n: u64| IndexEntry {
            first: SequenceNumber(n),
            arrived_at: Timestamp::from_millis(1_800_000_000_000 + n as i64 * 30),
            offset: n * 2_700_000,
        };
        let mut entries = IndexEntries::new(entry(0));
        (1..1000).for_each(|n| entries.push(entry(n)));
        assert!(entries.bytes().len() <= 6 * 1000 + 10, "{} bytes", entries.bytes().len());
    }
}
