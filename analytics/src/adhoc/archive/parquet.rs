//! A Parquet file of the archive: its columns from the footer, its rows a row group at a time, only the columns that a
//! query uses.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use model::query::engine::{SqlError, SqlErrorKind};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::statistics::Statistics;

use crate::adhoc::archive::folder::{ArchiveFolder, Object};
use crate::error::failed;
use crate::rows::column_kind::{ColumnKind, Columns};
use crate::rows::fit::fit;
use crate::rows::number_kind::NumberKind;

/// What is read of a file's end at first; a footer is seldom longer.
const FOOTER_BYTES_ABOUT: u64 = 64 << 10;
/// The longest footer.
const FOOTER_BYTES_MAX: u64 = 64 << 20;
/// Bytes of a row group's used columns that are held in memory.
const ROW_GROUP_BYTES_MAX: u64 = 512 << 20;
/// Rows of a batch.
const BATCH_ROWS_MAX: usize = 8192;

/// A file whose footer was read.
pub(crate) struct ParquetObject {
    archive: ArchiveFolder,
    object: Object,
    metadata: ArrowReaderMetadata,
}

impl ParquetObject {
    /// Reads the footer.
    pub(crate) async fn open(archive: ArchiveFolder, object: Object) -> Result<ParquetObject, SqlError> {
        let name = object.meta.location.to_string();
        let damaged = |error: &ParquetError| failed(format!("reading `{name}`, which should be a Parquet file"), error);
        let size = object.meta.size;
        let mut wanted = FOOTER_BYTES_ABOUT.min(size);
        let mut reader = ParquetMetaDataReader::new();
        loop {
            let range = size - wanted..size;
            let end = archive.ranges(&object, std::slice::from_ref(&range)).await?.pop().unwrap_or_default();
            match reader.try_parse_sized(&end, size) {
                Ok(()) => break,
                Err(ParquetError::NeedMoreData(more))
                    if wanted < more as u64 && more as u64 <= FOOTER_BYTES_MAX.min(size) =>
                {
                    wanted = more as u64;
                }
                Err(error) => return Err(damaged(&error)),
            }
        }
        let metadata = reader.finish().map_err(|error| damaged(&error))?;
        let metadata = ArrowReaderMetadata::try_new(Arc::new(metadata), ArrowReaderOptions::new());
        Ok(ParquetObject { metadata: metadata.map_err(|error| damaged(&error))?, archive, object })
    }

    /// Its columns.
    pub(crate) fn columns(&self) -> Result<Columns, SqlError> {
        let fields = self.metadata.schema().fields().iter().enumerate();
        let kinds = fields.map(|(leaf, field)| match ColumnKind::of_arrow(field.data_type()) {
            Some(kind) => Ok((field.name().as_str(), self.integers(leaf, field.data_type()).unwrap_or(kind))),
            None => {
                let (column, data_type, name) = (field.name(), field.data_type(), &self.object.meta.location);
                let message = format!("column `{column}` of `{name}` is {data_type}, which cannot be queried");
                Err(SqlError::new(SqlErrorKind::Failed, message))
            }
        });
        Ok(Columns::typed(kinds.collect::<Result<Vec<_>, _>>()?))
    }

    /// The kind of a column of integers whose least and greatest are known. Columns that can be queried have one leaf
    /// each, so that both have the same place.
    fn integers(&self, leaf: usize, data_type: &DataType) -> Option<ColumnKind> {
        if *data_type != DataType::Int64 {
            return None;
        }
        let bounds =
            self.metadata.metadata().row_groups().iter().map(|group| match group.column(leaf).statistics()? {
                Statistics::Int64(known) => Some((*known.min_opt()?, *known.max_opt()?)),
                _ => None,
            });
        let kinds = bounds.map(|bounds| bounds.map(|(least, greatest)| NumberKind::integers(least, greatest)));
        let kinds: Vec<NumberKind> = kinds.collect::<Option<_>>()?;
        kinds.into_iter().reduce(NumberKind::merge).map(ColumnKind::Number)
    }

    /// How many row groups it has.
    pub(crate) fn row_groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// The rows of a row group as batches of `schema`.
    pub(crate) async fn row_group(
        &self,
        group: usize,
        schema: &SchemaRef,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, SqlError>> + Send + use<>, SqlError> {
        let own = self.metadata.schema();
        let used: Vec<usize> = schema.fields().iter().filter_map(|field| own.index_of(field.name()).ok()).collect();
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), used);
        let row_group = self.metadata.metadata().row_group(group);
        let columns = row_group.columns().iter().enumerate().filter(|(leaf, _)| mask.leaf_included(*leaf));
        let ranges: Vec<Range<u64>> = columns
            .map(|(_, column)| {
                let (start, bytes) = column.byte_range();
                start..start.saturating_add(bytes)
            })
            .collect();
        let name = self.object.meta.location.to_string();
        let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        if ROW_GROUP_BYTES_MAX < bytes {
            let message = format!(
                "a row group of `{name}` has {bytes} bytes in the columns of the query, over {ROW_GROUP_BYTES_MAX}"
            );
            return Err(SqlError::new(SqlErrorKind::LimitExceeded, message));
        }
        let pieces = match ranges.is_empty() {
            true => Vec::new(),
            false => self.archive.ranges(&self.object, &ranges).await?,
        };
        let pieces = ranges.iter().map(|range| range.start).zip(pieces).collect();
        let file = Pieces { length: self.object.meta.size, pieces };
        let damaged = move |error: &dyn std::error::Error| failed(format!("reading rows of `{name}`"), error);
        let rows = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_row_groups(vec![group])
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS_MAX)
            .build()
            .map_err(|error| damaged(&error))?;
        let schema = Arc::clone(schema);
        Ok(rows.map(move |batch| {
            let batch = batch.map_err(|error| damaged(&error))?;
            let find = |name: &str| -> Option<ArrayRef> { batch.column_by_name(name).cloned() };
            fit(&schema, batch.num_rows(), find)
        }))
    }
}

/// The pieces of a file that are needed, each with where it begins.
struct Pieces {
    length: u64,
    pieces: Vec<(u64, Bytes)>,
}

impl Length for Pieces {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Pieces {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let holds = |(begin, bytes): &&(u64, Bytes)| *begin <= start && start < *begin + bytes.len() as u64;
        let piece = self.pieces.iter().find(holds).map(|(begin, bytes)| bytes.slice((start - begin) as usize..));
        Ok(piece.ok_or_else(outside)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let rest = self.get_read(start)?.into_inner();
        if rest.len() < length { Err(outside()) } else { Ok(rest.slice(..length)) }
    }
}

fn outside() -> ParquetError {
    ParquetError::from(io::Error::from(io::ErrorKind::UnexpectedEof))
}
