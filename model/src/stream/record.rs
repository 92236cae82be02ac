//! The entries that producers put, and the records that streams keep.

use bytes::Bytes;

use crate::clock::Timestamp;
use crate::stream::hash_key::{HashKey, PartitionKey};
use crate::stream::sequence_number::SequenceNumber;
use crate::stream::shard::ShardId;

/// Handed over by a producer, not yet numbered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutEntry {
    /// Says which records belong together.
    pub partition_key: PartitionKey,
    /// Chooses the shard in place of the partition key's hash.
    pub explicit_hash_key: Option<HashKey>,
    /// The record itself; may be empty.
    pub data: Bytes,
}

impl PutEntry {
    /// An entry routed by its partition key.
    pub fn new(partition_key: PartitionKey, data: impl Into<Bytes>) -> Self {
        PutEntry { partition_key, explicit_hash_key: None, data: data.into() }
    }

    /// Where the entry belongs in the hash space.
    pub fn hash_key(&self) -> HashKey {
        self.explicit_hash_key.unwrap_or_else(|| self.partition_key.hash_key())
    }

    /// [`PutEntry::hash_key`] of each of many entries, at a third of the cost.
    pub fn hash_keys(entries: &[PutEntry]) -> Vec<HashKey> {
        if let [entry] = entries {
            return vec![entry.hash_key()];
        }
        let mut hashes = HashKey::of_each(entries.iter().map(|entry| &entry.partition_key));
        for (hash, entry) in hashes.iter_mut().zip(entries) {
            *hash = entry.explicit_hash_key.unwrap_or(*hash);
        }
        hashes
    }

    /// What counts against size limits: the bytes of the data and of the key.
    pub fn size_bytes(&self) -> usize {
        self.data.len() + self.partition_key.as_str().len()
    }
}

/// Kept and numbered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Place in the shard.
    pub sequence_number: SequenceNumber,
    /// When the store accepted the record; never decreasing in a shard.
    pub arrived_at: Timestamp,
    /// The producer's key.
    pub partition_key: PartitionKey,
    /// The producer's bytes, unchanged.
    pub data: Bytes,
}

impl Record {
    /// What counts against size limits: the bytes of the data and of the key.
    pub fn size_bytes(&self) -> usize {
        self.data.len() + self.partition_key.as_str().len()
    }
}

/// Where an accepted entry went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The shard that took it.
    pub shard: ShardId,
    /// Its number there.
    pub sequence_number: SequenceNumber,
    /// When the store accepted it.
    pub arrived_at: Timestamp,
}
