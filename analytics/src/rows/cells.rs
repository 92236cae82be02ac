//! The values of one column, gathered until a batch is made of them.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Decimal128Builder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMillisecondBuilder, UInt64Builder,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;

/// One value on its way into a column. Times are milliseconds since 1970.
pub(crate) enum Cell<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Unsigned(u64),
    Double(f64),
    /// In units of the last digit that its column keeps.
    Decimal(i128),
    Text(Cow<'a, str>),
}

/// What the values of a column are, in the widest type of their family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Boolean,
    Integer,
    Unsigned,
    Double,
    /// With so many digits after the point.
    Decimal(u8),
    Text,
    Time,
}

impl Family {
    fn of(data_type: &DataType) -> Family {
        match data_type {
            DataType::Boolean => Family::Boolean,
            DataType::UInt64 => Family::Unsigned,
            integer if integer.is_integer() => Family::Integer,
            number if number.is_floating() => Family::Double,
            DataType::Decimal128(_, scale) => Family::Decimal(scale.unsigned_abs()),
            DataType::Timestamp(..) => Family::Time,
            _ => Family::Text,
        }
    }
}

/// The values of one column.
#[derive(Debug)]
pub(crate) struct Cells {
    data_type: DataType,
    builder: Builder,
}

#[derive(Debug)]
enum Builder {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Unsigned(UInt64Builder),
    Double(Float64Builder),
    Decimal(Decimal128Builder, u8),
    Text(StringBuilder),
    Time(TimestampMillisecondBuilder),
}

impl Cells {
    /// For a column of this type.
    pub(crate) fn new(data_type: &DataType) -> Cells {
        let builder = match Family::of(data_type) {
            Family::Boolean => Builder::Boolean(BooleanBuilder::new()),
            Family::Integer => Builder::Integer(Int64Builder::new()),
            Family::Unsigned => Builder::Unsigned(UInt64Builder::new()),
            Family::Double => Builder::Double(Float64Builder::new()),
            Family::Decimal(scale) => {
                Builder::Decimal(Decimal128Builder::new().with_data_type(data_type.clone()), scale)
            }
            Family::Text => Builder::Text(StringBuilder::new()),
            Family::Time => Builder::Time(TimestampMillisecondBuilder::new()),
        };
        Cells { data_type: data_type.clone(), builder }
    }

    /// What its values are.
    pub(crate) fn family(&self) -> Family {
        match self.builder {
            Builder::Boolean(_) => Family::Boolean,
            Builder::Integer(_) => Family::Integer,
            Builder::Unsigned(_) => Family::Unsigned,
            Builder::Double(_) => Family::Double,
            Builder::Decimal(_, scale) => Family::Decimal(scale),
            Builder::Text(_) => Family::Text,
            Builder::Time(_) => Family::Time,
        }
    }

    /// Adds a value. One of another family becomes null: whoever makes cells makes them for their column.
    pub(crate) fn push(&mut self, cell: Cell<'_>) {
        match (&mut self.builder, cell) {
            (Builder::Boolean(cells), Cell::Boolean(value)) => cells.append_value(value),
            (Builder::Integer(cells), Cell::Integer(value)) => cells.append_value(value),
            (Builder::Unsigned(cells), Cell::Unsigned(value)) => cells.append_value(value),
            (Builder::Double(cells), Cell::Double(value)) => cells.append_value(value),
            (Builder::Decimal(cells, _), Cell::Decimal(value)) => cells.append_value(value),
            (Builder::Text(cells), Cell::Text(value)) => cells.append_value(value),
            (Builder::Time(cells), Cell::Integer(value)) => cells.append_value(value),
            (Builder::Boolean(cells), _) => cells.append_null(),
            (Builder::Integer(cells), _) => cells.append_null(),
            (Builder::Unsigned(cells), _) => cells.append_null(),
            (Builder::Double(cells), _) => cells.append_null(),
            (Builder::Decimal(cells, _), _) => cells.append_null(),
            (Builder::Text(cells), _) => cells.append_null(),
            (Builder::Time(cells), _) => cells.append_null(),
        }
    }

    /// The values so far, in the column's own type. A value that this type cannot hold is null.
    pub(crate) fn finish(&mut self) -> ArrayRef {
        let array: ArrayRef = match &mut self.builder {
            Builder::Boolean(cells) => Arc::new(cells.finish()),
            Builder::Integer(cells) => Arc::new(cells.finish()),
            Builder::Unsigned(cells) => Arc::new(cells.finish()),
            Builder::Double(cells) => Arc::new(cells.finish()),
            Builder::Decimal(cells, _) => Arc::new(cells.finish()),
            Builder::Text(cells) => Arc::new(cells.finish()),
            Builder::Time(cells) => Arc::new(cells.finish()),
        };
        cast(&array, &self.data_type).expect("every type is reached from the widest of its family")
    }
}
