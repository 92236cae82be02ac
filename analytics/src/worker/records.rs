//! Records as the body of a frame.
//!
//! ```text
//! | sequence number u64 | arrived at i64, ms | key bytes u32 | data bytes u32 | key | data |   for every record
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};
use bytestring::ByteString;
use model::clock::Timestamp;
use model::stream::hash_key::PartitionKey;
use model::stream::record::Record;
use model::stream::sequence_number::SequenceNumber;

const FIXED_BYTES: usize = 24;

/// Bytes that are no records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are no records")]
pub(crate) struct NoRecords;

/// The records as bytes.
pub(crate) fn encode(records: &[Record]) -> Bytes {
    let bytes: usize = records.iter().map(|record| FIXED_BYTES + record.size_bytes()).sum();
    let mut body = BytesMut::with_capacity(bytes);
    for record in records {
        let key = record.partition_key.as_str();
        body.put_u64_le(record.sequence_number.0);
        body.put_i64_le(record.arrived_at.as_millis());
        body.put_u32_le(key.len() as u32);
        body.put_u32_le(record.data.len() as u32);
        body.put_slice(key.as_bytes());
        body.put_slice(&record.data);
    }
    body.freeze()
}

/// The records that [`encode`] wrote.
pub(crate) fn decode(mut body: Bytes) -> Result<Vec<Record>, NoRecords> {
    let mut records = Vec::new();
    while !body.is_empty() {
        if body.len() < FIXED_BYTES {
            return Err(NoRecords);
        }
        let sequence_number = SequenceNumber(body.get_u64_le());
        let arrived_at = Timestamp::from_millis(body.get_i64_le());
        let (key, data) = (body.get_u32_le() as usize, body.get_u32_le() as usize);
        if body.len() < key.saturating_add(data) {
            return Err(NoRecords);
        }
        let key = ByteString::try_from(body.split_to(key)).map_err(|_| NoRecords)?;
        let partition_key = PartitionKey::new(key).map_err(|_| NoRecords)?;
        records.push(Record { sequence_number, arrived_at, partition_key, data: body.split_to(data) });
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    #[test]
    fn records_come_out_as_they_went_in_and_cut_ones_are_refused() {
        for seed in 0..200 {
            let mut random = SmallRng::seed_from_u64(seed);
            let record = |random: &mut SmallRng| Record {
                sequence_number: SequenceNumber(random.random()),
                arrived_at: Timestamp::from_millis(random.random_range(0..1 << 50)),
                partition_key: PartitionKey::new("ä".repeat(random.random_range(1..9))).unwrap(),
                data: (0..random.random_range(0..50)).map(|_| random.random::<u8>()).collect(),
            };
            let records: Vec<Record> = (0..random.random_range(1..9)).map(|_| record(&mut random)).collect();
            let body = encode(&records);
            assert_eq!(decode(body.clone()), Ok(records), "seed {seed}");
            let cut = body.len() - random.random_range(1..FIXED_BYTES.min(body.len()));
            assert!(
                decode(body.slice(..cut)).is_ok_and(|_| false) || decode(body.slice(..cut)).is_err(),
                "seed {seed}"
            );
        }
    }
}
