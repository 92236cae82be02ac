//! Totals of integers in 128 bits, and parts of them as columns.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, Decimal128Array, Int64Array, UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Int64Type, UInt64Type};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err};
use datafusion::error::DataFusionError;

/// What a part of a sum is: above 10^18 numbers of 64 bits fit in.
pub(super) const PART: DataType = DataType::Decimal128(38, 0);

/// Parts of sums, each null where it has no value.
pub(super) fn parts(totals: impl Iterator<Item = Option<i128>>) -> Result<ArrayRef> {
    Ok(Arc::new(totals.collect::<Decimal128Array>().with_precision_and_scale(38, 0)?))
}

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

/// What is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Integer {
    Signed,
    Unsigned,
}

impl Integer {
    /// Calls `each` with the place and the value of every element that is not null.
    pub(super) fn for_each(self, array: &ArrayRef, each: impl FnMut(usize, i128)) {
        match self {
            Integer::Signed => for_each::<Int64Type>(array, each),
            Integer::Unsigned => for_each::<UInt64Type>(array, each),
        }
    }

    pub(super) fn data_type(self) -> DataType {
        match self {
            Integer::Signed => DataType::Int64,
            Integer::Unsigned => DataType::UInt64,
        }
    }

    /// The totals as an array. Error: one of them does not fit.
    pub(super) fn array(self, totals: impl Iterator<Item = Option<i128>>) -> Result<ArrayRef> {
        fn fit<T: TryFrom<i128>>(total: Option<i128>) -> Result<Option<T>> {
            let fit = |total: i128| T::try_from(total).map_err(|_| does_not_fit(total));
            total.map(fit).transpose()
        }
        Ok(match self {
            Integer::Signed => Arc::new(totals.map(fit).collect::<Result<Int64Array>>()?),
            Integer::Unsigned => Arc::new(totals.map(fit).collect::<Result<UInt64Array>>()?),
        })
    }

    pub(super) fn value(self, total: Option<i128>) -> Result<ScalarValue> {
        ScalarValue::try_from_array(&self.array(std::iter::once(total))?, 0)
    }
}

fn does_not_fit(total: i128) -> DataFusionError {
    exec_datafusion_err!("a sum of integers is {total}, which 64 bits cannot hold; SUM(CAST(x AS DECIMAL(38, 0))) can")
}
