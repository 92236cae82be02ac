//! Printing the sequence numbers of many records of a shard, one after the other.
//!
//! In the printed form the index stands 80 bits up, so the next record's number is the one before plus 2^80, as long as
//! both arrived in the same second: an addition in place of a division of 192 bits.

use crate::clock::Timestamp;
use crate::stream::printed_sequence_number::{CHUNK, Chunks, PrintedSequenceNumber};
use crate::stream::sequence_number::SequenceNumber;
use crate::stream::shard::ShardId;

/// 2^80, the distance of two neighbours, in chunks.
const STEP: Chunks = [0, 120_892, 5_819_614_629_174_706_176];

/// A record that follows the one before by at most so many is printed by adding.
const STEPS_MAX: u64 = 16;

/// Prints numbers of one shard; quick where they follow each other.
#[derive(Debug, Clone)]
pub struct SequenceNumberPrinter {
    shard: ShardId,
    created_at: Timestamp,
    last: Option<Last>,
    text: Vec<u8>,
}

/// What was printed last.
#[derive(Debug, Clone, Copy)]
struct Last {
    number: SequenceNumber,
    arrived_secs: i64,
    chunks: Chunks,
}

impl SequenceNumberPrinter {
    /// For records of `shard`, created at `created_at`.
    pub fn new(shard: ShardId, created_at: Timestamp) -> Self {
        SequenceNumberPrinter { shard, created_at, last: None, text: Vec::new() }
    }

    /// The shard.
    pub fn shard(&self) -> ShardId {
        self.shard
    }

    /// The printed form of [`PrintedSequenceNumber::new`].
    pub fn text(&mut self, number: SequenceNumber, arrived_at: Timestamp) -> &str {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        self.print(number, arrived_at, &mut text);
        self.text = text;
        std::str::from_utf8(&self.text).expect("digits are text")
    }

    /// Appends the printed form of [`PrintedSequenceNumber::new`].
    pub fn print(&mut self, number: SequenceNumber, arrived_at: Timestamp, into: &mut Vec<u8>) {
        let arrived_secs = arrived_at.as_secs();
        let steps = self.last.filter(|last| last.arrived_secs == arrived_secs);
        let steps = steps.and_then(|last| Some((last.chunks, number.0.checked_sub(last.number.0)?)));
        let chunks = match steps {
            Some((mut chunks, steps)) if steps <= STEPS_MAX => {
                (0..steps).for_each(|_| add_step(&mut chunks));
                chunks
            }
            _ => PrintedSequenceNumber::new(self.shard, self.created_at, number, arrived_at).chunks(),
        };
        self.last = Some(Last { number, arrived_secs, chunks });
        let [high, middle, low] = chunks.map(digits);
        let zeros = high.iter().take_while(|digit| **digit == b'0').count();
        into.extend_from_slice(&high[zeros..]);
        into.extend_from_slice(&middle);
        into.extend_from_slice(&low);
    }
}

fn add_step(chunks: &mut Chunks) {
    let mut carry = 0;
    for (chunk, step) in chunks.iter_mut().zip(STEP).rev() {
        // Below 2 * 10^19 + 1, which is more than 64 bits.
        let sum = u128::from(*chunk) + u128::from(step) + carry;
        carry = u128::from(sum >= CHUNK);
        *chunk = (sum - carry * CHUNK) as u64;
    }
}

/// The 19 digits of a chunk.
fn digits(chunk: u64) -> [u8; 19] {
    let mut text = [0; 19];
    let (high, rest) = (chunk / 10_000_000_000_000_000, chunk % 10_000_000_000_000_000);
    text[..3].copy_from_slice(&eight_digits(high)[5..]);
    text[3..11].copy_from_slice(&eight_digits(rest / 100_000_000));
    text[11..].copy_from_slice(&eight_digits(rest % 100_000_000));
    text
}

/// The digits of a number below 10^8: the number is cut in halves three times, all parts of one cut in one register.
fn eight_digits(number: u64) -> [u8; 8] {
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x7f_0000_007f;
    let twos = hundreds | ((fours - hundreds * 100) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    let ones = tens | ((twos - tens * 10) << 8);
    (ones | 0x3030_3030_3030_3030).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn digits_are_those_of_the_number() {
        for number in (0..100_000_000).step_by(997).chain([9, 10, 99, 100, 9_999, 10_000, 99_999_999]) {
            assert_eq!(std::str::from_utf8(&eight_digits(number)), Ok(&*format!("{number:08}")));
        }
        for number in [0, 1, 9_999_999_999_999_999_999, 1_000_000_000_000_000_000] {
            assert_eq!(std::str::from_utf8(&digits(number)), Ok(&*format!("{number:019}")));
        }
    }

    proptest! {
        #[test]
        fn prints_what_the_number_prints(
            created in 0i64..1 << 36, shard: u32, first in 0..u64::MAX >> 1,
            steps in prop::collection::vec((0u64..40, 0i64..700), 1..60),
        ) {
            let (shard, created_at) = (ShardId(shard), Timestamp::from_millis(created * 1000));
            let mut printer = SequenceNumberPrinter::new(shard, created_at);
            let (mut number, mut arrived_at) = (first, created_at);
            for (step, millis) in steps {
                (number, arrived_at) = (number + step, Timestamp::from_millis(arrived_at.as_millis() + millis));
                let mut found = Vec::new();
                printer.print(SequenceNumber(number), arrived_at, &mut found);
                let right = PrintedSequenceNumber::new(shard, created_at, SequenceNumber(number), arrived_at);
                prop_assert_eq!(String::from_utf8(found), Ok(right.to_string()));
                prop_assert_eq!(printer.text(SequenceNumber(number), arrived_at), right.to_string());
            }
        }
    }
}
