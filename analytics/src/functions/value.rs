//! Values of one row: read from Arrow columns, computed with, written back as a column.
//!
//! Every function computes on [`Value`]s, so that each rule of the dialect is written once and for one row. Types that
//! mean the same to the dialect come in one Arrow type only: [`canonical`] says which.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray, StringArray, StructArray, Time32MillisecondArray,
    TimestampMillisecondArray, new_null_array,
};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Fields, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, IntervalUnit, Time32MillisecondType, TimeUnit, TimestampMillisecondType,
};
use datafusion::common::{Result, exec_datafusion_err, internal_datafusion_err, internal_err};

use super::span::Span;

/// The type of a TIMESTAMP: milliseconds since 1970, UTC.
pub(super) const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);
/// The type of a TIME: milliseconds since midnight.
pub(super) const TIME: DataType = DataType::Time32(TimeUnit::Millisecond);
/// The type of an INTERVAL; which of its fields are used, [`Span`] says.
pub(super) const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    /// A whole number of 10^-scale.
    Decimal(i128, u8),
    Real(f32),
    Double(f64),
    Text(Cow<'a, str>),
    /// Milliseconds since 1970, UTC.
    Timestamp(i64),
    /// Days since 1970.
    Date(i32),
    /// Milliseconds since midnight.
    Time(i32),
    Interval(Span),
    /// A row value: its fields in order.
    Row(Vec<Value<'static>>),
}

impl Value<'_> {
    /// A text that was made.
    pub(super) fn text(text: impl Into<String>) -> Value<'static> {
        Value::Text(Cow::Owned(text.into()))
    }

    pub(super) fn as_text(&self) -> Result<&str> {
        match self {
            Value::Text(text) => Ok(text),
            other => internal_err!("expected text, found {other:?}"),
        }
    }

    pub(super) fn as_integer(&self) -> Result<i64> {
        match self {
            Value::Integer(integer) => Ok(*integer),
            other => internal_err!("expected an integer, found {other:?}"),
        }
    }

    pub(super) fn as_double(&self) -> Result<f64> {
        match self {
            Value::Double(double) => Ok(*double),
            other => internal_err!("expected a double, found {other:?}"),
        }
    }

    pub(super) fn as_interval(&self) -> Result<Span> {
        match self {
            Value::Interval(span) => Ok(*span),
            other => internal_err!("expected an interval, found {other:?}"),
        }
    }
}

/// The one type that functions read values of `data_type` in; itself if there is no better one.
pub(super) fn canonical(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::Timestamp(..) => TIMESTAMP,
        DataType::Time32(_) | DataType::Time64(_) => TIME,
        DataType::Date64 => DataType::Date32,
        DataType::Interval(_) | DataType::Duration(_) => INTERVAL,
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
        DataType::Decimal256(_, s) => DataType::Decimal128(38, (*s).max(0)),
        DataType::Decimal128(_, s) if *s < 0 => DataType::Decimal128(38, 0),
        other => other.clone(),
    }
}

/// What the dialect calls a type.
pub(super) fn sql_name(data_type: &DataType) -> String {
    match canonical(data_type) {
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INTEGER".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        DataType::Float32 => "REAL".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Utf8 => "VARCHAR".to_owned(),
        DataType::Timestamp(..) => "TIMESTAMP".to_owned(),
        DataType::Date32 => "DATE".to_owned(),
        DataType::Time32(_) => "TIME".to_owned(),
        DataType::Interval(_) => "INTERVAL".to_owned(),
        other => other.to_string(),
    }
}

/// A column of a canonical type.
pub(super) enum Column<'a> {
    Null,
    Boolean(&'a BooleanArray),
    Int8(&'a Int8Array),
    Int16(&'a Int16Array),
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    Decimal(&'a Decimal128Array, u8),
    Real(&'a Float32Array),
    Double(&'a Float64Array),
    Text(&'a StringArray),
    Timestamp(&'a TimestampMillisecondArray),
    Date(&'a Date32Array),
    Time(&'a Time32MillisecondArray),
    Interval(&'a IntervalMonthDayNanoArray),
}

impl<'a> Column<'a> {
    pub(super) fn of(array: &'a ArrayRef) -> Result<Column<'a>> {
        Ok(match array.data_type() {
            DataType::Null => Column::Null,
            DataType::Boolean => Column::Boolean(array.as_boolean()),
            DataType::Int8 => Column::Int8(array.as_primitive::<Int8Type>()),
            DataType::Int16 => Column::Int16(array.as_primitive::<Int16Type>()),
            DataType::Int32 => Column::Int32(array.as_primitive::<Int32Type>()),
            DataType::Int64 => Column::Int64(array.as_primitive::<Int64Type>()),
            DataType::Decimal128(_, scale) => {
                let scale = u8::try_from(*scale).map_err(|_| internal_datafusion_err!("a scale of {scale}"))?;
                Column::Decimal(array.as_primitive::<Decimal128Type>(), scale)
            }
            DataType::Float32 => Column::Real(array.as_primitive::<Float32Type>()),
            DataType::Float64 => Column::Double(array.as_primitive::<Float64Type>()),
            DataType::Utf8 => Column::Text(array.as_string()),
            DataType::Date32 => Column::Date(array.as_primitive::<Date32Type>()),
            same if *same == TIMESTAMP => Column::Timestamp(array.as_primitive::<TimestampMillisecondType>()),
            same if *same == TIME => Column::Time(array.as_primitive::<Time32MillisecondType>()),
            same if *same == INTERVAL => Column::Interval(array.as_primitive::<IntervalMonthDayNanoType>()),
            other => return internal_err!("no function reads a column of {other}"),
        })
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Column::Null => true,
            Column::Boolean(array) => array.is_null(row),
            Column::Int8(array) => array.is_null(row),
            Column::Int16(array) => array.is_null(row),
            Column::Int32(array) => array.is_null(row),
            Column::Int64(array) => array.is_null(row),
            Column::Decimal(array, _) => array.is_null(row),
            Column::Real(array) => array.is_null(row),
            Column::Double(array) => array.is_null(row),
            Column::Text(array) => array.is_null(row),
            Column::Timestamp(array) => array.is_null(row),
            Column::Date(array) => array.is_null(row),
            Column::Time(array) => array.is_null(row),
            Column::Interval(array) => array.is_null(row),
        }
    }

    pub(super) fn value(&self, row: usize) -> Value<'a> {
        if self.is_null(row) {
            return Value::Null;
        }
        match self {
            Column::Null => Value::Null,
            Column::Boolean(array) => Value::Boolean(array.value(row)),
            Column::Int8(array) => Value::Integer(array.value(row).into()),
            Column::Int16(array) => Value::Integer(array.value(row).into()),
            Column::Int32(array) => Value::Integer(array.value(row).into()),
            Column::Int64(array) => Value::Integer(array.value(row)),
            Column::Decimal(array, scale) => Value::Decimal(array.value(row), *scale),
            Column::Real(array) => Value::Real(array.value(row)),
            Column::Double(array) => Value::Double(array.value(row)),
            Column::Text(array) => Value::Text(Cow::Borrowed(array.value(row))),
            Column::Timestamp(array) => Value::Timestamp(array.value(row)),
            Column::Date(array) => Value::Date(array.value(row)),
            Column::Time(array) => Value::Time(array.value(row)),
            Column::Interval(array) => Value::Interval(Span::from(array.value(row))),
        }
    }
}

/// Takes the native value out of each [`Value`] of one kind, and makes an array of them.
macro_rules! collect {
    ($values:expr, $array:ty, $kind:pat => $native:expr) => {{
        let natives = $values.iter().map(|value| match value {
            Value::Null => Ok(None),
            $kind => Ok(Some($native)),
            other => internal_err!("{other:?} does not fit the column"),
        });
        natives.collect::<Result<$array>>()?
    }};
}

/// A column of `data_type` with these values, each of which fits it.
pub(super) fn array(data_type: &DataType, values: &[Value<'_>]) -> Result<ArrayRef> {
    let narrow = |integer: &i64| {
        exec_datafusion_err!("{integer} does not fit {}; cast the arguments to a wider type", sql_name(data_type))
    };
    Ok(match data_type {
        DataType::Null => new_null_array(data_type, values.len()),
        DataType::Boolean => Arc::new(collect!(values, BooleanArray, Value::Boolean(boolean) => *boolean)),
        DataType::Int8 => Arc::new(
            collect!(values, Int8Array, Value::Integer(integer) => i8::try_from(*integer).map_err(|_| narrow(integer))?),
        ),
        DataType::Int16 => Arc::new(
            collect!(values, Int16Array, Value::Integer(integer) => i16::try_from(*integer).map_err(|_| narrow(integer))?),
        ),
        DataType::Int32 => Arc::new(
            collect!(values, Int32Array, Value::Integer(integer) => i32::try_from(*integer).map_err(|_| narrow(integer))?),
        ),
        DataType::Int64 => Arc::new(collect!(values, Int64Array, Value::Integer(integer) => *integer)),
        DataType::Decimal128(precision, scale) => {
            let decimals = collect!(values, Decimal128Array, Value::Decimal(digits, _) => *digits);
            Arc::new(decimals.with_precision_and_scale(*precision, *scale)?)
        }
        DataType::Float32 => Arc::new(collect!(values, Float32Array, Value::Real(real) => *real)),
        DataType::Float64 => Arc::new(collect!(values, Float64Array, Value::Double(double) => *double)),
        DataType::Utf8 => Arc::new(collect!(values, StringArray, Value::Text(text) => text.as_ref())),
        DataType::Date32 => Arc::new(collect!(values, Date32Array, Value::Date(days) => *days)),
        DataType::Struct(fields) => rows(fields, values)?,
        same if *same == TIMESTAMP => {
            Arc::new(collect!(values, TimestampMillisecondArray, Value::Timestamp(at) => *at))
        }
        same if *same == TIME => Arc::new(collect!(values, Time32MillisecondArray, Value::Time(at) => *at)),
        same if *same == INTERVAL => {
            Arc::new(collect!(values, IntervalMonthDayNanoArray, Value::Interval(span) => span.native()?))
        }
        other => return internal_err!("no function makes a column of {other}"),
    })
}

fn rows(fields: &Fields, values: &[Value<'_>]) -> Result<ArrayRef> {
    let mut columns = Vec::with_capacity(fields.len());
    for (place, field) in fields.iter().enumerate() {
        let column: Vec<Value<'_>> = values
            .iter()
            .map(|value| match value {
                Value::Row(row) => row.get(place).cloned().unwrap_or(Value::Null),
                _ => Value::Null,
            })
            .collect();
        columns.push(array(field.data_type(), &column)?);
    }
    let valid = NullBuffer::from_iter(values.iter().map(|value| *value != Value::Null));
    Ok(Arc::new(StructArray::try_new(fields.clone(), columns, Some(valid))?))
}
