//! Holds a delivery's records in memory, shard by shard, and decides where to cut. Pure: no I/O,
//! time is handed in, as the elapsed time of the clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::archive::format::ObjectFormat;
use model::archive::name::hour_of;
use model::clock::Timestamp;
use model::datagram::sensor_stream::SensorStream;
use model::flow::destination::SensorFormat;
use model::stream::consumer::ShardBatch;
use model::stream::hash_key::HashKeyRange;
use model::stream::record::Record;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;

use super::delivered_before::DeliveredBefore;
use super::options::DeliveryOptions;
use crate::delivery::cut::{Cut, CutRange};

/// What a record takes in memory beside its data and key, about.
const RECORD_OVERHEAD_BYTES: usize = 128;

/// Records that were read and are not cut yet, and cuts that wait to be taken.
#[derive(Debug)]
pub(super) struct Buffer {
    options: DeliveryOptions,
    /// What the source's records hold, where they are sensor datagrams.
    sensor: Option<Arc<SensorStream>>,
    open: BTreeMap<ShardId, OpenCut>,
    /// Ready, in order within a shard.
    ready: Vec<Cut>,
    /// Held by `open`, with overhead.
    open_bytes: usize,
    /// Records that are not taken.
    delivered_before: DeliveredBefore,
}

#[derive(Debug)]
struct OpenCut {
    owned: HashKeyRange,
    records: Vec<Record>,
    /// Data and keys.
    bytes: usize,
    first_buffered_at: Duration,
}

impl OpenCut {
    fn held_bytes(&self) -> usize {
        self.bytes + self.records.len() * RECORD_OVERHEAD_BYTES
    }
}

impl Buffer {
    pub(super) fn new(options: DeliveryOptions) -> Self {
        Buffer {
            options,
            sensor: None,
            open: BTreeMap::new(),
            ready: Vec::new(),
            open_bytes: 0,
            delivered_before: DeliveredBefore::default(),
        }
    }

    /// Leaves out from now on what the sink holds already.
    pub(super) fn leave_out(&mut self, delivered_before: DeliveredBefore) {
        self.delivered_before = delivered_before;
    }

    /// What records hold from now on; what they are cut into follows from it.
    fn set_sensor(&mut self, sensor: Option<&SensorStream>) {
        if self.sensor.as_deref() != sensor {
            self.open.keys().copied().collect::<Vec<_>>().into_iter().for_each(|shard| self.cut(shard));
            self.sensor = sensor.cloned().map(Arc::new);
        }
    }

    /// Takes over records of a shard that follow those before. Returns how many it leaves out.
    pub(super) fn push(&mut self, batch: ShardBatch, now: Duration) -> u64 {
        let mut left_out = 0;
        let ShardBatch { stream, shard, owned, records, position, .. } = batch;
        self.set_sensor(stream.sensor());
        for record in records {
            if self.delivered_before.has(shard, record.sequence_number) {
                // A cut's range holds no record that another object has.
                self.cut(shard);
                left_out += 1;
                continue;
            }
            if self.open.get(&shard).is_some_and(|open| self.ends_before(open, &record)) {
                self.cut(shard);
            }
            let open = self.open.entry(shard).or_insert_with(|| OpenCut {
                owned,
                records: Vec::new(),
                bytes: 0,
                first_buffered_at: now,
            });
            open.bytes += record.size_bytes();
            self.open_bytes += record.size_bytes() + RECORD_OVERHEAD_BYTES;
            open.records.push(record);
        }
        if position.finished || self.open.get(&shard).is_some_and(|open| self.options.cut_bytes_max <= open.bytes) {
            self.cut(shard);
        }
        while self.options.buffered_bytes_max < self.open_bytes {
            let (largest, _) =
                self.open.iter().max_by_key(|(_, open)| open.held_bytes()).expect("what is held is held by a shard");
            self.cut(*largest);
        }
        left_out
    }

    fn ends_before(&self, open: &OpenCut, record: &Record) -> bool {
        let options = &self.options;
        let first = &open.records[0];
        options.cut_bytes_max < open.bytes + record.size_bytes()
            || options.cut_records_max <= open.records.len()
            || (options.cut_at_hours && hour_of(first.arrived_at) != hour_of(record.arrived_at))
    }

    fn cut(&mut self, shard: ShardId) {
        let Some(open) = self.open.remove(&shard) else { return };
        self.open_bytes -= open.held_bytes();
        let (first, last) = (&open.records[0], &open.records[open.records.len() - 1]);
        let range = CutRange {
            shard,
            first: first.sequence_number,
            last: last.sequence_number,
            arrived_at: first.arrived_at,
            format: self.format(),
        };
        self.ready.push(Cut { range, records: open.records, owned: open.owned, sensor: self.sensor.clone() });
    }

    /// How objects made from the next cut are written.
    fn format(&self) -> ObjectFormat {
        match (&self.sensor, self.options.sensor_format) {
            (Some(_), SensorFormat::Parquet) => ObjectFormat::Parquet,
            (Some(_), SensorFormat::Json) | (None, _) => ObjectFormat::Lines(self.options.compression),
        }
    }

    /// When the next cut is to be taken, if nothing more comes.
    pub(super) fn due_at(&self) -> Option<Duration> {
        if !self.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        self.open.values().map(|open| open.first_buffered_at + self.options.cut_interval).min()
    }

    /// The cuts that are due by `now`; all there can be when `everything` is asked for.
    pub(super) fn take(&mut self, now: Duration, everything: bool) -> Vec<Cut> {
        let interval = self.options.cut_interval;
        let due = |open: &OpenCut| everything || open.first_buffered_at + interval <= now;
        let shards: Vec<_> = self.open.iter().filter(|(_, open)| due(open)).map(|(shard, _)| *shard).collect();
        for shard in shards {
            self.cut(shard);
        }
        std::mem::take(&mut self.ready)
    }

    /// The first record of each shard that is held: the shard's position may not pass it.
    pub(super) fn held(&self) -> impl Iterator<Item = (ShardId, SequenceNumber, Timestamp)> {
        let open = self.open.iter().map(|(shard, open)| (*shard, &open.records[0]));
        let ready = self.ready.iter().map(|cut| (cut.range.shard, &cut.records[0]));
        open.chain(ready).map(|(shard, record)| (shard, record.sequence_number, record.arrived_at))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use model::stream::checkpoint::Position;
    use model::stream::hash_key::PartitionKey;
    use model::stream::lives::Lives;
    use model::stream::shard::ShardMap;
    use model::stream::store::{StreamDescription, StreamOptions};

    use super::*;

    const HOUR: i64 = 3_600_000;

    fn records(numbers: std::ops::Range<u64>, bytes: usize, arrived_at: i64) -> Vec<Record> {
        let record = |number| Record {
            sequence_number: SequenceNumber(number),
            arrived_at: Timestamp::from_millis(arrived_at),
            partition_key: PartitionKey::new("k").unwrap(),
            data: Bytes::from(vec![b'x'; bytes - 1]),
        };
        numbers.map(record).collect()
    }

    fn batch(shard: u32, records: Vec<Record>, finished: bool) -> ShardBatch {
        let next = records.last().map_or(SequenceNumber::FIRST, |record| record.sequence_number.next());
        let stream = StreamDescription {
            name: "s".parse().unwrap(),
            created_at: Timestamp::from_millis(0),
            settings: StreamOptions::default().settings(),
            shards: ShardMap::uniform(1, Timestamp::from_millis(0)),
            lives: Lives::default(),
        };
        ShardBatch {
            stream: Arc::new(stream),
            shard: ShardId(shard),
            owned: HashKeyRange::ALL,
            records,
            position: Position { next, finished },
            at_tip: true,
            complete_until: Timestamp::MIN,
            expired: 0,
            lost: 0,
        }
    }

    fn buffer() -> Buffer {
        Buffer::new(DeliveryOptions {
            cut_bytes_max: 100,
            cut_records_max: 8,
            cut_interval: Duration::from_millis(50),
            buffered_bytes_max: 1 << 20,
            ..DeliveryOptions::for_archive()
        })
    }

    fn taken(buffer: &mut Buffer, now: u64, everything: bool) -> Vec<(u32, u64, u64)> {
        let cuts = buffer.take(Duration::from_millis(now), everything);
        cuts.iter().map(|cut| (cut.range.shard.0, cut.range.first.0, cut.range.last.0)).collect()
    }

    #[test]
    fn cuts_by_size_and_by_count() {
        let mut buffer = buffer();
        buffer.push(batch(0, records(0..5, 40, 0), false), Duration::from_millis(0));
        assert_eq!(taken(&mut buffer, 0, false), [(0, 0, 1), (0, 2, 3)]);
        buffer.push(batch(0, records(5..6, 60, 0), false), Duration::from_millis(0));
        assert_eq!(taken(&mut buffer, 0, false), [(0, 4, 5)], "exactly full is full");
        buffer.push(batch(0, records(6..7, 500, 0), false), Duration::from_millis(0));
        assert_eq!(taken(&mut buffer, 0, false), [(0, 6, 6)], "one record always fits");
        buffer.push(batch(0, records(7..16, 1, 0), false), Duration::from_millis(0));
        assert_eq!(taken(&mut buffer, 0, false), [(0, 7, 14)]);
    }

    #[test]
    fn cuts_by_interval_since_the_first_record() {
        let mut buffer = buffer();
        assert_eq!(buffer.due_at(), None);
        buffer.push(batch(0, records(0..1, 10, 0), false), Duration::from_millis(10));
        buffer.push(batch(1, records(0..1, 10, 0), false), Duration::from_millis(20));
        buffer.push(batch(0, records(1..2, 10, 0), false), Duration::from_millis(30));
        assert_eq!(buffer.due_at(), Some(Duration::from_millis(60)));
        assert_eq!(taken(&mut buffer, 59, false), []);
        assert_eq!(taken(&mut buffer, 60, false), [(0, 0, 1)]);
        assert_eq!(buffer.due_at(), Some(Duration::from_millis(70)));
        assert_eq!(buffer.held().collect::<Vec<_>>(), [(ShardId(1), SequenceNumber(0), Timestamp::from_millis(0))]);
        assert_eq!(taken(&mut buffer, 60, true), [(1, 0, 0)]);
        assert_eq!(buffer.due_at(), None);
    }

    #[test]
    fn cuts_at_hours_at_the_end_of_a_shard_and_when_memory_is_full() {
        let mut buffer = buffer();
        buffer.push(batch(0, records(0..2, 1, HOUR - 1), false), Duration::from_millis(0));
        buffer.push(batch(0, records(2..3, 1, HOUR), false), Duration::from_millis(0));
        assert_eq!(taken(&mut buffer, 0, false), [(0, 0, 1)]);
        buffer.push(batch(0, Vec::new(), true), Duration::from_millis(0));
        assert_eq!(buffer.due_at(), Some(Duration::ZERO));
        assert_eq!(taken(&mut buffer, 0, false), [(0, 2, 2)]);

        buffer.options.buffered_bytes_max = 3 * (10 + RECORD_OVERHEAD_BYTES);
        buffer.push(batch(1, records(0..1, 10, 0), false), Duration::from_millis(0));
        buffer.push(batch(2, records(0..3, 10, 0), false), Duration::from_millis(0));
        assert_eq!(taken(&mut buffer, 0, false), [(2, 0, 2)], "the largest goes first");
        assert_eq!(buffer.open_bytes, 10 + RECORD_OVERHEAD_BYTES);
    }
}
