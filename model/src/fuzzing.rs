//! Properties that must hold for any bytes from outside.
//!
//! The targets in `fuzz/` (a workspace of its own, `make fuzz`) look for bytes that break them.
//! Every test run replays the corpora that they left.

use bytes::Bytes;

use crate::archive::format::{Compression, ObjectFormat};
use crate::archive::name::{RecordRange, data_object};
use crate::clock::Timestamp;
use crate::name::StreamName;
use crate::stream::aggregate::user_records;
use crate::stream::hash_key::{HashKey, HashKeyRange, PARTITION_KEY_LENGTH_MAX, PartitionKey};
use crate::stream::record::Record;
use crate::stream::sequence_number::SequenceNumber;
use crate::table::json::read_item;
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

/// The name of an object in an archive, which anybody may write to: the range that is read from it is
/// the range of an object that Gallop could have written.
pub fn object_name(data: &[u8]) {
    let Ok(name) = std::str::from_utf8(data) else { return };
    let Some(range) = RecordRange::of_object(name) else { return };
    let stream = StreamName::new("rides").expect("a valid name");
    let format = ObjectFormat::Lines(Compression::Zstd);
    let written = data_object(&stream, range, Timestamp::default(), format);
    assert_eq!(RecordRange::of_object(written.as_str()), Some(range), "{name}");
}

/// A JSON object that becomes an item of a table: what is read of it is written, and read as the same.
pub fn table_item(data: &[u8]) {
    let Ok(item) = read_item(data) else { return };
    let written = serde_json::to_vec(&item).expect("an item that came from JSON is written as JSON");
    assert_eq!(read_item(&written).expect("what was written is read"), item);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::corpus;

    #[test]
    fn the_corpus_is_replayed() {
        corpus::replay("kpl_aggregate", kpl_aggregate);
        corpus::replay("object_name", object_name);
        corpus::replay("table_item", table_item);
    }
}
