//! Many small records as one run of bytes, for sources of datagrams.
//!
//! Work is done once for each key where it does not have to be done for each record.
//!
//! ```text
//! keys     [ ("17", hash), ("18", hash), .. ]         hashed once, shared by runs
//! entries  [ (key 0, 64 bytes), (key 1, 64 bytes), .. ]
//! data     [ record | record | .. ]                   in the order of the entries
//! ```

use std::sync::Arc;

use bytes::Bytes;

use crate::stream::hash_key::{HashKey, PartitionKey};
use crate::stream::record::PutEntry;

/// Partition keys with their hashes; runs name them by their place.
#[derive(Debug, Clone, Default)]
pub struct RunKeys {
    keys: Vec<(PartitionKey, HashKey)>,
}

impl RunKeys {
    /// Adds a key and says what entries call it.
    ///
    /// # Panics
    ///
    /// Over 2^32 keys.
    pub fn add(&mut self, key: PartitionKey) -> u32 {
        let place = u32::try_from(self.keys.len()).expect("keys are bounded far below 2^32");
        let hash = key.hash_key();
        self.keys.push((key, hash));
        place
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// A key and its hash.
    ///
    /// # Panics
    ///
    /// Where [`RunKeys::add`] has not given `place`.
    pub fn get(&self, place: u32) -> (&PartitionKey, HashKey) {
        let (key, hash) = &self.keys[place as usize];
        (key, *hash)
    }
}

/// A record of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunEntry {
    /// Its key's place.
    pub key: u32,
    /// Bytes of its data.
    pub bytes: u32,
}

/// Records that were not numbered yet.
#[derive(Debug, Clone)]
pub struct PutRun {
    keys: Arc<RunKeys>,
    entries: Vec<RunEntry>,
    data: Bytes,
}

impl PutRun {
    /// Records of `data`, one after the other as `entries` say.
    ///
    /// # Panics
    ///
    /// If the entries are not exactly as long as `data`, or name a key that is not there.
    pub fn new(keys: Arc<RunKeys>, entries: Vec<RunEntry>, data: Bytes) -> PutRun {
        let (mut bytes, mut places) = (0_usize, 0);
        for entry in &entries {
            bytes += entry.bytes as usize;
            places = places.max(entry.key as usize + 1);
        }
        assert!(bytes == data.len() && places <= keys.len(), "the entries say what is in the data");
        PutRun { keys, entries, data }
    }

    /// The keys that entries name.
    pub fn keys(&self) -> &RunKeys {
        &self.keys
    }

    /// The records in their order.
    pub fn entries(&self) -> &[RunEntry] {
        &self.entries
    }

    /// The bytes of all records.
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// What counts against size limits, of each record: the bytes of its data and of its key.
    pub fn sizes(&self) -> impl Iterator<Item = usize> {
        self.entries.iter().map(|entry| entry.bytes as usize + self.keys.get(entry.key).0.as_str().len())
    }

    /// The same of all records together.
    pub fn size_bytes(&self) -> usize {
        self.sizes().sum()
    }

    /// The records at `places`, which are in order, as a run of their own.
    pub fn at(&self, places: &[usize]) -> PutRun {
        let (mut entries, mut data) = (Vec::with_capacity(places.len()), Vec::new());
        let (mut next, mut begin) = (places.iter().copied().peekable(), 0);
        for (place, entry) in self.entries.iter().enumerate() {
            let end = begin + entry.bytes as usize;
            if next.next_if_eq(&place).is_some() {
                entries.push(*entry);
                data.extend_from_slice(&self.data[begin..end]);
            }
            begin = end;
        }
        PutRun { keys: Arc::clone(&self.keys), entries, data: data.into() }
    }

    /// The same as entries of their own, which share the run's bytes.
    pub fn to_entries(&self) -> Vec<PutEntry> {
        let mut at = 0;
        let entry = |entry: &RunEntry| {
            let end = at + entry.bytes as usize;
            let data = self.data.slice(at..end);
            at = end;
            let (key, hash) = self.keys.get(entry.key);
            PutEntry { partition_key: key.clone(), explicit_hash_key: Some(hash), data }
        };
        self.entries.iter().map(entry).collect()
    }
}
