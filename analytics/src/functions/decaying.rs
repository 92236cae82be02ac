//! `EXP_AVG`: an average in which a row counts half as much for each half-life of its age.
//!
//! ```text
//! sum(x * 2^(-age / half)) / sum(2^(-age / half))
//! ```
//! Only ratios of weights matter, so ages are counted from the latest row that was seen.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{
    DataType, Field, FieldRef, Float64Type, Int64Type, IntervalMonthDayNanoType, TimestampMillisecondType,
};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use datafusion::prelude::SessionContext;

use super::span::Span;
use super::value::{INTERVAL, TIMESTAMP, canonical};

pub(super) fn register(context: &SessionContext) {
    let signature = Signature::user_defined(Volatility::Immutable);
    context.register_udaf(AggregateUDF::new_from_impl(DecayingAverage { signature }));
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DecayingAverage {
    signature: Signature,
}

impl AggregateUDFImpl for DecayingAverage {
    fn name(&self) -> &str {
        "aws_exp_avg"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        match arg_types {
            [x, half, at] if x.is_numeric() && canonical(half) == INTERVAL && canonical(at) == TIMESTAMP => {
                Ok(vec![DataType::Float64, INTERVAL, TIMESTAMP])
            }
            _ => plan_err!("EXP_AVG takes a number and an interval, as in EXP_AVG(price, INTERVAL '10' SECOND)"),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Decaying { half: 0, at: 0, count: 0, weighted: 0.0, weights: 0.0 }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let field = |part, data_type| Arc::new(Field::new(format_state_name(args.name, part), data_type, true));
        let integers = ["half", "at", "count"].map(|part| field(part, DataType::Int64));
        let doubles = ["weighted", "weights"].map(|part| field(part, DataType::Float64));
        Ok(integers.into_iter().chain(doubles).collect())
    }
}

#[derive(Debug)]
struct Decaying {
    /// The half-life in milliseconds.
    half: i64,
    /// The latest row's time: a weight is 1 there.
    at: i64,
    count: i64,
    weighted: f64,
    weights: f64,
}

impl Decaying {
    /// The weight of a row at a time that is not later than the latest.
    fn weight(&self, at: i64) -> f64 {
        (-((self.at - at) as f64) / self.half as f64).exp2()
    }

    /// Counts weights from `at`, if that is later.
    fn advance(&mut self, at: i64) {
        if self.count == 0 {
            (self.at, self.weighted, self.weights) = (at, 0.0, 0.0);
        } else if at > self.at {
            let older = self.at;
            self.at = at;
            let factor = self.weight(older);
            self.weighted *= factor;
            self.weights *= factor;
        }
    }

    fn each(&mut self, values: &[ArrayRef], mut change: impl FnMut(&mut Decaying, f64, i64)) -> Result<()> {
        let halves = values[1].as_primitive::<IntervalMonthDayNanoType>();
        let xs = values[0].as_primitive::<Float64Type>().iter();
        let rows = xs.zip(halves).zip(values[2].as_primitive::<TimestampMillisecondType>());
        for ((x, half), at) in rows {
            let (Some(x), Some(half), Some(at)) = (x, half, at) else { continue };
            self.half = Span::from(half).milliseconds;
            if self.half <= 0 {
                return exec_err!("EXP_AVG needs an interval above 0 of days or less, such as INTERVAL '10' SECOND");
            }
            change(self, x, at);
        }
        Ok(())
    }
}

impl Accumulator for Decaying {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.each(values, |this, x, at| {
            this.advance(at);
            let weight = this.weight(at);
            this.weighted += x * weight;
            this.weights += weight;
            this.count += 1;
        })
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.each(values, |this, x, at| {
            let weight = this.weight(at);
            this.weighted -= x * weight;
            this.weights -= weight;
            this.count -= 1;
        })
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64((self.count > 0).then(|| self.weighted / self.weights)))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let integers = [self.half, self.at, self.count].map(|integer| ScalarValue::Int64(Some(integer)));
        let doubles = [self.weighted, self.weights].map(|double| ScalarValue::Float64(Some(double)));
        Ok(integers.into_iter().chain(doubles).collect())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let integer = |place: usize, row| states[place].as_primitive::<Int64Type>().value(row);
        let double = |place: usize, row| states[place].as_primitive::<Float64Type>().value(row);
        for row in 0..states[0].len() {
            if integer(2, row) > 0 {
                self.half = integer(0, row);
                self.advance(integer(1, row));
                let weight = self.weight(integer(1, row));
                self.weighted += double(3, row) * weight;
                self.weights += double(4, row) * weight;
                self.count += integer(2, row);
            }
        }
        Ok(())
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }
}
