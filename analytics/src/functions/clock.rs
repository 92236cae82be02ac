//! The current time: fixed when a query is planned, and for each row.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::{Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::SessionContext;
use model::clock::{Clock, SystemClock};

use super::calendar::{day_of, time_of_day};
use super::function::Function;
use super::value::{TIME, TIMESTAMP, Value, array};

pub(super) fn register(context: &SessionContext) {
    let current = [
        Current { name: "current_timestamp", data_type: TIMESTAMP },
        Current { name: "localtimestamp", data_type: TIMESTAMP },
        Current { name: "current_date", data_type: DataType::Date32 },
        Current { name: "current_time", data_type: TIME },
        Current { name: "localtime", data_type: TIME },
    ];
    for current in current {
        context.register_udf(ScalarUDF::new_from_impl(CurrentFunction {
            current,
            signature: Signature::nullary(Volatility::Stable),
        }));
    }
    let of_row = Function::new("current_row_timestamp", "CURRENT_ROW_TIMESTAMP", &[], TIMESTAMP, |_| {
        Ok(Value::Timestamp(SystemClock.now().as_millis()))
    });
    context.register_udf(of_row.volatile().udf());
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Current {
    name: &'static str,
    data_type: DataType,
}

/// A function whose every call in a query gives the time at which the query was planned.
#[derive(Debug, PartialEq, Eq, Hash)]
struct CurrentFunction {
    current: Current,
    signature: Signature,
}

impl ScalarUDFImpl for CurrentFunction {
    fn name(&self) -> &str {
        self.current.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.current.data_type.clone())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.current.name, self.current.data_type.clone(), false)))
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let Some(start) = info.query_execution_start_time() else { return Ok(ExprSimplifyResult::Original(args)) };
        let at = start.timestamp_millis();
        let value = match &self.current.data_type {
            DataType::Date32 => Value::Date(day_of(at)?),
            same if *same == TIME => Value::Time(time_of_day(at)),
            _ => Value::Timestamp(at),
        };
        let literal = ScalarValue::try_from_array(&array(&self.current.data_type, &[value])?, 0)?;
        Ok(ExprSimplifyResult::Simplified(Expr::Literal(literal, None)))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("{} is replaced by its value when a query is planned", self.current.name)
    }
}
