//! Reading a shard as consumers expect it: past retention, never over the bound, and sensor datagrams as JSON where the
//! stream says so.

use model::clock::Timestamp;
use model::datagram::sensor_stream::{SensorReaders, SensorStream};
use model::name::StreamName;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::{ReadBatch, ReadLimit, StreamError};

use crate::aws::error::AwsError;
use crate::kinesis::error;
use crate::state::GatewayState;

/// How often a read that retention overtook begins anew before it gives up.
const TRIMMED_RETRIES_MAX: usize = 8;

/// What a reader gets.
pub(crate) struct Shown {
    pub(crate) batch: ReadBatch,
    /// The stream is encrypted at rest now.
    pub(crate) encrypted: bool,
}

/// Reads, going on at the oldest record kept where retention has overtaken the reader. Cancel-safe.
pub(crate) async fn read(
    state: &GatewayState,
    stream: &StreamName,
    shard: ShardId,
    mut from: SequenceNumber,
    limit: ReadLimit,
) -> Result<Shown, AwsError> {
    let mut retries = 0;
    loop {
        match state.streams.read(stream, shard, from, limit).await {
            Ok(batch) => return shown(state, stream, within(batch, limit.bytes_max), limit.bytes_max).await,
            Err(StreamError::Trimmed { oldest, .. }) if retries < TRIMMED_RETRIES_MAX => {
                from = oldest;
                retries += 1;
            }
            Err(failure) => return Err(error::of_stream(&failure, &state.options.account_id)),
        }
    }
}

/// The records as readers of the stream get them.
async fn shown(
    state: &GatewayState,
    stream: &StreamName,
    batch: ReadBatch,
    bytes_max: usize,
) -> Result<Shown, AwsError> {
    if batch.records.is_empty() {
        return Ok(Shown { batch, encrypted: false });
    }
    let description = state.streams.describe(stream).await;
    let description = description.map_err(|failure| error::of_stream(&failure, &state.options.account_id))?;
    let batch = match &description.settings.sensor {
        Some(sensor) if sensor.readers == SensorReaders::Json => as_json(sensor, batch, bytes_max),
        _ => batch,
    };
    Ok(Shown { batch, encrypted: description.settings.encryption_key.is_some() })
}

/// Each datagram as its records in JSON, one a line. What comes over the bound by that waits for the next read, but for the
/// first record. Records that are no datagrams stay as they are.
fn as_json(sensor: &SensorStream, mut batch: ReadBatch, bytes_max: usize) -> ReadBatch {
    let mut bytes = 0;
    for index in 0..batch.records.len() {
        let record = &mut batch.records[index];
        if let Ok(datagram) = sensor.read(&record.data) {
            let mut lines = Vec::new();
            sensor.push_json_lines(&datagram, &mut lines);
            record.data = lines.into();
        }
        bytes += record.size_bytes();
        if bytes_max < bytes && 0 < index {
            batch.next = record.sequence_number;
            batch.end_of_shard = false;
            batch.records.truncate(index);
            break;
        }
    }
    batch
}

/// The store's batch may be over the bound by a part of its last record: that one waits for the next read.
fn within(mut batch: ReadBatch, bytes_max: usize) -> ReadBatch {
    let bytes: usize = batch.records.iter().map(|record| record.size_bytes()).sum();
    if bytes > bytes_max
        && batch.records.len() > 1
        && let Some(last) = batch.records.pop()
    {
        batch.next = last.sequence_number;
        batch.end_of_shard = false;
    }
    batch
}

/// How old the last record is, where there are more behind it.
pub(crate) fn millis_behind(batch: &ReadBatch, now: Timestamp) -> u64 {
    match batch.records.last() {
        Some(last) if batch.next < batch.tip => now.since(last.arrived_at).as_millis() as u64,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use model::datagram::header::{Header, SchemaId, SourceId};
    use model::datagram::payload::Datagram;
    use model::datagram::schema::{Field, FieldKind, Schema};
    use model::stream::hash_key::PartitionKey;
    use model::stream::record::Record;

    use super::*;

    fn batch(counts: &[u8]) -> ReadBatch {
        let record = |(number, count): (u64, &u8)| {
            let header = Header {
                tagged: false,
                record_times: false,
                schema_id: SchemaId(1),
                record_len: 1,
                count: *count,
                key_id: 0,
                epoch: 0,
                source_id: SourceId(5),
                first: 0,
                time_nanos: 0,
            };
            let mut data = Vec::new();
            Datagram::write(header, &vec![9; usize::from(*count)], None, &mut data);
            let partition_key = PartitionKey::new("5").expect("a key");
            let sequence_number = SequenceNumber(number);
            Record { sequence_number, arrived_at: Timestamp::from_millis(0), partition_key, data: data.into() }
        };
        let (next, tip) = (SequenceNumber(counts.len() as u64), SequenceNumber(9));
        let records = (0..).zip(counts).map(record).collect();
        ReadBatch { records, next, tip, end_of_shard: true, complete_until: Timestamp::from_millis(0), lost: 0 }
    }

    #[test]
    fn datagrams_become_lines_and_stay_within_the_bound() {
        let fields = vec![Field { name: "v".to_owned(), kind: FieldKind::U8 }];
        let schema = Schema::new(fields).expect("a schema");
        let sensor = SensorStream { schema_id: SchemaId(1), schema, readers: SensorReaders::Json };
        let line = r#"{"source":5,"epoch":0,"seq":0,"time":"1970-01-01T00:00:00.000000000Z","v":9}"#;
        let check = |bytes_max: usize, expected: &[usize], next: u64, end: bool| {
            let shown = as_json(&sensor, batch(&[1, 2, 3]), bytes_max);
            let lines = |record: &Record| record.data.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(shown.records.iter().map(lines).collect::<Vec<_>>(), expected, "{bytes_max}");
            assert_eq!((shown.next.0, shown.end_of_shard), (next, end), "{bytes_max}");
            assert!(shown.records[0].data.starts_with(line.as_bytes()));
        };
        let record = |lines: usize| 1 + lines * (line.len() + 1);
        check(usize::MAX, &[1, 2, 3], 3, true);
        check(record(1) + record(2), &[1, 2], 2, false);
        check(record(1) + record(2) - 1, &[1], 1, false);
        check(1, &[1], 1, false);
    }

    #[test]
    fn what_is_no_datagram_is_shown_as_it_is() {
        let fields = vec![Field { name: "v".to_owned(), kind: FieldKind::U16 }];
        let schema = Schema::new(fields).expect("a schema");
        let sensor = SensorStream { schema_id: SchemaId(1), schema, readers: SensorReaders::Json };
        assert_eq!(as_json(&sensor, batch(&[1]), usize::MAX), batch(&[1]));
    }
}
