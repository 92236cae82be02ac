//! A cut: the records of one shard from a first to a last number, delivered as one.
//!
//! A cut that is about to be delivered can be promised in the checkpoint: [`Promise`]. After a
//! crash it is read from the stream again and delivered the same way, so that what is written twice
//! is written identically.

use std::sync::Arc;

use bytes::Bytes;
use model::archive::format::ObjectFormat;
use model::archive::name::RecordRange;
use model::clock::Timestamp;
use model::datagram::sensor_stream::SensorStream;
use model::stream::aggregate::{UserRecord, user_records};
use model::stream::hash_key::HashKeyRange;
use model::stream::record::Record;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::{ReadLimit, StreamDescription, StreamError, StreamStore};
use serde::{Deserialize, Serialize};

/// The most bytes that one read of [`read_cut`] asks for.
const READ_BYTES_MAX: usize = 1 << 20;
/// The most records that one read of [`read_cut`] asks for.
const READ_RECORDS_MAX: usize = 8192;

/// All that names a cut and what becomes of it, without the records.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CutRange {
    pub shard: ShardId,
    /// Number of the first record.
    pub first: SequenceNumber,
    /// Number of the last record, included.
    pub last: SequenceNumber,
    /// When the first record arrived.
    pub arrived_at: Timestamp,
    /// How objects made from it are written.
    pub format: ObjectFormat,
}

impl CutRange {
    /// The records, as names of objects tell them.
    pub fn records(&self) -> RecordRange {
        RecordRange { shard: self.shard, first: self.first, last: self.last }
    }
}

/// A range and its records: what a sink delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// What names it.
    pub range: CutRange,
    /// In order.
    pub records: Vec<Record>,
    /// The hash keys that the shard owns.
    pub owned: HashKeyRange,
    /// Where the records are sensor datagrams, what they hold.
    pub sensor: Option<Arc<SensorStream>>,
}

impl Cut {
    /// What producers put: the records, and of aggregates and datagrams the parts.
    pub fn user_records(&self) -> impl Iterator<Item = UserRecord<'_>> {
        self.records.iter().flat_map(|record| user_records(record, self.owned, self.sensor.as_deref()))
    }
}

/// Cuts that are about to be delivered, as kept in the checkpoint's state: JSON, empty when there
/// are none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Promise {
    /// Of each shard the ones that follow its position, in order.
    pub cuts: Vec<CutRange>,
}

impl Promise {
    /// As state bytes.
    pub fn encode(&self) -> Bytes {
        if self.cuts.is_empty() {
            return Bytes::new();
        }
        serde_json::to_vec(self).expect("numbers and names become JSON").into()
    }

    /// From state bytes.
    pub fn decode(state: &[u8]) -> Result<Promise, serde_json::Error> {
        if state.is_empty() { Ok(Promise::default()) } else { serde_json::from_slice(state) }
    }
}

/// Records that are not there any more when a cut is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Missed {
    /// They have expired in between.
    pub expired: u64,
    /// Lost to damage; an upper bound.
    pub lost: u64,
}

/// Reads a cut's records again from `source`, and counts those that are gone.
pub async fn read_cut(
    store: &dyn StreamStore,
    source: &StreamDescription,
    range: &CutRange,
) -> Result<(Vec<Record>, Missed), StreamError> {
    let between = |from: SequenceNumber, to: SequenceNumber| match source.shards.get(range.shard) {
        Some(shard) => shard.records_between(from, to),
        None => source.lives.at_least_between(from, to),
    };
    let stream = &source.name;
    let (mut records, mut expired, mut lost, mut from) = (Vec::new(), 0, 0, range.first);
    let limit = ReadLimit { records_max: READ_RECORDS_MAX, bytes_max: READ_BYTES_MAX, wait: false };
    while from <= range.last {
        let batch = match store.read(stream, range.shard, from, limit).await {
            Ok(batch) => batch,
            Err(StreamError::Trimmed { oldest, .. }) if from < oldest => {
                expired += between(from, oldest.min(range.last.next()));
                from = oldest;
                continue;
            }
            Err(StreamError::ShardNotFound { .. }) => {
                expired += between(from, range.last.next());
                break;
            }
            Err(error) => return Err(error),
        };
        let before = from;
        lost += batch.lost.min(range.last.next().0 - from.0);
        from = batch.next;
        records.extend(batch.records.into_iter().take_while(|record| record.sequence_number <= range.last));
        if from == before {
            // The tip, below a number that was read before: the stream was replaced by a younger
            // one.
            expired += between(from, range.last.next());
            break;
        }
    }
    Ok((records, Missed { expired, lost }))
}
