//! A snapshot as a table of DataFusion: partitions read their share of objects and tail, decode only the columns
//! that the query uses, and hand on bounded batches.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use model::datagram::sensor_stream::SensorStream;
use model::query::engine::SqlError;
use model::stream::aggregate::user_records;
use tokio::sync::mpsc::Sender;
use tracing::debug;

use crate::adhoc::archive::folder::{ArchiveFolder, Object};
use crate::adhoc::archive::parquet::ParquetObject;
use crate::adhoc::table::decode::BatchDecoder;
use crate::adhoc::table::snapshot::{Snapshot, Tail, not_json};
use crate::adhoc::tail::range::{TailRange, TailReader};
use crate::adhoc::tail::sensor::SensorRows;
use crate::error::through;
use crate::rows::json_row::{Parsed, each_row, parse_line};
use crate::rows::sensor::BLOCK_DATAGRAMS_MAX;

/// Batches that a partition decodes ahead of the query.
const BATCHES_AHEAD_MAX: usize = 2;

/// A table that stands still.
pub(crate) struct StreamTable {
    snapshot: Snapshot,
    partitions_max: usize,
}

impl StreamTable {
    /// Reads `snapshot` in up to `partitions_max` parts at once.
    pub(crate) fn new(snapshot: Snapshot, partitions_max: usize) -> Self {
        StreamTable { snapshot, partitions_max }
    }

    /// Objects by size, the largest first, each to the partition with the least to do; then the tail.
    fn shares(&self) -> Vec<Vec<Part>> {
        let mut objects: Vec<&Object> = self.snapshot.objects.iter().collect();
        objects.sort_by_key(|object| std::cmp::Reverse(object.meta.size));
        let tails = self.snapshot.tail.iter().flat_map(|tail| tail.ranges.iter().map(move |range| (tail, *range)));
        let parts = objects.into_iter().map(|object| {
            let archive = self.snapshot.archive.clone().expect("an object stands in an archive");
            (object.meta.size, Part::Object(archive, object.clone()))
        });
        /// What a record of the tail weighs against an object's bytes.
        const RECORD_BYTES: u64 = 32;
        let parts = parts.chain(tails.map(|(tail, range)| {
            let records = range.end.0 - range.start.0;
            (records.saturating_mul(RECORD_BYTES), Part::Tail(tail.clone(), range))
        }));
        let mut shares: Vec<(u64, Vec<Part>)> = Vec::new();
        for (weight, part) in parts {
            if shares.len() < self.partitions_max {
                shares.push((weight, vec![part]));
            } else {
                let least = shares.iter_mut().min_by_key(|(weight, _)| *weight).expect("there is a partition");
                least.0 = least.0.saturating_add(weight);
                least.1.push(part);
            }
        }
        if shares.is_empty() {
            shares.push((0, Vec::new()));
        }
        shares.into_iter().map(|(_, parts)| parts).collect()
    }
}

impl fmt::Debug for StreamTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamTable").field("objects", &self.snapshot.objects.len()).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for StreamTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.snapshot.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(columns) => Arc::new(self.snapshot.schema.project(columns)?),
            None => self.schema(),
        };
        let partition = |parts| -> Arc<dyn PartitionStream> { Arc::new(Share { schema: Arc::clone(&schema), parts }) };
        let partitions = self.shares().into_iter().map(partition).collect();
        Ok(Arc::new(StreamingTableExec::try_new(schema, partitions, None, [], false, limit)?))
    }
}

/// A piece of a table.
#[derive(Clone)]
enum Part {
    Object(ArchiveFolder, Object),
    Tail(Tail, TailRange),
}

/// What one partition reads.
struct Share {
    schema: SchemaRef,
    parts: Vec<Part>,
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share").field("parts", &self.parts.len()).finish_non_exhaustive()
    }
}

impl PartitionStream for Share {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), BATCHES_AHEAD_MAX);
        let (schema, decoder) = (Arc::clone(&self.schema), BatchDecoder::new(Arc::clone(&self.schema)));
        let mut output = Output { schema, decoder, batches: builder.tx() };
        let parts = self.parts.clone();
        builder.spawn(async move {
            for part in parts {
                let read = match part {
                    Part::Object(archive, object) => read_object(&archive, &object, &mut output).await,
                    Part::Tail(tail, range) => read_tail(&tail, range, &mut output).await,
                };
                match read {
                    Ok(()) => {}
                    Err(Stop::NobodyReads) => return Ok(()),
                    Err(Stop::Failed(error)) => return Err(through(error)),
                }
            }
            // A closed channel means that the query has what it wants.
            let _ = output.flush().await;
            Ok(())
        });
        builder.build()
    }
}

/// Why a partition ends early.
enum Stop {
    NobodyReads,
    Failed(SqlError),
}

impl From<SqlError> for Stop {
    fn from(error: SqlError) -> Self {
        Stop::Failed(error)
    }
}

struct Output {
    /// The columns that the query uses.
    schema: SchemaRef,
    decoder: BatchDecoder,
    batches: Sender<Result<RecordBatch, DataFusionError>>,
}

impl Output {
    async fn flush(&mut self) -> Result<(), Stop> {
        match self.decoder.take() {
            Some(batch) => self.send(batch).await,
            None => Ok(()),
        }
    }

    async fn send(&self, batch: RecordBatch) -> Result<(), Stop> {
        self.batches.send(Ok(batch)).await.map_err(|_| Stop::NobodyReads)
    }
}

async fn read_object(archive: &ArchiveFolder, object: &Object, output: &mut Output) -> Result<(), Stop> {
    if archive.is_parquet(object).await? {
        let parquet = ParquetObject::open(archive.clone(), object.clone()).await?;
        for group in 0..parquet.row_groups() {
            for batch in parquet.row_group(group, &output.schema).await? {
                output.send(batch?).await?;
            }
        }
        return Ok(());
    }
    let mut chunks = archive.lines(object).await?;
    let mut line_number = 0;
    while let Some(chunk) = chunks.next().await? {
        let text = chunk.strip_suffix(b"\n").unwrap_or(&chunk);
        for line in text.split(|byte| *byte == b'\n') {
            line_number += 1;
            let mut pushed = Ok(());
            let each = |parsed: Parsed<'_>| {
                if let (Parsed::Row(row), Ok(())) = (parsed, &pushed) {
                    pushed = output.decoder.push(&row);
                }
            };
            parse_line(line, each).map_err(|error| not_json(chunks.name(), line_number, &error))?;
            pushed?;
            if output.decoder.is_full() {
                output.flush().await?;
            }
        }
    }
    Ok(())
}

async fn read_tail(tail: &Tail, range: TailRange, output: &mut Output) -> Result<(), Stop> {
    let stream = tail.description.name.clone();
    if let Some(sensor) = tail.sensor() {
        return read_sensor_tail(tail, sensor, range, output).await;
    }
    let mut reader = TailReader::new(Arc::clone(&tail.store), stream.clone(), range);
    let mut skipped: u64 = 0;
    while let Some(records) = reader.next().await? {
        for user in records.iter().flat_map(|record| user_records(record, range.owned, None)) {
            // What is not a JSON object has gone, or will go, to the error prefix.
            if !each_row(&user, |row| output.decoder.push(row))? {
                skipped += 1;
            }
            if output.decoder.is_full() {
                output.flush().await?;
            }
        }
    }
    if skipped > 0 {
        debug!(%stream, shard = %range.shard, skipped, "records that are not JSON objects are skipped");
    }
    Ok(())
}

/// The tail of a stream of sensor datagrams: columns, block by block.
async fn read_sensor_tail(
    tail: &Tail,
    sensor: &SensorStream,
    range: TailRange,
    output: &mut Output,
) -> Result<(), Stop> {
    let stream = tail.description.name.clone();
    let mut reader = TailReader::new(Arc::clone(&tail.store), stream.clone(), range);
    let mut rows = SensorRows::new(sensor, Arc::clone(&output.schema));
    let mut skipped: u64 = 0;
    while let Some(records) = reader.next().await? {
        for block in records.chunks(BLOCK_DATAGRAMS_MAX) {
            skipped += rows.push(block);
            if rows.is_full() {
                output.send(rows.take()?).await?;
            }
        }
    }
    if !rows.is_empty() {
        output.send(rows.take()?).await?;
    }
    if skipped > 0 {
        debug!(%stream, shard = %range.shard, skipped, "records that are not datagrams of the stream are skipped");
    }
    Ok(())
}
