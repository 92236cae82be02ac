//! A scalar function of the dialect: its parameters, the type of its result, and what it computes for one row.
//!
//! DataFusion calls it with columns. Here they become rows, so that a function is written as a plain computation. NULL
//! in any argument gives NULL, unless the function says that it wants to see it. An error is an error of the row.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err, plan_datafusion_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::value::{Column, TIMESTAMP, Value, array, canonical, sql_name};

/// The most bytes of text that one call makes for one batch of rows.
const OUTPUT_BYTES_MAX: usize = 64 << 20;

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    /// Any number, as it is.
    Number,
    /// Any number, as a DOUBLE.
    Double,
    Timestamp,
    /// DATE, TIME or TIMESTAMP.
    Time,
    Interval,
    Any,
}

impl Kind {
    /// The type that a value of `given` is read in; none where the parameter does not take it.
    fn coerce(self, given: &DataType) -> Option<DataType> {
        let same = canonical(given);
        if *given == DataType::Null {
            return Some(DataType::Null);
        }
        let takes = match self {
            Kind::Text => same == DataType::Utf8,
            Kind::Integer => return same.is_integer().then_some(DataType::Int64),
            Kind::Number => same.is_numeric(),
            Kind::Double => return same.is_numeric().then_some(DataType::Float64),
            Kind::Timestamp => same == TIMESTAMP,
            Kind::Time => same.is_temporal() && !matches!(same, DataType::Interval(_)),
            Kind::Interval => matches!(same, DataType::Interval(_)),
            Kind::Any => true,
        };
        takes.then_some(same)
    }

    fn shown(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Integer => "an integer",
            Kind::Number | Kind::Double => "a number",
            Kind::Timestamp => "a TIMESTAMP",
            Kind::Time => "a DATE, a TIME or a TIMESTAMP",
            Kind::Interval => "an interval",
            Kind::Any => "a value",
        }
    }
}

/// What is known of the arguments when a query is planned.
pub(super) struct Arguments<'a> {
    pub(super) shown: &'static str,
    pub(super) types: Vec<DataType>,
    literals: &'a [Option<&'a ScalarValue>],
}

impl Arguments<'_> {
    /// The text written as an argument. Error: there is no literal.
    pub(super) fn literal_text(&self, place: usize) -> Result<&str> {
        let literal = self.literals.get(place).copied().flatten();
        literal.and_then(|literal| literal.try_as_str().flatten()).ok_or_else(|| self.no_literal(place, "a text"))
    }

    /// The integer written as an argument. Error: there is no literal.
    pub(super) fn literal_integer(&self, place: usize) -> Result<i64> {
        let literal = self.literals.get(place).copied().flatten();
        let cast = literal.map(|literal| literal.cast_to(&DataType::Int64)).transpose()?;
        match cast {
            Some(ScalarValue::Int64(Some(integer))) => Ok(integer),
            _ => Err(self.no_literal(place, "an integer")),
        }
    }

    fn no_literal(&self, place: usize, what: &str) -> datafusion::error::DataFusionError {
        plan_datafusion_err!(
            "{} decides its columns before any row comes, so argument {} must be {what} written in the query",
            self.shown,
            place + 1
        )
    }
}

type ResultType = Box<dyn Fn(&Arguments<'_>) -> Result<DataType> + Send + Sync>;
type Compute = Box<dyn Fn(&[Value<'_>]) -> Result<Value<'static>> + Send + Sync>;

/// A scalar function. Two of the same name are the same function.
pub(super) struct Function {
    name: &'static str,
    /// What a user calls it.
    shown: &'static str,
    aliases: Vec<String>,
    signature: Signature,
    parameters: &'static [Kind],
    /// How many of the parameters must be there.
    required: usize,
    sees_null: bool,
    result: ResultType,
    compute: Compute,
}

impl Function {
    /// A function that a query calls by `name`, and its user knows as `shown`.
    pub(super) fn new(
        name: &'static str,
        shown: &'static str,
        parameters: &'static [Kind],
        result: DataType,
        compute: impl Fn(&[Value<'_>]) -> Result<Value<'static>> + Send + Sync + 'static,
    ) -> Function {
        Function {
            name,
            shown,
            aliases: Vec::new(),
            signature: Signature::user_defined(Volatility::Immutable),
            parameters,
            required: parameters.len(),
            sees_null: false,
            result: Box::new(move |_| Ok(result.clone())),
            compute: Box::new(compute),
        }
    }

    /// The last parameters may be left out.
    pub(super) fn required(self, required: usize) -> Function {
        Function { required, ..self }
    }

    pub(super) fn alias(mut self, alias: &str) -> Function {
        self.aliases.push(alias.to_owned());
        self
    }

    /// NULL is a value like others.
    pub(super) fn sees_null(self) -> Function {
        Function { sees_null: true, ..self }
    }

    /// The type of the result depends on the arguments, which `result` may also refuse.
    pub(super) fn result(
        self,
        result: impl Fn(&Arguments<'_>) -> Result<DataType> + Send + Sync + 'static,
    ) -> Function {
        Function { result: Box::new(result), ..self }
    }

    pub(super) fn volatile(self) -> Function {
        Function { signature: Signature::user_defined(Volatility::Volatile), ..self }
    }

    pub(super) fn udf(self) -> ScalarUDF {
        ScalarUDF::new_from_impl(self)
    }
}

/// The result has the type of the first argument.
pub(super) fn as_first(arguments: &Arguments<'_>) -> Result<DataType> {
    Ok(arguments.types[0].clone())
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let (shown, most) = (self.shown, self.parameters.len());
        if arg_types.len() < self.required || arg_types.len() > most {
            let takes = if self.required == most { most.to_string() } else { format!("{} to {most}", self.required) };
            return plan_err!("{shown} takes {takes} arguments, and here it has {}", arg_types.len());
        }
        let each = arg_types.iter().zip(self.parameters).enumerate();
        each.map(|(place, (given, kind))| {
            kind.coerce(given).ok_or_else(|| {
                plan_datafusion_err!(
                    "argument {} of {shown} must be {}, but it is {}; convert it with CAST",
                    place + 1,
                    kind.shown(),
                    sql_name(given)
                )
            })
        })
        .collect()
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("{} has a return field", self.name)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let given: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let types = self.coerce_types(&given)?;
        let arguments = Arguments { shown: self.shown, types, literals: args.scalar_arguments };
        Ok(Arc::new(Field::new(self.name, (self.result)(&arguments)?, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let all_scalars = !args.args.is_empty() && args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if all_scalars { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(array_of).collect::<Result<Vec<_>>>()?;
        let columns = arrays.iter().map(|(array, _)| Column::of(array)).collect::<Result<Vec<_>>>()?;
        let mut results = Vec::with_capacity(rows);
        let mut row_values = Vec::with_capacity(columns.len());
        let mut text_bytes = 0;
        for row in 0..rows {
            row_values.clear();
            let each = columns.iter().zip(&arrays);
            row_values.extend(each.map(|(column, (_, is_scalar))| column.value(if *is_scalar { 0 } else { row })));
            let is_null = !self.sees_null && row_values.contains(&Value::Null);
            let result = if is_null { Value::Null } else { (self.compute)(&row_values)? };
            if let Value::Text(text) = &result {
                text_bytes += text.len();
            }
            if text_bytes > OUTPUT_BYTES_MAX {
                return datafusion::common::exec_err!(
                    "{} would make more than {OUTPUT_BYTES_MAX} bytes of text at once; shorten its arguments",
                    self.shown
                );
            }
            results.push(result);
        }
        let column = array(args.return_field.data_type(), &results)?;
        Ok(if all_scalars {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&column, 0)?)
        } else {
            ColumnarValue::Array(column)
        })
    }
}

/// An argument as a column, and whether its one value is meant for every row.
fn array_of(argument: &ColumnarValue) -> Result<(ArrayRef, bool)> {
    Ok(match argument {
        ColumnarValue::Array(array) => (Arc::clone(array), false),
        ColumnarValue::Scalar(scalar) => (scalar.to_array()?, true),
    })
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}
