//! Totals of integers and decimals in 128 bits, and parts of them as columns.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, Decimal128Array, Int64Array, UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, DecimalType, Int64Type, UInt64Type};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err};
use datafusion::error::DataFusionError;

/// The most digits of a decimal.
const DIGITS_MAX: u8 = 38;

/// Calls `each` with the place and the value of every element that is not null.
pub(super) fn for_each<T: ArrowPrimitiveType>(array: &ArrayRef, mut each: impl FnMut(usize, i128))
where
    i128: From<T::Native>,
{
    let array = array.as_primitive::<T>();
    match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => array.values().iter().enumerate().for_each(|(at, value)| each(at, i128::from(*value))),
        Some(nulls) => nulls.valid_indices().for_each(|at| each(at, i128::from(array.value(at)))),
    }
}

/// Adds to a total. Error: 128 bits cannot hold it, as only decimals of nearly 38 digits can make it.
pub(super) fn add(total: &mut i128, value: Option<i128>) -> Result<()> {
    let sum = value.and_then(|value| total.checked_add(value));
    *total = sum.ok_or_else(|| {
        exec_datafusion_err!("a sum has more than {DIGITS_MAX} digits; sum fewer rows, or SUM(CAST(x AS DOUBLE))")
    })?;
    Ok(())
}

/// What is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    Signed,
    Unsigned,
    /// With so many digits in the sum, and after the point.
    Decimal(u8, i8),
}

impl Number {
    /// Numbers whose sum has this type, if they are summed here.
    pub(super) fn of(sum: &DataType) -> Option<Number> {
        match sum {
            DataType::Int64 => Some(Number::Signed),
            DataType::UInt64 => Some(Number::Unsigned),
            DataType::Decimal128(precision, scale) => Some(Number::Decimal(*precision, *scale)),
            _ => None,
        }
    }

    /// Calls `each` with the place and the value of every element that is not null.
    pub(super) fn for_each(self, array: &ArrayRef, each: impl FnMut(usize, i128)) {
        match self {
            Number::Signed => for_each::<Int64Type>(array, each),
            Number::Unsigned => for_each::<UInt64Type>(array, each),
            Number::Decimal(..) => for_each::<Decimal128Type>(array, each),
        }
    }

    /// The type of the sum.
    pub(super) fn data_type(self) -> DataType {
        match self {
            Number::Signed => DataType::Int64,
            Number::Unsigned => DataType::UInt64,
            Number::Decimal(precision, scale) => DataType::Decimal128(precision, scale),
        }
    }

    /// The type of a part of a sum: above 10^18 numbers of 64 bits fit in.
    pub(super) fn part(self) -> DataType {
        match self {
            Number::Signed | Number::Unsigned => DataType::Decimal128(DIGITS_MAX, 0),
            Number::Decimal(_, scale) => DataType::Decimal128(DIGITS_MAX, scale),
        }
    }

    /// Parts of sums, each null where it has no value.
    pub(super) fn parts(self, totals: impl Iterator<Item = Option<i128>>) -> ArrayRef {
        Arc::new(totals.collect::<Decimal128Array>().with_data_type(self.part()))
    }

    /// The totals as an array. Error: one of them does not fit.
    pub(super) fn array(self, totals: impl Iterator<Item = Option<i128>>) -> Result<ArrayRef> {
        fn fit<T: TryFrom<i128>>(total: Option<i128>) -> Result<Option<T>> {
            let fit = |total: i128| T::try_from(total).map_err(|_| does_not_fit(total));
            total.map(fit).transpose()
        }
        Ok(match self {
            Number::Signed => Arc::new(totals.map(fit).collect::<Result<Int64Array>>()?),
            Number::Unsigned => Arc::new(totals.map(fit).collect::<Result<UInt64Array>>()?),
            Number::Decimal(precision, scale) => {
                let fit = |total: Option<i128>| match total {
                    Some(total) if !Decimal128Type::is_valid_decimal_precision(total, precision) => {
                        Err(has_more_digits(total, precision, scale))
                    }
                    total => Ok(total),
                };
                let totals = totals.map(fit).collect::<Result<Decimal128Array>>()?;
                Arc::new(totals.with_data_type(self.data_type()))
            }
        })
    }

    pub(super) fn value(self, total: Option<i128>) -> Result<ScalarValue> {
        ScalarValue::try_from_array(&self.array(std::iter::once(total))?, 0)
    }
}

fn does_not_fit(total: i128) -> DataFusionError {
    exec_datafusion_err!("a sum of integers is {total}, which 64 bits cannot hold; SUM(CAST(x AS DECIMAL(38, 0))) can")
}

fn has_more_digits(total: i128, precision: u8, scale: i8) -> DataFusionError {
    let total = printed(total, scale);
    exec_datafusion_err!(
        "a sum of decimals is {total}, which DECIMAL({precision}, {scale}) cannot hold; SUM(CAST(x AS DOUBLE)) can"
    )
}

/// All digits, which may be more than a decimal type has.
fn printed(total: i128, scale: i8) -> String {
    let scale = usize::from(scale.max(0).unsigned_abs());
    let digits = format!("{:0>width$}", total.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if total < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}
