//! Partition keys, their 128-bit hashes, and the intervals of hashes that shards own.

use std::fmt;
use std::str::FromStr;

use bytestring::ByteString;
use md5::{Digest, Md5};

use crate::stream::md5_lanes;

/// Longest partition key in characters
/// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecord.html>).
pub const PARTITION_KEY_LENGTH_MAX: usize = 256;

/// A partition key that is empty or too long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a partition key has 1 to {PARTITION_KEY_LENGTH_MAX} characters, this one has {length}")]
pub struct InvalidPartitionKey {
    /// Characters in what was given.
    pub length: usize,
}

/// Text of 1 to 256 characters that says which records belong together: equal keys go to the same shard, in order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionKey(ByteString);

impl PartitionKey {
    /// Checks the length. Error: [`InvalidPartitionKey`].
    pub fn new(text: impl Into<ByteString>) -> Result<Self, InvalidPartitionKey> {
        let text = text.into();
        // Up to 256 bytes cannot be more than 256 characters: count only what may be too long.
        let length = if text.len() <= PARTITION_KEY_LENGTH_MAX { text.len() } else { text.chars().count() };
        if length == 0 || length > PARTITION_KEY_LENGTH_MAX {
            return Err(InvalidPartitionKey { length });
        }
        Ok(PartitionKey(text))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// MD5 of the UTF-8 bytes as an unsigned big-endian number, as Kinesis hashes.
    pub fn hash_key(&self) -> HashKey {
        HashKey::of(&self.0)
    }
}

impl fmt::Display for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A place in the hash space 0 to 2^128 - 1; printed in decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashKey(pub u128);

impl HashKey {
    /// The first place.
    pub const MIN: HashKey = HashKey(0);
    /// The last place.
    pub const MAX: HashKey = HashKey(u128::MAX);

    /// Where the text of a partition key hashes to: see [`PartitionKey::hash_key`].
    pub fn of(partition_key: &str) -> HashKey {
        HashKey(u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into()))
    }

    /// [`PartitionKey::hash_key`] of many keys, at a third of the cost.
    pub fn of_each<'a>(keys: impl IntoIterator<Item = &'a PartitionKey>) -> Vec<HashKey> {
        let mut hashes = Vec::new();
        let (mut lanes, mut filled) = ([(0, &b""[..]); md5_lanes::LANES], 0);
        for key in keys {
            let (index, text) = (hashes.len(), key.0.as_bytes());
            if text.len() > md5_lanes::SHORT_BYTES_MAX {
                hashes.push(key.hash_key());
                continue;
            }
            hashes.push(HashKey::MIN);
            lanes[filled] = (index, text);
            filled += 1;
            if filled == md5_lanes::LANES {
                HashKey::of_lanes(&lanes, filled, &mut hashes);
                filled = 0;
            }
        }
        HashKey::of_lanes(&lanes, filled, &mut hashes);
        hashes
    }

    /// Hashes the first `filled` texts and puts each hash at the index that stands beside its text.
    fn of_lanes(lanes: &[(usize, &[u8]); md5_lanes::LANES], filled: usize, hashes: &mut [HashKey]) {
        let digests = md5_lanes::digests(lanes.map(|(_, text)| text));
        for ((index, _), digest) in lanes.iter().zip(digests).take(filled) {
            hashes[*index] = HashKey(u128::from_be_bytes(digest));
        }
    }
}

impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Text that is not `0|[1-9][0-9]{0,38}` or beyond 2^128 - 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a hash key: a decimal number from 0 to {}", u128::MAX)]
pub struct InvalidHashKey {
    /// What was given.
    pub text: String,
}

impl FromStr for HashKey {
    type Err = InvalidHashKey;

    fn from_str(text: &str) -> Result<Self, InvalidHashKey> {
        let digits = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        match text.parse() {
            Ok(number) if digits => Ok(HashKey(number)),
            _ => Err(InvalidHashKey { text: text.to_owned() }),
        }
    }
}

impl serde::Serialize for HashKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for HashKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Closed interval of hash keys: both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct HashKeyRange {
    /// First hash key of the range.
    pub start: HashKey,
    /// Last hash key of the range, included.
    pub end: HashKey,
}

impl HashKeyRange {
    /// The whole hash space.
    pub const ALL: HashKeyRange = HashKeyRange { start: HashKey::MIN, end: HashKey::MAX };

    /// Whether the range owns `key`.
    pub fn contains(&self, key: HashKey) -> bool {
        self.start <= key && key <= self.end
    }

    /// Whether some key belongs to both ranges.
    pub fn overlaps(&self, other: &HashKeyRange) -> bool {
        self.start <= other.end && other.start <= self.end
    }

    /// The smallest range that has all keys of both.
    #[must_use]
    pub fn joined(&self, other: &HashKeyRange) -> HashKeyRange {
        HashKeyRange { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// Whether `other` begins right after this range ends.
    pub fn is_just_before(&self, other: &HashKeyRange) -> bool {
        self.end.0.checked_add(1) == Some(other.start.0)
    }

    /// The hash space cut into `count` ranges of equal width, the last one taking the remainder. Panics on zero.
    pub fn uniform(count: u32) -> Vec<HashKeyRange> {
        assert!(count > 0, "a stream has at least one shard");
        if count == 1 {
            return vec![HashKeyRange::ALL];
        }
        let count = u128::from(count);
        // 2^128 does not fit u128; (2^128 - 1) / n differs from 2^128 / n only where n divides 2^128.
        let width = u128::MAX / count + u128::from(u128::MAX % count == count - 1);
        (0..count)
            .map(|i| HashKeyRange {
                start: HashKey(i * width),
                end: HashKey(if i + 1 == count { u128::MAX } else { (i + 1) * width - 1 }),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hash_is_md5_as_a_number() {
        // md5("a") = 0cc175b9c0f1b6a831c399e269772661
        let key = PartitionKey::new("a").expect("one character");
        assert_eq!(key.hash_key(), HashKey(0x0cc1_75b9_c0f1_b6a8_31c3_99e2_6977_2661));
    }

    proptest! {
        #[test]
        fn many_keys_hash_as_each_does(keys in prop::collection::vec("\\PC{1,60}", 0..20)) {
            let keys: Vec<_> = keys.into_iter().map(|key| PartitionKey::new(key).expect("short")).collect();
            let each: Vec<_> = keys.iter().map(PartitionKey::hash_key).collect();
            prop_assert_eq!(HashKey::of_each(&keys), each);
        }
    }

    #[test]
    fn uniform_ranges_tile_the_space() {
        for count in [1, 2, 3, 4, 7, 10, 1000] {
            let ranges = HashKeyRange::uniform(count);
            assert_eq!(ranges.len(), count as usize);
            assert_eq!(ranges[0].start, HashKey::MIN);
            assert_eq!(ranges[ranges.len() - 1].end, HashKey::MAX);
            assert!(ranges.windows(2).all(|pair| pair[0].is_just_before(&pair[1])));
        }
        assert_eq!(HashKeyRange::uniform(2)[0].end.to_string(), "170141183460469231731687303715884105727");
        assert_eq!(HashKeyRange::uniform(4)[1].start.to_string(), "85070591730234615865843651857942052864");
    }

    #[test]
    fn partition_keys_count_characters_not_bytes() {
        assert!(PartitionKey::new("é".repeat(256)).is_ok());
        assert_eq!(PartitionKey::new("é".repeat(257)), Err(InvalidPartitionKey { length: 257 }));
        assert_eq!(PartitionKey::new(""), Err(InvalidPartitionKey { length: 0 }));
    }

    #[test]
    fn hash_keys_parse_strictly() {
        assert_eq!("0".parse(), Ok(HashKey(0)));
        assert_eq!(u128::MAX.to_string().parse(), Ok(HashKey::MAX));
        for bad in ["", "01", "-1", "+1", "1e3", " 1", "340282366920938463463374607431768211456"] {
            assert!(bad.parse::<HashKey>().is_err(), "{bad}");
        }
    }
}
