//! From Kafka's messages to records.
//!
//! A message's key, as text, is the record's partition key. A message of another producer may have none, or one that no
//! partition key can be (empty, over 256 characters): then the key is `partition-N`, so that records of one partition
//! stay together. A key that is not UTF-8 becomes its lowercase hex digits, at most the first 128 bytes of it. A message
//! without a value is an empty record. Kafka's headers have no place in a record: they stay in the topic and are read by
//! Kafka's clients, not through us.

use bytes::Bytes;
use model::clock::Timestamp;
use model::stream::hash_key::PartitionKey;
use model::stream::record::Record;
use model::stream::sequence_number::SequenceNumber;
use model::text::hex::hex;
use rdkafka::Message;

/// A key of this many bytes still fits as hex digits.
const HEX_KEY_BYTES_MAX: usize = 128;

/// The partition key for the key of a message in a partition.
fn partition_key(key: Option<&[u8]>, partition: i32) -> PartitionKey {
    let text = match key.map(std::str::from_utf8) {
        Some(Ok(text)) => Some(text.to_owned()),
        Some(Err(_)) => {
            let bytes = key.unwrap_or_default();
            Some(hex(&bytes[..bytes.len().min(HEX_KEY_BYTES_MAX)]))
        }
        None => None,
    };
    text.and_then(|text| PartitionKey::new(text).ok())
        .unwrap_or_else(|| PartitionKey::new(format!("partition-{partition}")).expect("a short text"))
}

/// The message as a record of a shard whose offset 0 has the number `base`, arrived no earlier than `floor`.
pub(crate) fn record(message: &impl Message, base: SequenceNumber, floor: Timestamp) -> Record {
    let offset = u64::try_from(message.offset()).expect("offsets of kept messages are not negative");
    let stamp = message.timestamp().to_millis().map_or(floor, Timestamp::from_millis);
    Record {
        sequence_number: base.plus(offset),
        arrived_at: stamp.max(floor),
        partition_key: partition_key(message.key(), message.partition()),
        data: message.payload().map(Bytes::copy_from_slice).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_becomes_a_partition_key() {
        let key = |key: Option<&[u8]>| partition_key(key, 3).as_str().to_owned();
        assert_eq!(key(Some(b"Shadowfax")), "Shadowfax");
        assert_eq!(key(Some("Þór".as_bytes())), "Þór");
        assert_eq!(key(Some(&[0xff, 0x01])), "ff01");
        assert_eq!(key(Some(&[0xff; 300])), "ff".repeat(128));
        for none in [None, Some(&b""[..]), Some("x".repeat(257).as_bytes())] {
            assert_eq!(key(none), "partition-3");
        }
    }
}
