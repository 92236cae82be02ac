//! Columns and types of a stream, as `CREATE STREAM` declares them or as its first records show them.

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The column that says when a record arrived; every source has it.
pub(crate) const ROWTIME: &str = "ROWTIME";

/// The column that holds a record's partition key.
pub(crate) const PARTITION_KEY: &str = "PARTITION_KEY";
/// The column that says when a record arrived, whatever the time of its row is.
pub(crate) const ARRIVAL_TIME: &str = "APPROXIMATE_ARRIVAL_TIME";
/// The column that holds the name of a record's shard.
pub(crate) const SHARD_ID: &str = "SHARD_ID";
/// The column that holds a record's sequence number.
pub(crate) const SEQUENCE_NUMBER: &str = "SEQUENCE_NUMBER";
/// Columns that every record has beside its data; a column of the data that bears the same name goes first.
pub(crate) const SYSTEM_COLUMNS: [&str; 4] = [ARRIVAL_TIME, PARTITION_KEY, SHARD_ID, SEQUENCE_NUMBER];

/// A type of the dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SqlType {
    /// `BOOLEAN`.
    Boolean,
    /// `TINYINT`: 8 bits.
    TinyInt,
    /// `SMALLINT`: 16 bits.
    SmallInt,
    /// `INTEGER`: 32 bits.
    Integer,
    /// `BIGINT`: 64 bits.
    BigInt,
    /// `REAL`, `FLOAT` and `DOUBLE`: all kept as 64 bits.
    Double,
    /// `DECIMAL(precision, scale)`.
    Decimal(u8, i8),
    /// `VARCHAR(length)` and `CHAR(length)`, in characters.
    Varchar(Option<u32>),
    /// `TIMESTAMP`, in milliseconds, UTC.
    Timestamp,
}

impl SqlType {
    /// The Arrow type that values are kept in.
    pub fn arrow(self) -> DataType {
        match self {
            SqlType::Boolean => DataType::Boolean,
            SqlType::TinyInt => DataType::Int8,
            SqlType::SmallInt => DataType::Int16,
            SqlType::Integer => DataType::Int32,
            SqlType::BigInt => DataType::Int64,
            SqlType::Double => DataType::Float64,
            SqlType::Decimal(precision, scale) => DataType::Decimal128(precision, scale),
            SqlType::Varchar(_) => DataType::Utf8,
            SqlType::Timestamp => timestamp_millis(),
        }
    }

    /// The smallest and largest integer of an integer type.
    pub(crate) fn integer_range(self) -> Option<(i64, i64)> {
        match self {
            SqlType::TinyInt => Some((i64::from(i8::MIN), i64::from(i8::MAX))),
            SqlType::SmallInt => Some((i64::from(i16::MIN), i64::from(i16::MAX))),
            SqlType::Integer => Some((i64::from(i32::MIN), i64::from(i32::MAX))),
            SqlType::BigInt => Some((i64::MIN, i64::MAX)),
            _ => None,
        }
    }

    /// The type of the dialect that holds values of an Arrow type.
    pub(crate) fn of_arrow(arrow: &DataType) -> SqlType {
        match arrow {
            DataType::Boolean => SqlType::Boolean,
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => SqlType::Timestamp,
            DataType::Decimal128(precision, scale) => SqlType::Decimal(*precision, *scale),
            t if t.is_integer() => SqlType::BigInt,
            t if t.is_floating() => SqlType::Double,
            _ => SqlType::Varchar(None),
        }
    }
}

/// A column with its name as it is looked up in records and written to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlColumn {
    /// The name; an unquoted one is in upper case.
    pub name: String,
    /// The type.
    pub sql_type: SqlType,
}

/// `TIMESTAMP` as Arrow has it.
pub(crate) fn timestamp_millis() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, None)
}

/// Rows as they are planned: the columns, the time, then some of [`SYSTEM_COLUMNS`].
pub(crate) fn full_schema(columns: &[SqlColumn], system_columns: &[&str]) -> SchemaRef {
    let system = system_columns.iter().map(|name| match *name {
        ARRIVAL_TIME => Arc::new(Field::new(*name, timestamp_millis(), true)),
        name => Arc::new(Field::new(name, DataType::Utf8, true)),
    });
    Arc::new(Schema::new(row_schema(columns).fields().iter().cloned().chain(system).collect::<Vec<_>>()))
}

/// Rows as they are decoded: the declared columns, then the row's time.
pub(crate) fn row_schema(columns: &[SqlColumn]) -> SchemaRef {
    let declared = columns
        .iter()
        .filter(|column| column.name != ROWTIME)
        .map(|column| Field::new(&column.name, column.sql_type.arrow(), true));
    let rowtime = Field::new(ROWTIME, timestamp_millis(), false);
    Arc::new(Schema::new(declared.chain([rowtime]).collect::<Vec<_>>()))
}
