//! Where rows come from: columns that records have beside their data.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringBuilder, TimestampMillisecondBuilder};
use datafusion::arrow::datatypes::SchemaRef;
use model::clock::Timestamp;
use model::stream::printed_sequence_number::PrintedSequenceNumber;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;

use crate::sql::schema::{ARRIVAL_TIME, PARTITION_KEY, SEQUENCE_NUMBER, SHARD_ID, SqlColumn, full_schema};

/// Where one record comes from; of a line of a file, nothing is known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Origin<'a> {
    pub(crate) arrived_at: Option<Timestamp>,
    pub(crate) partition_key: Option<&'a str>,
    pub(crate) shard: Option<ShardId>,
    /// With the time at which the stream was created: both are in what people see.
    pub(crate) sequence_number: Option<(SequenceNumber, Timestamp)>,
}

impl Origin<'_> {
    /// The sequence number as the Kinesis API has it.
    fn printed_number(&self) -> Option<String> {
        let (number, created_at) = self.sequence_number?;
        let arrived_at = self.arrived_at.unwrap_or(created_at);
        Some(PrintedSequenceNumber::new(self.shard?, created_at, number, arrived_at).to_string())
    }
}

/// The wanted ones of these columns, gathered row by row.
#[derive(Debug)]
pub(crate) struct Origins {
    schema: SchemaRef,
    columns: Vec<Column>,
}

#[derive(Debug)]
enum Column {
    Arrival(TimestampMillisecondBuilder),
    Text(Text, StringBuilder),
}

#[derive(Debug, Clone, Copy)]
enum Text {
    PartitionKey,
    Shard,
    SequenceNumber,
}

impl Origins {
    /// `wanted` of these columns, for rows of `columns`.
    pub(crate) fn new(columns: &[SqlColumn], wanted: &[&str]) -> Origins {
        let builder = |name: &&str| {
            let text = match *name {
                ARRIVAL_TIME => return Some(Column::Arrival(TimestampMillisecondBuilder::new())),
                PARTITION_KEY => Text::PartitionKey,
                SHARD_ID => Text::Shard,
                SEQUENCE_NUMBER => Text::SequenceNumber,
                _ => return None,
            };
            Some(Column::Text(text, StringBuilder::new()))
        };
        Origins { schema: full_schema(columns, wanted), columns: wanted.iter().filter_map(builder).collect() }
    }

    /// Adds the origin of so many rows.
    pub(crate) fn push(&mut self, origin: Origin<'_>, rows: usize) {
        for column in &mut self.columns {
            for _ in 0..rows {
                match column {
                    Column::Arrival(times) => times.append_option(origin.arrived_at.map(Timestamp::as_millis)),
                    Column::Text(Text::PartitionKey, texts) => texts.append_option(origin.partition_key),
                    Column::Text(Text::Shard, texts) => {
                        texts.append_option(origin.shard.map(|shard| shard.to_string()))
                    }
                    Column::Text(Text::SequenceNumber, texts) => {
                        texts.append_option(origin.printed_number());
                    }
                }
            }
        }
    }

    /// The rows, with the columns of their origins behind their own.
    pub(crate) fn complete(&mut self, rows: RecordBatch) -> RecordBatch {
        if self.columns.is_empty() {
            return rows;
        }
        let mut columns = rows.columns().to_vec();
        columns.extend(self.columns.iter_mut().map(|column| -> ArrayRef {
            match column {
                Column::Arrival(times) => Arc::new(times.finish()),
                Column::Text(_, texts) => Arc::new(texts.finish()),
            }
        }));
        RecordBatch::try_new(Arc::clone(&self.schema), columns).expect("each row has an origin")
    }
}
