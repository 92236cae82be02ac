//! The decimal form in which Kinesis prints a record's place in its stream.

use std::fmt;
use std::str::FromStr;

use crate::clock::Timestamp;
use crate::stream::sequence_number::SequenceNumber;
use crate::stream::shard::ShardId;

/// The form clients see: a decimal number that they compare as a big integer.
///
/// ```text
/// hex digits   1     9                  1               16      2    9              8       1
///              "2"   shard created, s   shard, low 4b   index   00   record at, s   shard   "2"
/// ```
///
/// The layout is version 2 of what Kinesis itself uses, as reverse-engineered by kinesalite; it
/// orders by shard creation first, then by index, so a child's numbers are above its parents' when
/// it was created in a later second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PrintedSequenceNumber {
    /// When the shard was created, in whole seconds since the epoch.
    pub shard_created_secs: u64,
    /// The shard.
    pub shard: ShardId,
    /// The record's number in the shard.
    pub sequence_number: SequenceNumber,
    /// When the record arrived, in whole seconds since the epoch; zero where it stands for no
    /// record.
    pub arrived_secs: u64,
}

const SECS_MASK: u64 = (1 << 36) - 1;

/// Text that is not a sequence number of this layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a sequence number")]
pub struct InvalidSequenceNumber {
    /// What was given.
    pub text: String,
}

impl PrintedSequenceNumber {
    /// Index that Kinesis prints for the end of a shard's range.
    pub const INDEX_MAX: SequenceNumber = SequenceNumber(0x7fff_ffff_ffff_ffff);

    /// The printed form of `sequence_number` in `shard`, created at `created_at`, for a record that
    /// arrived at `arrived_at`.
    pub fn new(shard: ShardId, created_at: Timestamp, sequence_number: SequenceNumber, arrived_at: Timestamp) -> Self {
        let secs = |at: Timestamp| u64::try_from(at.as_secs()).unwrap_or(0) & SECS_MASK;
        Self { shard_created_secs: secs(created_at), shard, sequence_number, arrived_secs: secs(arrived_at) }
    }

    /// A number that no record has: above all before `next`, and below that of `next` itself. What
    /// begins at it or after it begins with `next`.
    pub fn before(shard: ShardId, created_at: Timestamp, next: SequenceNumber) -> Self {
        Self::new(shard, created_at, next, Timestamp::from_millis(0))
    }

    /// Whether it is such a number.
    pub fn is_place(&self) -> bool {
        self.arrived_secs == 0
    }

    /// High 64 and low 128 of the 188 bits.
    fn to_bits(self) -> (u64, u128) {
        let low_nibble = u64::from(self.shard.0 & 0xf);
        // From the top: 4 version, 36 created, 4 nibble, 64 index, 8 zero, 36 arrived, 32 shard, 4 version = 188 bits.
        let index = u128::from(self.sequence_number.0);
        let low = ((index & ((1 << 48) - 1)) << 80)
            | (u128::from(self.arrived_secs & SECS_MASK) << 36)
            | (u128::from(self.shard.0) << 4)
            | 2;
        let high = (2u64 << 56)
            | ((self.shard_created_secs & SECS_MASK) << 20)
            | (low_nibble << 16)
            | (self.sequence_number.0 >> 48);
        (high, low)
    }

    fn from_bits(high: u64, low: u128) -> Option<Self> {
        let shard = ShardId((low >> 4) as u32);
        let number = PrintedSequenceNumber {
            shard_created_secs: (high >> 20) & SECS_MASK,
            shard,
            sequence_number: SequenceNumber(((high & 0xffff) << 48) | (low >> 80) as u64),
            arrived_secs: (low >> 36) as u64 & SECS_MASK,
        };
        (number.to_bits() == (high, low)).then_some(number)
    }
}

/// Decimal digits taken at a time from the 192-bit number.
pub(crate) const CHUNK: u128 = 10_000_000_000_000_000_000;
const CHUNK_DIGITS: usize = 19;

/// The number in chunks of [`CHUNK_DIGITS`] decimal digits, the highest first.
pub(crate) type Chunks = [u64; 3];

impl PrintedSequenceNumber {
    pub(crate) fn chunks(self) -> Chunks {
        let (high, low) = self.to_bits();
        // Long division of three 64-bit limbs by 10^19, twice.
        let mut limbs = [high, (low >> 64) as u64, low as u64];
        let mut chunks = [0u64; 3];
        for chunk in chunks.iter_mut().rev() {
            let mut rest = 0u128;
            for limb in &mut limbs {
                let value = (rest << 64) | u128::from(*limb);
                *limb = (value / CHUNK) as u64;
                rest = value % CHUNK;
            }
            *chunk = rest as u64;
        }
        chunks
    }
}

impl fmt::Display for PrintedSequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chunks = self.chunks();
        write!(f, "{}{:019}{:019}", chunks[0], chunks[1], chunks[2])
    }
}

impl FromStr for PrintedSequenceNumber {
    type Err = InvalidSequenceNumber;

    fn from_str(text: &str) -> Result<Self, InvalidSequenceNumber> {
        let invalid = || InvalidSequenceNumber { text: text.to_owned() };
        let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        if !plain || text.is_empty() || text.len() > 3 * CHUNK_DIGITS {
            return Err(invalid());
        }
        let mut limbs = [0u64; 3];
        for digit in text.bytes() {
            let mut carry = u128::from(digit - b'0');
            for limb in limbs.iter_mut().rev() {
                let value = u128::from(*limb) * 10 + carry;
                *limb = value as u64;
                carry = value >> 64;
            }
        }
        let low = (u128::from(limbs[1]) << 64) | u128::from(limbs[2]);
        PrintedSequenceNumber::from_bits(limbs[0], low).ok_or_else(invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A number that AWS issued, taken apart by hand.
    #[test]
    fn a_number_from_aws_reads_and_prints_unchanged() {
        let text = "49590338271490256608559692538361571095921575989136588898";
        let number: PrintedSequenceNumber = text.parse().expect("AWS issued it");
        assert_eq!(number.shard, ShardId(6));
        assert_eq!(number.sequence_number, SequenceNumber(1_734_642_199));
        assert_eq!(number.shard_created_secs, 1_542_776_258);
        assert_eq!(number.arrived_secs, 1_545_084_650);
        assert_eq!(number.to_string(), text);
    }

    #[test]
    fn other_text_is_refused() {
        for bad in
            ["", "0", "1", "abc", "-4959", "049590338271490256608559692538361571095921575989136588898", &"9".repeat(57)]
        {
            assert!(bad.parse::<PrintedSequenceNumber>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn print_and_parse_round_trip(created in 0..=SECS_MASK, shard: u32, index: u64, at in 0..=SECS_MASK) {
            let number = PrintedSequenceNumber {
                shard_created_secs: created, shard: ShardId(shard), sequence_number: SequenceNumber(index), arrived_secs: at,
            };
            prop_assert_eq!(number.to_string().parse(), Ok(number));
        }

        #[test]
        fn printed_numbers_order_like_numbers(created in 1_500_000_000u64..2_000_000_000, a: u64, b: u64, at: u32, bt: u32) {
            let print = |index, at: u32| PrintedSequenceNumber {
                shard_created_secs: created, shard: ShardId(3), sequence_number: SequenceNumber(index), arrived_secs: at.into(),
            }.to_string();
            let (left, right) = (print(a, at), print(b, bt));
            prop_assume!(a != b);
            prop_assert_eq!((left.len(), &left) < (right.len(), &right), a < b);
        }
    }
}
