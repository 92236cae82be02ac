//! Sums of integers and decimals while rows come, and leave where a window slides: of one group, of distinct values,
//! of many groups.

use std::collections::HashMap;
use std::mem::size_of;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use datafusion::arrow::datatypes::Decimal128Type;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::totals::{Number, add, for_each};

/// The sum of one group, which rows also leave again where a window slides.
#[derive(Debug)]
pub(super) struct Sum {
    number: Number,
    total: i128,
    /// Values in it.
    count: i64,
}

impl Sum {
    pub(super) fn of(number: Number) -> Sum {
        Sum { number, total: 0, count: 0 }
    }

    /// Adds values `times` once, or takes them away.
    fn change(&mut self, values: &ArrayRef, times: i64) -> Result<()> {
        let Sum { number, total, count } = self;
        let mut added = Ok(());
        number.for_each(values, |_, value| {
            if added.is_ok() {
                added = add(total, value.checked_mul(i128::from(times)));
                *count += times;
            }
        });
        added
    }
}

impl Accumulator for Sum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.change(&values[0], 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.change(&values[0], -1)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.number.value((self.count > 0).then_some(self.total))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let part = self.number.parts(std::iter::once((self.count > 0).then_some(self.total)));
        Ok(vec![ScalarValue::try_from_array(&part, 0)?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Sum { total, count, .. } = self;
        let mut added = Ok(());
        for_each::<Decimal128Type>(&states[0], |_, part| {
            if added.is_ok() {
                added = add(total, Some(part));
                *count += 1;
            }
        });
        added
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }
}

/// The sum of the values of one group, each of which counts once.
#[derive(Debug)]
pub(super) struct DistinctSum {
    number: Number,
    /// How often each value is there.
    values: HashMap<i128, u64>,
}

impl DistinctSum {
    pub(super) fn of(number: Number) -> DistinctSum {
        DistinctSum { number, values: HashMap::new() }
    }
}

impl Accumulator for DistinctSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let DistinctSum { number, values: known } = self;
        number.for_each(&values[0], |_, value| *known.entry(value).or_default() += 1);
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let DistinctSum { number, values: known } = self;
        number.for_each(&values[0], |_, value| {
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
        let mut total = 0;
        self.values.keys().try_for_each(|value| add(&mut total, Some(*value)))?;
        self.number.value((!self.values.is_empty()).then_some(total))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = self.values.keys().map(|value| self.number.value(Some(*value))).collect::<Result<Vec<_>>>()?;
        Ok(vec![ScalarValue::List(ScalarValue::new_list_nullable(&values, &self.number.data_type()))])
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
pub(super) struct GroupSums {
    number: Number,
    totals: Vec<i128>,
    /// Whether a group has a value at all.
    is_set: Vec<bool>,
}

impl GroupSums {
    pub(super) fn of(number: Number) -> GroupSums {
        GroupSums { number, totals: Vec::new(), is_set: Vec::new() }
    }

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
        let GroupSums { number, totals, is_set } = self;
        let mut added = Ok(());
        number.for_each(&values[0], |at, value| {
            if added.is_ok() && opt_filter.is_none_or(|filter| filter.is_valid(at) && filter.value(at)) {
                let group = group_indices[at];
                added = add(&mut totals[group], Some(value));
                is_set[group] = true;
            }
        });
        added
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let totals = self.take(emit_to);
        self.number.array(totals)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let totals = self.take(emit_to);
        Ok(vec![self.number.parts(totals)])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.resize(total_num_groups);
        let GroupSums { totals, is_set, .. } = self;
        let mut added = Ok(());
        for_each::<Decimal128Type>(&values[0], |at, part| {
            if added.is_ok() {
                let group = group_indices[at];
                added = add(&mut totals[group], Some(part));
                is_set[group] = true;
            }
        });
        added
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let mut totals = vec![None; values[0].len()];
        self.number.for_each(&values[0], |at, value| {
            if opt_filter.is_none_or(|filter| filter.is_valid(at) && filter.value(at)) {
                totals[at] = Some(value);
            }
        });
        Ok(vec![self.number.parts(totals.into_iter())])
    }

    fn size(&self) -> usize {
        self.totals.capacity() * size_of::<i128>() + self.is_set.capacity()
    }
}
