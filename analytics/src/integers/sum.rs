//! `SUM` of integers in 128 bits: exact in any order, and an error where the total does not fit.
//!
//! A part of a sum is kept as a decimal of 38 digits. DataFusion's own `SUM` keeps it in 64 bits.

use std::collections::HashMap;
use std::mem::size_of;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Decimal128Array, Int64Array, UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Int64Type, UInt64Type};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, ReversedUDAF,
    SetMonotonicity, Signature,
};

/// `SUM`; of anything else than integers as DataFusion computes it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct CheckedSum {
    inner: Arc<AggregateUDF>,
}

impl CheckedSum {
    pub(super) fn of(inner: Arc<AggregateUDF>) -> AggregateUDF {
        AggregateUDF::new_from_impl(CheckedSum { inner })
    }
}

/// The type of a sum of integers, if it is one.
fn integer(field: &Field) -> Option<Integer> {
    match field.data_type() {
        DataType::Int64 => Some(Integer::Signed),
        DataType::UInt64 => Some(Integer::Unsigned),
        _ => None,
    }
}

impl AggregateUDFImpl for CheckedSum {
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

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match integer(&args.return_field) {
            Some(integer) if args.is_distinct => Ok(Box::new(DistinctSum { integer, values: HashMap::new() })),
            Some(integer) => Ok(Box::new(Sum { integer, total: 0, count: 0 })),
            None => self.inner.accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        match integer(&args.return_field) {
            Some(_) if !args.is_distinct => {
                Ok(vec![Arc::new(Field::new(format_state_name(args.name, "sum"), PART, true))])
            }
            _ => self.inner.state_fields(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        match integer(&args.return_field) {
            Some(integer) => Ok(Box::new(GroupSums { integer, totals: Vec::new(), is_set: Vec::new() })),
            None => self.inner.create_groups_accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match integer(&args.return_field) {
            Some(_) => self.accumulator(args),
            None => self.inner.create_sliding_accumulator(args),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.inner.reverse_udf()
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.inner.inner().set_monotonicity(data_type)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

/// What a part of a sum is: above 10^18 numbers of 64 bits fit in.
const PART: DataType = DataType::Decimal128(38, 0);

/// Parts of sums, each null where it has no value.
fn parts(totals: impl Iterator<Item = Option<i128>>) -> Result<ArrayRef> {
    Ok(Arc::new(totals.collect::<Decimal128Array>().with_precision_and_scale(38, 0)?))
}

/// Calls `each` with the place and the value of every element that is not null.
fn for_each<T: ArrowPrimitiveType>(array: &ArrayRef, mut each: impl FnMut(usize, i128))
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
enum Integer {
    Signed,
    Unsigned,
}

impl Integer {
    /// Calls `each` with the place and the value of every element that is not null.
    fn for_each(self, array: &ArrayRef, each: impl FnMut(usize, i128)) {
        match self {
            Integer::Signed => for_each::<Int64Type>(array, each),
            Integer::Unsigned => for_each::<UInt64Type>(array, each),
        }
    }

    fn data_type(self) -> DataType {
        match self {
            Integer::Signed => DataType::Int64,
            Integer::Unsigned => DataType::UInt64,
        }
    }

    /// The totals as an array. Error: one of them does not fit.
    fn array(self, totals: impl Iterator<Item = Option<i128>>) -> Result<ArrayRef> {
        fn fit<T: TryFrom<i128>>(total: Option<i128>) -> Result<Option<T>> {
            let fit = |total: i128| T::try_from(total).map_err(|_| does_not_fit(total));
            total.map(fit).transpose()
        }
        Ok(match self {
            Integer::Signed => Arc::new(totals.map(fit).collect::<Result<Int64Array>>()?),
            Integer::Unsigned => Arc::new(totals.map(fit).collect::<Result<UInt64Array>>()?),
        })
    }

    fn value(self, total: Option<i128>) -> Result<ScalarValue> {
        ScalarValue::try_from_array(&self.array(std::iter::once(total))?, 0)
    }
}

fn does_not_fit(total: i128) -> DataFusionError {
    exec_datafusion_err!("a sum of integers is {total}, which 64 bits cannot hold; SUM(CAST(x AS DECIMAL(38, 0))) can")
}

/// The sum of one group, which rows also leave again where a window slides.
#[derive(Debug)]
struct Sum {
    integer: Integer,
    total: i128,
    /// Values in it.
    count: u64,
}

impl Accumulator for Sum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Sum { integer, total, count } = self;
        integer.for_each(&values[0], |_, value| (*total, *count) = (*total + value, *count + 1));
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Sum { integer, total, count } = self;
        integer.for_each(&values[0], |_, value| (*total, *count) = (*total - value, *count - 1));
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.integer.value((self.count > 0).then_some(self.total))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let part = parts(std::iter::once((self.count > 0).then_some(self.total)))?;
        Ok(vec![ScalarValue::try_from_array(&part, 0)?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Sum { total, count, .. } = self;
        for_each::<Decimal128Type>(&states[0], |_, part| (*total, *count) = (*total + part, *count + 1));
        Ok(())
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }
}

/// The sum of the values of one group, each of which counts once.
#[derive(Debug)]
struct DistinctSum {
    integer: Integer,
    /// How often each value is there.
    values: HashMap<i128, u64>,
}

impl Accumulator for DistinctSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let DistinctSum { integer, values: known } = self;
        integer.for_each(&values[0], |_, value| *known.entry(value).or_default() += 1);
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let DistinctSum { integer, values: known } = self;
        integer.for_each(&values[0], |_, value| {
            if let Some(count) = known.get_mut(&value) {
                *count -= 1;
                if *count == 0 {
                    known.remove(&value);
                }
            }
        });
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.integer.value((!self.values.is_empty()).then(|| self.values.keys().sum()))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = self.values.keys().map(|value| self.integer.value(Some(*value))).collect::<Result<Vec<_>>>()?;
        Ok(vec![ScalarValue::List(ScalarValue::new_list_nullable(&values, &self.integer.data_type()))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        states[0].as_list::<i32>().iter().flatten().try_for_each(|values| self.update_batch(&[values]))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.values.capacity() * size_of::<(i128, u64)>()
    }
}

/// The sums of many groups.
#[derive(Debug)]
struct GroupSums {
    integer: Integer,
    totals: Vec<i128>,
    /// Whether a group has a value at all.
    is_set: Vec<bool>,
}

impl GroupSums {
    fn resize(&mut self, groups: usize) {
        self.totals.resize(groups, 0);
        self.is_set.resize(groups, false);
    }

    fn take(&mut self, emit_to: EmitTo) -> impl Iterator<Item = Option<i128>> + use<> {
        let (totals, is_set) = (emit_to.take_needed(&mut self.totals), emit_to.take_needed(&mut self.is_set));
        totals.into_iter().zip(is_set).map(|(total, is_set)| is_set.then_some(total))
    }
}

impl GroupsAccumulator for GroupSums {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.resize(total_num_groups);
        let GroupSums { integer, totals, is_set } = self;
        integer.for_each(&values[0], |at, value| {
            if opt_filter.is_none_or(|filter| filter.is_valid(at) && filter.value(at)) {
                let group = group_indices[at];
                totals[group] += value;
                is_set[group] = true;
            }
        });
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let totals = self.take(emit_to);
        self.integer.array(totals)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![parts(self.take(emit_to))?])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.resize(total_num_groups);
        let GroupSums { totals, is_set, .. } = self;
        for_each::<Decimal128Type>(&values[0], |at, part| {
            let group = group_indices[at];
            totals[group] += part;
            is_set[group] = true;
        });
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let mut totals = vec![None; values[0].len()];
        self.integer.for_each(&values[0], |at, value| {
            if opt_filter.is_none_or(|filter| filter.is_valid(at) && filter.value(at)) {
                totals[at] = Some(value);
            }
        });
        Ok(vec![parts(totals.into_iter())?])
    }

    fn size(&self) -> usize {
        self.totals.capacity() * size_of::<i128>() + self.is_set.capacity()
    }
}
