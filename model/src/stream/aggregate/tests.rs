use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::clock::Timestamp;
use crate::stream::hash_key::PartitionKey;
use crate::stream::sequence_number::SequenceNumber;
use crate::testing::aggregator::{Aggregator, seal};

fn record(data: impl Into<Bytes>) -> Record {
    Record {
        sequence_number: SequenceNumber(7),
        arrived_at: Timestamp::from_millis(1),
        partition_key: PartitionKey::new("outer").expect("a valid key"),
        data: data.into(),
    }
}

/// Sub-sequence number, partition key and data of each user record.
fn taken_apart(record: &Record) -> Vec<(Option<u32>, String, Vec<u8>)> {
    let one = |user: UserRecord<'_>| (user.sub_sequence_number, user.partition_key.to_owned(), user.data.to_vec());
    user_records(record, HashKeyRange::ALL, None).map(one).collect()
}

fn check_plain(data: &[u8]) {
    let record = record(data.to_vec());
    assert_eq!(taken_apart(&record), [(None, "outer".to_owned(), data.to_vec())], "{data:02x?}");
}

/// Written out by hand after AWS's page: two keys, one hash key, two records, the second with a tag.
#[test]
fn an_aggregate_written_by_hand_is_taken_apart() {
    let message =
        b"\x0a\x01a\x0a\x01b\x12\x0242\x1a\x06\x08\x00\x1a\x02hi\x1a\x0c\x08\x01\x10\x00\x1a\x01!\x22\x03\x0a\x01t";
    let data = [
        &[0xF3, 0x89, 0x9A, 0xC2][..],
        message,
        &[0xb7, 0x4a, 0x68, 0x9f, 0x4c, 0x35, 0x1d, 0xe4, 0xab, 0x99, 0x56, 0x10, 0xf3, 0xe4, 0xf0, 0xc9],
    ];
    let record = record(data.concat());
    let users: Vec<_> = user_records(&record, HashKeyRange { start: HashKey(0), end: HashKey(42) }, None).collect();
    let user = |number, partition_key, data: &'static [u8], misplaced| UserRecord {
        record: &record,
        sub_sequence_number: Some(number),
        partition_key,
        data: data.into(),
        misplaced,
    };
    // The hash of "a" is far above 42; the second record's own hash key is 42.
    assert_eq!(users, [user(0, "a", b"hi", true), user(1, "b", b"!", false)]);
}

#[test]
fn anything_less_than_an_aggregate_is_a_plain_record() {
    let good = Aggregator::pack([("a", &b"one"[..]), ("b", b"two")]);
    assert_eq!(taken_apart(&record(good.clone())).len(), 2);
    for length in 0..good.len() {
        check_plain(&good[..length]);
    }
    for bit in 0..8 * good.len() {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        check_plain(&flipped);
    }
    for message in [
        &b""[..],
        b"\x1a\x04\x08\x00\x1a\x00",                         // no such partition key
        b"\x0a\x01a\x1a\x06\x08\x00\x10\x00\x1a\x00",        // no such hash key
        b"\x0a\x01a\x12\x02-1",                              // not a hash key
        b"\x0a\x01a\x1a\x02\x08\x00",                        // a record without data
        b"\x0a\x01a\x1a\x02\x1a\x00",                        // a record without a key
        b"\x0a\x00\x1a\x04\x08\x00\x1a\x00",                 // an empty key
        b"\x0a\x01\xff\x1a\x04\x08\x00\x1a\x00",             // a key that is not text
        b"\x0a\x01a\x1a\x06\x08\x00\x1a\x00\x22\x00",        // a tag without a key
        b"\x0a\x01a\x1a\x05\x08\x00\x1a\x01",                // data that ends early
        b"\x0a\x01a\x02\x00",                                // field number 0
        b"\x0a\x01a\x23",                                    // a group without an end
        b"\x0a\x01a\x24",                                    // an end without a group
        b"\x0a\x01a\x26",                                    // a kind that does not exist
        b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", // a number of more than ten bytes
    ] {
        check_plain(&seal(message));
    }
    let key = "k".repeat(257);
    check_plain(&Aggregator::pack([(&key[..], &b""[..])]));
    check_plain(&seal(&[vec![0x2b; 1000], vec![0x2c; 1000]].concat()));
}

#[test]
fn fields_of_later_versions_and_any_order_are_fine() {
    for message in [
        &b"\x1a\x06\x08\x00\x1a\x02hi\x0a\x01a"[..], // the table behind the records
        b"\x0a\x01a\x28\x05\x1a\x06\x08\x00\x1a\x02hi", // an unknown number
        b"\x0a\x01a\x2b\x30\x01\x33\x34\x2c\x1a\x06\x08\x00\x1a\x02hi", // unknown groups, one in the other
        b"\x0a\x01a\x1a\x11\x08\x07\x08\x00\x1a\x02no\x1a\x02hi\x2d1234", // of a repeated field the last one counts
    ] {
        assert_eq!(taken_apart(&record(seal(message))), [(Some(0), "a".to_owned(), b"hi".to_vec())], "{message:02x?}");
    }
    assert_eq!(taken_apart(&record(seal(b"\x0a\x01a"))), [], "an aggregate of nothing holds nothing");
}

fn packed() -> impl Strategy<Value = Vec<(String, Option<u128>, Vec<u8>)>> {
    prop::collection::vec(("[a-e]|.{1,256}", any::<Option<u128>>(), prop::collection::vec(any::<u8>(), 0..300)), 1..40)
}

proptest! {
    #[test]
    fn what_is_packed_comes_out_in_order(packed in packed(), low: u128, high: u128) {
        let mut aggregator = Aggregator::default();
        packed.iter().for_each(|(key, hash_key, data)| aggregator.push(key, hash_key.map(HashKey), data));
        let record = record(aggregator.finish());
        let owned = HashKeyRange { start: HashKey(low.min(high)), end: HashKey(low.max(high)) };
        let users: Vec<_> = user_records(&record, owned, None).collect();
        prop_assert_eq!(users.len(), packed.len());
        for (number, (user, (key, hash_key, data))) in users.iter().zip(&packed).enumerate() {
            prop_assert_eq!(user.sub_sequence_number, Some(number as u32));
            prop_assert_eq!((user.partition_key, &user.data[..]), (&key[..], &data[..]));
            let hash_key = hash_key.map_or_else(|| HashKey::of(key), HashKey);
            prop_assert_eq!(user.misplaced, !owned.contains(hash_key));
        }
    }

    #[test]
    fn any_message_is_taken_apart_or_plain(message in prop::collection::vec(any::<u8>(), 0..200)) {
        let record = record(seal(&message));
        let users: Vec<_> = user_records(&record, HashKeyRange::ALL, None).collect();
        prop_assert!(users.iter().all(|user| user.sub_sequence_number.is_some()) || users.len() == 1);
    }
}
