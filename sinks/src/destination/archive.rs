//! Writes every record of a stream to an archive, as lines of objects: one object per cut. Of an
//! aggregate the parts are lines; all of them stand in one object, since a cut never ends inside a
//! record.
//!
//! Of a stream of sensor datagrams every sensor record is a row of a Parquet file, or a line where
//! lines are asked for.
//!
//! A record that is exactly one JSON object is a line of the data object; any other goes to the
//! error object of the same cut with the reason (see [`model::archive::name`] for where). A cut of
//! nothing but such records has no data object.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use model::archive::format::{Compression, ObjectFormat};
use model::archive::name::{RecordRange, data_object, objects_of_days};
use model::archive::store::{Archive, ObjectName};
use model::blocking::blocking_io;
use model::clock::Timestamp;
use model::name::StreamName;
use model::stream::aggregate::UserRecord;
use model::stream::record::Record;

use crate::delivery::cut::Cut;
use crate::delivery::sink::{Appear, Delivered, Sink, SinkError};
use crate::object::dead_letter::{DeadLetters, MISPLACED};
use crate::object::json_line::push_lines;
use crate::object::parquet::{Packed, pack, same_rows};
use crate::object::put::{PackedLines, put_object};

/// Delivers cuts of `stream` to an archive.
pub struct ArchiveSink {
    archive: Arc<dyn Archive>,
    stream: StreamName,
}

impl ArchiveSink {
    /// A sink for records of `stream`.
    pub fn new(archive: Arc<dyn Archive>, stream: StreamName) -> Self {
        ArchiveSink { archive, stream }
    }
}

/// A cut as objects hold it.
struct PackedCut {
    /// None without a record that fits.
    object: Option<PackedObject>,
    records: u64,
    letters: DeadLetters,
}

enum PackedObject {
    Lines(PackedLines),
    Rows(Bytes),
}

impl ArchiveSink {
    /// A cut of sensor datagrams as a file of columns.
    async fn pack_rows(&self, cut: &Cut) -> Result<PackedCut, SinkError> {
        let mut letters = DeadLetters::default();
        let Some(sensor) = cut.sensor.clone() else {
            // The stream was deleted and created anew as another kind after the cut was promised.
            for record in &cut.records {
                letters.push(cut.range.shard, &as_user_record(record), "this stream does not hold sensor datagrams");
            }
            return Ok(PackedCut { object: None, records: 0, letters });
        };
        let (records, count) = (cut.records.clone(), cut.records.len());
        let packed = blocking_io(move || pack(&sensor, &records)).await;
        let Packed { file, rows, unfit } = packed.map_err(|source| SinkError::Encode { records: count, source })?;
        for (index, why) in unfit {
            letters.push(cut.range.shard, &as_user_record(&cut.records[index]), &why.to_string());
        }
        let object = (rows > 0).then(|| PackedObject::Rows(file.into()));
        Ok(PackedCut { object, records: rows, letters })
    }

    /// A cut of JSON documents as lines.
    async fn pack_lines(&self, cut: &Cut, compression: Compression) -> Result<PackedCut, SinkError> {
        let Lines { data, count, letters } = lines_of(cut);
        let object = match count {
            0 => None,
            _ => Some(PackedObject::Lines(PackedLines::pack(compression, data, count).await?)),
        };
        Ok(PackedCut { object, records: count as u64, letters })
    }

    /// The name of the object that holds the cut's records.
    fn object(&self, cut: &Cut) -> ObjectName {
        data_object(&self.stream, cut.range.records(), cut.range.arrived_at, cut.range.format)
    }

    /// Puts the object, and keeps the dead letters.
    async fn put(&self, cut: &Cut, packed: PackedCut) -> Result<Delivered, SinkError> {
        let name = self.object(cut);
        match packed.object {
            Some(PackedObject::Lines(lines)) => lines.put(&*self.archive, &name).await?,
            Some(PackedObject::Rows(file)) => put_object(&*self.archive, &name, file, same_rows).await?,
            None => {}
        }
        let dead_letters = packed.letters.put(&*self.archive, self.stream.as_str(), &cut.range).await?;
        Ok(Delivered { records: packed.records, dead_letters })
    }
}

/// A record as its producer put it.
fn as_user_record(record: &Record) -> UserRecord<'_> {
    let (partition_key, data) = (record.partition_key.as_str(), (&record.data[..]).into());
    UserRecord { record, sub_sequence_number: None, partition_key, data, misplaced: false }
}

/// What becomes of a cut's records.
#[derive(Debug, Default, PartialEq, Eq)]
struct Lines {
    data: Vec<u8>,
    count: usize,
    letters: DeadLetters,
}

fn lines_of(cut: &Cut) -> Lines {
    let mut lines = Lines::default();
    lines.data.reserve(cut.records.iter().map(|record| record.data.len() + 1).sum());
    for user in cut.user_records() {
        let pushed = match user.misplaced {
            true => Err(MISPLACED.to_owned()),
            false => push_lines(&mut lines.data, &user.data).map_err(|reason| reason.to_string()),
        };
        match pushed {
            Ok(_) => lines.count += 1,
            Err(reason) => lines.letters.push(cut.range.shard, &user, &reason),
        }
    }
    lines
}

#[async_trait]
impl Sink for ArchiveSink {
    /// Always: the object's name holds the cut, so other cuts of the same records would be other
    /// objects.
    async fn must_be_promised(&self, _: &[Cut]) -> Result<bool, SinkError> {
        Ok(true)
    }

    fn place(&self, cut: &Cut) -> String {
        self.object(cut).to_string()
    }

    /// SQL reads the stream after the highest number in an object's name.
    fn keeps_order(&self) -> bool {
        true
    }

    async fn delivered_since(&self, since: Timestamp, now: Timestamp) -> Result<Vec<RecordRange>, SinkError> {
        let mut ranges = Vec::new();
        for prefix in objects_of_days(&self.stream, since..=now.max(since)) {
            let objects = self.archive.list(&prefix).await?;
            let names = objects.iter().map(|object| object.name.as_str());
            ranges.extend(
                names.filter_map(|name| RecordRange::of_object(name).or_else(|| RecordRange::of_error_object(name))),
            );
        }
        Ok(ranges)
    }

    async fn prepare<'a>(&'a self, cut: &'a Cut) -> Result<Appear<'a>, SinkError> {
        let packed = match cut.range.format {
            ObjectFormat::Parquet => self.pack_rows(cut).await?,
            ObjectFormat::Lines(compression) => self.pack_lines(cut, compression).await?,
        };
        Ok(Box::pin(self.put(cut, packed)))
    }
}
