//! Functions whose results grow beyond their arguments, with a cap on what one call makes for one batch of rows.
//!
//! A query's memory pool counts sorts, joins and groups, not what scalar functions make: `repeat('x', 1500000000)`
//! takes gigabytes under any pool. So the size of a result is computed from the arguments before it is made.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::compute::kernels::length::length;
use datafusion::arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use datafusion::prelude::SessionContext;
use model::query::engine::{SqlError, SqlErrorKind};

use crate::error::through;

/// How large results are, by the values of the arguments; all in bytes, roughly and rather too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Growth {
    /// `f(text, n)`: the text n times.
    Times,
    /// `f(text, n, ..)`: n characters.
    Characters,
    /// `f(text, from, to)`: as many `to` as `from` may be in the text.
    Replacing,
    /// `f(text, pattern, to)`: `to` for every character.
    ReplacingPattern,
    /// `f(stop)`, `f(start, stop)` or `f(start, stop, step)`: a list of numbers.
    Series,
    /// `f(value, n)`: a list of n values.
    Elements,
    /// `f(list, n, ..)`: a list of n values.
    Resized,
}

const CAPPED: &[(&str, Growth)] = &[
    ("repeat", Growth::Times),
    ("lpad", Growth::Characters),
    ("rpad", Growth::Characters),
    ("replace", Growth::Replacing),
    ("regexp_replace", Growth::ReplacingPattern),
    ("range", Growth::Series),
    ("generate_series", Growth::Series),
    ("array_repeat", Growth::Elements),
    ("array_resize", Growth::Resized),
];

/// The most bytes of a character.
const CHARACTER_BYTES: u64 = 4;
/// What an element of a list takes beside a text's bytes.
const ELEMENT_BYTES: u64 = 16;

/// Puts a cap on the growing functions of a session.
pub(crate) fn cap(context: &SessionContext, bytes_max: usize) {
    for (name, growth) in CAPPED {
        let inner = context.state().scalar_functions().get(*name).cloned();
        if let Some(inner) = inner {
            context.register_udf(ScalarUDF::new_from_impl(Capped { inner, growth: *growth, bytes_max }));
        }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Capped {
    inner: Arc<ScalarUDF>,
    growth: Growth,
    bytes_max: usize,
}

impl ScalarUDFImpl for Capped {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.inner().coerce_types(arg_types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let bytes = self.growth.bytes(&args.args, args.number_rows)?;
        if bytes.is_none_or(|bytes| bytes > self.bytes_max as u64) {
            let message = format!(
                "{} would produce more than {} bytes at once, or an unknown number of bytes",
                self.name(),
                self.bytes_max
            );
            return Err(through(SqlError::new(SqlErrorKind::LimitExceeded, message)));
        }
        self.inner.invoke_with_args(args)
    }
}

impl Growth {
    /// The bytes of all results; none where they cannot be told.
    fn bytes(self, args: &[ColumnarValue], rows: usize) -> Result<Option<u64>> {
        let size = |place: usize| args.get(place).map(|arg| text_bytes(arg, rows)).transpose();
        let number = |place: usize| args.get(place).map(|arg| integers(arg, rows)).transpose();
        let count = |place: usize| Ok::<_, datafusion::error::DataFusionError>(number(place)?.flatten());
        let mut total: u64 = 0;
        let zero = || vec![0; rows];
        match self {
            Growth::Times | Growth::Elements => {
                let (sizes, Some(counts)) = (size(0)?.unwrap_or_else(zero), count(1)?) else { return Ok(None) };
                let extra = if self == Growth::Elements { ELEMENT_BYTES } else { 0 };
                for (size, count) in sizes.iter().zip(counts) {
                    total = total.saturating_add((size + extra).saturating_mul(count.max(0) as u64));
                }
            }
            Growth::Characters | Growth::Resized => {
                let Some(counts) = count(1)? else { return Ok(None) };
                let each = if self == Growth::Characters { CHARACTER_BYTES } else { ELEMENT_BYTES };
                for count in counts {
                    total = total.saturating_add((count.max(0) as u64).saturating_mul(each));
                }
            }
            Growth::Replacing | Growth::ReplacingPattern => {
                let (texts, froms) = (size(0)?.unwrap_or_else(zero), size(1)?.unwrap_or_else(zero));
                let tos = size(2)?.unwrap_or_else(zero);
                for ((text, from), to) in texts.iter().zip(froms).zip(tos) {
                    let places = if self == Growth::Replacing && from > 0 { text / from } else { text + 1 };
                    total = total.saturating_add(text.saturating_add(places.saturating_mul(to)));
                }
            }
            Growth::Series => {
                let bounds = if args.len() == 1 { (Some(vec![0; rows]), count(0)?) } else { (count(0)?, count(1)?) };
                let (Some(starts), Some(stops)) = bounds else { return Ok(None) };
                let steps = if args.len() > 2 { count(2)? } else { Some(vec![1; rows]) };
                let Some(steps) = steps else { return Ok(None) };
                for ((start, stop), step) in starts.iter().zip(stops).zip(steps) {
                    let elements = stop.abs_diff(*start) / step.unsigned_abs().max(1);
                    total = total.saturating_add(elements.saturating_mul(ELEMENT_BYTES));
                }
            }
        }
        Ok(Some(total))
    }
}

/// A whole number for every row, 0 for null; none where the argument is no whole number.
fn integers(arg: &ColumnarValue, rows: usize) -> Result<Option<Vec<i64>>> {
    let data_type = arg.data_type();
    if !data_type.is_integer() && data_type != DataType::Null {
        return Ok(None);
    }
    each_row(arg, rows, |array| Ok(cast(array, &DataType::Int64)?)).map(Some)
}

/// The bytes of the text of every row; for other types what a row takes.
fn text_bytes(arg: &ColumnarValue, rows: usize) -> Result<Vec<u64>> {
    let numbers = match arg.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            // `length` counts characters of text in its bytes.
            each_row(arg, rows, |array| Ok(cast(&length(array)?, &DataType::Int64)?))?
        }
        _ => match arg {
            ColumnarValue::Array(array) => {
                vec![(array.get_array_memory_size() / array.len().max(1)) as i64; rows]
            }
            ColumnarValue::Scalar(scalar) => vec![scalar.size() as i64; rows],
        },
    };
    Ok(numbers.into_iter().map(|number| number.max(0) as u64).collect())
}

fn each_row(
    arg: &ColumnarValue,
    rows: usize,
    compute: impl Fn(&dyn Array) -> Result<Arc<dyn Array>>,
) -> Result<Vec<i64>> {
    let array = match arg {
        ColumnarValue::Array(array) => Arc::clone(array),
        ColumnarValue::Scalar(scalar) => scalar.to_array()?,
    };
    let computed = compute(&array)?;
    let numbers: Vec<i64> = computed.as_primitive::<Int64Type>().iter().map(Option::unwrap_or_default).collect();
    match (arg, numbers.first()) {
        (ColumnarValue::Scalar(_), Some(only)) => Ok(vec![*only; rows]),
        _ => Ok(numbers),
    }
}
