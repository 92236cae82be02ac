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
use model::archive::format::ObjectFormat;
use model::archive::name::data_object;
use model::archive::store::{Archive, ObjectName};
use model::blocking::blocking_io;
use model::name::StreamName;
use model::stream::aggregate::UserRecord;
use model::stream::record::Record;

use crate::delivery::cut::Cut;
use crate::delivery::sink::{Delivered, Sink, SinkError};
use crate::object::dead_letter::{DeadLetters, MISPLACED};
use crate::object::json_line::push_line;
use crate::object::parquet::{Packed, pack, same_rows};
use crate::object::put::{put_lines, put_object};

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

impl ArchiveSink {
    /// Delivers a cut of sensor datagrams as a file of columns.
    async fn deliver_rows(&self, cut: &Cut) -> Result<Delivered, SinkError> {
        let mut letters = DeadLetters::default();
        let Some(sensor) = cut.sensor.clone() else {
            // The stream was deleted and created anew as another kind after the cut was promised.
            for record in &cut.records {
                letters.push(cut.range.shard, &as_user_record(record), "this stream does not hold sensor datagrams");
            }
            return self.delivered(cut, 0, letters).await;
        };
        let (records, count) = (cut.records.clone(), cut.records.len());
        let packed = blocking_io(move || pack(&sensor, &records)).await;
        let Packed { file, rows, unfit } = packed.map_err(|source| SinkError::Encode { records: count, source })?;
        if rows > 0 {
            put_object(&*self.archive, &self.object(cut), file.into(), same_rows).await?;
        }
        for (index, why) in unfit {
            letters.push(cut.range.shard, &as_user_record(&cut.records[index]), &why.to_string());
        }
        self.delivered(cut, rows, letters).await
    }

    /// The name of the object that holds the cut's records.
    fn object(&self, cut: &Cut) -> ObjectName {
        data_object(&self.stream, cut.range.records(), cut.range.arrived_at, cut.range.format)
    }

    /// Keeps the dead letters of a cut whose other records are delivered.
    async fn delivered(&self, cut: &Cut, records: u64, letters: DeadLetters) -> Result<Delivered, SinkError> {
        let dead_letters = letters.put(&*self.archive, self.stream.as_str(), &cut.range).await?;
        Ok(Delivered { records, dead_letters })
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
            false => push_line(&mut lines.data, &user.data).map_err(|reason| reason.to_string()),
        };
        match pushed {
            Ok(()) => lines.count += 1,
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

    async fn deliver(&self, cut: &Cut) -> Result<Delivered, SinkError> {
        let compression = match cut.range.format {
            ObjectFormat::Parquet => return self.deliver_rows(cut).await,
            ObjectFormat::Lines(compression) => compression,
        };
        let Lines { data, count, letters } = lines_of(cut);
        if count > 0 {
            put_lines(&*self.archive, &self.object(cut), compression, data, count).await?;
        }
        self.delivered(cut, count as u64, letters).await
    }
}
