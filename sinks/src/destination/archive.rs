//! Writes every record of a stream to an archive, as lines of objects: one object per cut. Of an aggregate the parts
//! are lines; all of them stand in one object, since a cut never ends inside a record.
//!
//! Of a stream of sensor datagrams every sensor record is a row of a Parquet file, or a line where lines are asked for.
//!
//! A record that is exactly one JSON object is a line of the data object; any other goes to the error object of the
//! same cut with the reason (see [`crate::object::name`] for where). A cut of nothing but such records has no data object.

use std::sync::Arc;

use async_trait::async_trait;
use model::archive::format::ObjectFormat;
use model::archive::store::Archive;
use model::name::StreamName;
use model::stream::aggregate::UserRecord;
use model::stream::record::Record;

use crate::delivery::cut::Cut;
use crate::delivery::sink::{Delivered, Sink, SinkError};
use crate::object::dead_letter::{MISPLACED, push_dead_letter};
use crate::object::json_line::push_line;
use crate::object::name::{data_object, error_object};
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
        let Some(sensor) = cut.sensor.clone() else {
            // The stream was deleted and created anew as another kind after the cut was promised.
            return self
                .bury(
                    cut,
                    cut.records.iter().map(|record| (record, "the stream is none of sensor datagrams".to_owned())),
                )
                .await;
        };
        let (records, count) = (cut.records.clone(), cut.records.len());
        let packing = tokio::task::spawn_blocking(move || pack(&sensor, &records)).await;
        let packed = packing.map_err(std::io::Error::other).and_then(|packed| packed);
        let Packed { file, rows, unfit } = packed.map_err(|source| SinkError::Encode { records: count, source })?;
        if rows > 0 {
            put_object(&*self.archive, &data_object(&self.stream, &cut.range), file.into(), same_rows).await?;
        }
        let unfit = unfit.into_iter().map(|(index, why)| (&cut.records[index], why.to_string()));
        let Delivered { dead_letters, .. } = self.bury(cut, unfit).await?;
        Ok(Delivered { records: rows, dead_letters })
    }

    /// Keeps whole records that are no rows.
    async fn bury<'a>(
        &self,
        cut: &Cut,
        letters: impl Iterator<Item = (&'a Record, String)>,
    ) -> Result<Delivered, SinkError> {
        let (mut lines, mut count) = (Vec::new(), 0);
        for (record, reason) in letters {
            let (partition_key, data) = (record.partition_key.as_str(), (&record.data[..]).into());
            let letter = UserRecord { record, sub_sequence_number: None, partition_key, data, misplaced: false };
            push_dead_letter(&mut lines, cut.range.shard, &letter, &reason);
            count += 1;
        }
        if count > 0 {
            let name = error_object(self.stream.as_str(), &cut.range);
            put_lines(&*self.archive, &name, cut.range.format.compression(), lines, count).await?;
        }
        Ok(Delivered { records: 0, dead_letters: count as u64 })
    }
}

/// What becomes of a cut's records.
#[derive(Debug, Default, PartialEq, Eq)]
struct Lines {
    data: Vec<u8>,
    data_count: usize,
    errors: Vec<u8>,
    errors_count: usize,
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
            Ok(()) => lines.data_count += 1,
            Err(reason) => {
                push_dead_letter(&mut lines.errors, cut.range.shard, &user, &reason);
                lines.errors_count += 1;
            }
        }
    }
    lines
}

#[async_trait]
impl Sink for ArchiveSink {
    /// Always: the object's name holds the cut, so other cuts of the same records would be other objects.
    async fn must_be_promised(&self, _: &[Cut]) -> Result<bool, SinkError> {
        Ok(true)
    }

    fn place(&self, cut: &Cut) -> String {
        data_object(&self.stream, &cut.range).to_string()
    }

    async fn deliver(&self, cut: &Cut) -> Result<Delivered, SinkError> {
        let compression = match cut.range.format {
            ObjectFormat::Parquet => return self.deliver_rows(cut).await,
            ObjectFormat::Lines(compression) => compression,
        };
        let Lines { data, data_count, errors, errors_count } = lines_of(cut);
        if data_count > 0 {
            put_lines(&*self.archive, &data_object(&self.stream, &cut.range), compression, data, data_count).await?;
        }
        if errors_count > 0 {
            let name = error_object(self.stream.as_str(), &cut.range);
            put_lines(&*self.archive, &name, compression, errors, errors_count).await?;
        }
        Ok(Delivered { records: data_count as u64, dead_letters: errors_count as u64 })
    }
}
