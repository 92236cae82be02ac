//! Sequence numbers: a record's position in its shard.
//!
//! Inside, a number is a `u64` for each shard. At the border it has the 56-digit form of Kinesis
//! ([`crate::stream::printed_sequence_number`]), which clients compare as a big integer. A child
//! shard is created in a later second than its parents, so the printed numbers keep the order of
//! the lineage.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A record's number in its shard: strictly increasing, gaps allowed. A child shard's first number
/// is above its parents' last, and a stream's above those of all earlier streams of its name
/// ([`crate::stream::lives`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SequenceNumber(pub u64);

impl SequenceNumber {
    /// The first number there is.
    pub const FIRST: SequenceNumber = SequenceNumber(0);

    /// The number after this one.
    #[must_use]
    pub fn next(self) -> SequenceNumber {
        SequenceNumber(self.0.checked_add(1).expect("2^64 records do not fit a shard"))
    }

    /// The number `count` after this one.
    #[must_use]
    pub fn plus(self, count: u64) -> SequenceNumber {
        SequenceNumber(self.0.checked_add(count).expect("2^64 records do not fit a shard"))
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
