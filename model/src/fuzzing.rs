//! Properties that must hold for any bytes from outside.
//!
//! The targets in `fuzz/` (a workspace of its own, `make fuzz`) look for bytes that break them.
//! Every test run replays the corpora that they left.

use bytes::Bytes;

use crate::clock::Timestamp;
use crate::stream::aggregate::user_records;
use crate::stream::hash_key::{HashKey, HashKeyRange, PARTITION_KEY_LENGTH_MAX, PartitionKey};
use crate::stream::record::Record;
use crate::stream::sequence_number::SequenceNumber;
use crate::testing::aggregator;

/// A record that may be an aggregate: once as it is, once with the frame that makes it one if its
/// message is right.
pub fn kpl_aggregate(data: &[u8]) {
    take_apart(data);
    take_apart(&aggregator::seal(data));
}

fn take_apart(data: &[u8]) {
    let record = Record {
        sequence_number: SequenceNumber::FIRST,
        arrived_at: Timestamp::default(),
        partition_key: PartitionKey::new("key").expect("a valid key"),
        data: Bytes::copy_from_slice(data),
    };
    let all = HashKeyRange { start: HashKey(0), end: HashKey::MAX };
    let mut bytes = 0;
    for (number, part) in user_records(&record, all, None).enumerate() {
        assert!(!part.misplaced, "one shard owns everything");
        let Some(sub) = part.sub_sequence_number else {
            assert!(number == 0 && part.data == data, "a plain record is one part, and all of it");
            continue;
        };
        assert_eq!(sub as usize, number, "parts are numbered in order");
        assert!((1..=PARTITION_KEY_LENGTH_MAX).contains(&part.partition_key.chars().count()));
        bytes += part.data.len();
    }
    assert!(bytes <= data.len(), "parts are pieces of the record");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::corpus;

    #[test]
    fn the_corpus_is_replayed() {
        corpus::replay("kpl_aggregate", kpl_aggregate);
    }
}
