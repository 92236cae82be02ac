//! Shard iterators: a place in a shard, good for five minutes.

use model::clock::Timestamp;
use model::name::StreamName;
use model::stream::printed_sequence_number::PrintedSequenceNumber;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;

use crate::aws::error::AwsError;
use crate::kinesis::limits::ITERATOR_MILLIS_MAX;
use crate::kinesis::token;
use crate::kinesis::token::Kind;

/// Where a reader goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShardIterator {
    pub(crate) stream: StreamName,
    /// Tells a stream from a later one of the same name.
    pub(crate) stream_created_at: Timestamp,
    pub(crate) shard: ShardId,
    pub(crate) next: SequenceNumber,
}

const STREAM_AT: usize = 20;

impl ShardIterator {
    /// The text for the client; below 512 characters for the longest stream name.
    pub(crate) fn seal(&self, now: Timestamp) -> String {
        let mut payload = Vec::with_capacity(STREAM_AT + self.stream.as_str().len());
        payload.extend_from_slice(&self.stream_created_at.as_millis().to_le_bytes());
        payload.extend_from_slice(&self.shard.0.to_le_bytes());
        payload.extend_from_slice(&self.next.0.to_le_bytes());
        payload.extend_from_slice(self.stream.as_str().as_bytes());
        token::seal(Kind::Iterator, now, &payload)
    }

    /// Reads what a client handed back, double quotes around it tolerated as AWS does.
    pub(crate) fn open(text: &str, now: Timestamp) -> Result<ShardIterator, AwsError> {
        let invalid = || AwsError::invalid_argument("Invalid ShardIterator.");
        let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let (made_at, payload) = token::open(Kind::Iterator, text).ok_or_else(invalid)?;
        let iterator = ShardIterator::read(&payload).ok_or_else(invalid)?;
        if now.as_millis().saturating_sub(made_at.as_millis()) > ITERATOR_MILLIS_MAX {
            return Err(AwsError::new(
                "ExpiredIteratorException",
                format!(
                    "Iterator expired. The iterator was created at time {made_at} while right now it is {now} which is \
                     further in the future than the tolerated delay of {ITERATOR_MILLIS_MAX} milliseconds."
                ),
            ));
        }
        Ok(iterator)
    }

    fn read(payload: &[u8]) -> Option<ShardIterator> {
        let (head, stream) = payload.split_at_checked(STREAM_AT)?;
        let next = SequenceNumber(u64::from_le_bytes(head[12..20].try_into().ok()?));
        Some(ShardIterator {
            stream: StreamName::new(std::str::from_utf8(stream).ok()?).ok()?,
            stream_created_at: Timestamp::from_millis(i64::from_le_bytes(head[..8].try_into().ok()?)),
            shard: ShardId(u32::from_le_bytes(head[8..12].try_into().ok()?)),
            next: Some(next).filter(|next| *next <= PrintedSequenceNumber::INDEX_MAX)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn iterator(name: &str, next: u64) -> ShardIterator {
        ShardIterator {
            stream: StreamName::new(name).expect("a name"),
            stream_created_at: Timestamp::from_millis(5),
            shard: ShardId(7),
            next: SequenceNumber(next),
        }
    }

    #[test]
    fn iterators_expire_after_five_minutes_and_not_before() {
        let sealed = iterator("s", 1).seal(Timestamp::from_millis(1000));
        assert!(ShardIterator::open(&sealed, Timestamp::from_millis(1000 + ITERATOR_MILLIS_MAX)).is_ok());
        let late = ShardIterator::open(&sealed, Timestamp::from_millis(1001 + ITERATOR_MILLIS_MAX)).expect_err("late");
        assert_eq!(late.name, "ExpiredIteratorException");
    }

    proptest! {
        #[test]
        fn iterators_round_trip_in_few_characters(name in "[a-zA-Z0-9_-]{1,128}", next in 0..u64::MAX / 2) {
            let iterator = iterator(&name, next);
            let sealed = iterator.seal(Timestamp::from_millis(0));
            prop_assert!(sealed.len() <= 512);
            prop_assert_eq!(ShardIterator::open(&sealed, Timestamp::from_millis(0)), Ok(iterator.clone()));
            prop_assert_eq!(ShardIterator::open(&format!("\"{sealed}\""), Timestamp::from_millis(0)), Ok(iterator));
        }

        #[test]
        fn garbled_iterators_are_refused(at in 0usize..48, to in "[A-Za-z0-9+/]") {
            let sealed = iterator("stream", 3).seal(Timestamp::from_millis(0));
            let mut garbled = sealed.clone();
            garbled.replace_range(at..=at, &to);
            prop_assume!(garbled != sealed);
            prop_assert!(ShardIterator::open(&garbled, Timestamp::from_millis(0)).is_err());
        }
    }
}
