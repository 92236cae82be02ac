//! `AVG`: of integers it is an integer of the same type, cut towards 0; of decimals and floats it keeps the fraction.
//!
//! Integers are added up in 128 bits, so the average is exact whatever the order of the rows is.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Int64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Int64Type};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};
use datafusion::prelude::SessionContext;

use super::value::{canonical, sql_name};

/// The sum in a state.
const SUM: DataType = DataType::Decimal128(38, 0);

pub(super) fn register(context: &SessionContext) {
    let inner = context.state().aggregate_functions().get("avg").cloned();
    if let Some(inner) = inner {
        let signature = Signature::user_defined(Volatility::Immutable);
        context.register_udaf(AggregateUDF::new_from_impl(Average { inner, signature }));
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Average {
    inner: Arc<AggregateUDF>,
    signature: Signature,
}

impl AggregateUDFImpl for Average {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let [given] = arg_types else {
            return plan_err!("AVG takes one argument, and here it has {}", arg_types.len());
        };
        Ok(vec![match canonical(given) {
            DataType::Float32 | DataType::Null => DataType::Float64,
            number if number.is_numeric() => number,
            other => {
                return plan_err!("AVG takes numbers, but its argument is {}; convert it with CAST", sql_name(&other));
            }
        }])
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        match &arg_types[0] {
            integer if integer.is_integer() => Ok(integer.clone()),
            _ => self.inner.return_type(arg_types),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let result = args.return_field.data_type();
        match (result.is_integer(), args.is_distinct) {
            (true, true) => Ok(Box::new(DistinctAverage { result: result.clone(), values: HashMap::new() })),
            (true, false) => Ok(Box::new(OneAverage { result: result.clone(), sum: 0, count: 0 })),
            _ => self.inner.accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        if !args.return_field.data_type().is_integer() {
            return self.inner.state_fields(args);
        }
        let field = |part, data_type| Arc::new(Field::new(format_state_name(args.name, part), data_type, true));
        if args.is_distinct {
            let item = Field::new_list_field(DataType::Int64, true);
            return Ok(vec![field("avg distinct", DataType::List(Arc::new(item)))]);
        }
        Ok(vec![field("sum", SUM), field("count", DataType::Int64)])
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        match args.return_field.data_type() {
            integer if integer.is_integer() => !args.is_distinct,
            _ => self.inner.groups_accumulator_supported(args),
        }
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        match args.return_field.data_type() {
            result if result.is_integer() => {
                Ok(Box::new(GroupAverages { result: result.clone(), sums: Vec::new(), counts: Vec::new() }))
            }
            _ => self.inner.create_groups_accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match args.return_field.data_type() {
            integer if integer.is_integer() => self.accumulator(args),
            _ => self.inner.create_sliding_accumulator(args),
        }
    }
}

/// Calls `each` with the place and the value of every integer that is not null.
fn for_each(integers: &ArrayRef, mut each: impl FnMut(usize, i128)) -> Result<()> {
    let wide = cast(integers, &DataType::Int64)?;
    let wide = wide.as_primitive::<Int64Type>();
    wide.iter().enumerate().for_each(|(at, value)| value.into_iter().for_each(|value| each(at, value.into())));
    Ok(())
}

/// Averages as a column of the result's type, which holds whatever lies between integers of that type.
fn averages(result: &DataType, parts: impl Iterator<Item = (i128, i64)>) -> Result<ArrayRef> {
    let wide: Int64Array = parts.map(|(sum, count)| (count > 0).then(|| (sum / i128::from(count)) as i64)).collect();
    Ok(cast(&wide, result)?)
}

#[derive(Debug)]
struct OneAverage {
    result: DataType,
    sum: i128,
    count: i64,
}

impl Accumulator for OneAverage {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for_each(&values[0], |_, value| (self.sum, self.count) = (self.sum + value, self.count + 1))
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for_each(&values[0], |_, value| (self.sum, self.count) = (self.sum - value, self.count - 1))
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        ScalarValue::try_from_array(&averages(&self.result, std::iter::once((self.sum, self.count)))?, 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Decimal128(Some(self.sum), 38, 0), ScalarValue::Int64(Some(self.count))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let sums = states[0].as_primitive::<Decimal128Type>().iter().flatten();
        self.sum += sums.sum::<i128>();
        self.count += states[1].as_primitive::<Int64Type>().iter().flatten().sum::<i64>();
        Ok(())
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }
}

/// An average in which each value counts once.
#[derive(Debug)]
struct DistinctAverage {
    result: DataType,
    /// How often each value is there.
    values: HashMap<i64, u64>,
}

impl Accumulator for DistinctAverage {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for_each(&values[0], |_, value| *self.values.entry(value as i64).or_default() += 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for_each(&values[0], |_, value| {
            let left = self.values.get(&(value as i64)).map_or(0, |count| count - 1);
            if left == 0 {
                self.values.remove(&(value as i64));
            } else {
                self.values.insert(value as i64, left);
            }
        })
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = self.values.keys().map(|value| i128::from(*value)).sum();
        let count = self.values.len() as i64;
        ScalarValue::try_from_array(&averages(&self.result, std::iter::once((sum, count)))?, 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values: Vec<ScalarValue> = self.values.keys().map(|value| ScalarValue::Int64(Some(*value))).collect();
        Ok(vec![ScalarValue::List(ScalarValue::new_list_nullable(&values, &DataType::Int64))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        states[0].as_list::<i32>().iter().flatten().try_for_each(|values| self.update_batch(&[values]))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.values.capacity() * size_of::<(i64, u64)>()
    }
}

#[derive(Debug)]
struct GroupAverages {
    result: DataType,
    sums: Vec<i128>,
    counts: Vec<i64>,
}

impl GroupAverages {
    fn resize(&mut self, groups: usize) {
        self.sums.resize(groups, 0);
        self.counts.resize(groups, 0);
    }
}

impl GroupsAccumulator for GroupAverages {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.resize(total_num_groups);
        for_each(&values[0], |at, value| {
            if opt_filter.is_none_or(|filter| filter.is_valid(at) && filter.value(at)) {
                self.sums[group_indices[at]] += value;
                self.counts[group_indices[at]] += 1;
            }
        })
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let (sums, counts) = (emit_to.take_needed(&mut self.sums), emit_to.take_needed(&mut self.counts));
        averages(&self.result, sums.into_iter().zip(counts))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (sums, counts) = (emit_to.take_needed(&mut self.sums), emit_to.take_needed(&mut self.counts));
        state(sums, counts)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.resize(total_num_groups);
        let (sums, counts) = (values[0].as_primitive::<Decimal128Type>(), values[1].as_primitive::<Int64Type>());
        for (at, (sum, count)) in sums.iter().zip(counts).enumerate() {
            self.sums[group_indices[at]] += sum.unwrap_or(0);
            self.counts[group_indices[at]] += count.unwrap_or(0);
        }
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let (mut sums, mut counts) = (vec![0; values[0].len()], vec![0; values[0].len()]);
        for_each(&values[0], |at, value| {
            if opt_filter.is_none_or(|filter| filter.is_valid(at) && filter.value(at)) {
                (sums[at], counts[at]) = (value, 1);
            }
        })?;
        state(sums, counts)
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<i128>() + self.counts.capacity() * size_of::<i64>()
    }
}

fn state(sums: Vec<i128>, counts: Vec<i64>) -> Result<Vec<ArrayRef>> {
    let sums = Decimal128Array::from(sums).with_precision_and_scale(38, 0)?;
    Ok(vec![Arc::new(sums), Arc::new(Int64Array::from(counts))])
}
