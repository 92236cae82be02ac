//! `+`, `-` and `*` of integers as functions that fail where the result does not fit.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Datum};
use datafusion::arrow::compute::kernels::numeric::{add, mul, sub};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::arrow::error::ArrowError;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};
use datafusion::optimizer::AnalyzerRule;

/// Replaces the operators of integers in a plan whose types are settled.
#[derive(Debug)]
pub(super) struct CheckedArithmetic {
    add: Arc<ScalarUDF>,
    subtract: Arc<ScalarUDF>,
    multiply: Arc<ScalarUDF>,
}

impl Default for CheckedArithmetic {
    fn default() -> Self {
        let function = |name, kernel| {
            let signature = Signature::any(2, Volatility::Immutable);
            Arc::new(ScalarUDF::new_from_impl(Checked { name, kernel, signature }))
        };
        CheckedArithmetic {
            add: function("checked_add", Kernel::Add),
            subtract: function("checked_subtract", Kernel::Subtract),
            multiply: function("checked_multiply", Kernel::Multiply),
        }
    }
}

impl AnalyzerRule for CheckedArithmetic {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(|plan| self.check(plan))?.data)
    }

    fn name(&self) -> &'static str {
        "checked_arithmetic"
    }
}

impl CheckedArithmetic {
    fn check(&self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let schema = match &plan {
            LogicalPlan::TableScan(scan) => {
                DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?
            }
            plan => merge_schema(&plan.inputs()),
        };
        let names = NamePreserver::new(&plan);
        let checked = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let checked = expr.transform_up(|expr| self.replace(expr, &schema))?;
            Ok(checked.update_data(|expr| name.restore(expr)))
        })?;
        checked.map_data(|plan| plan.recompute_schema())
    }

    fn replace(&self, expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
        let is_integer = |expr: &Expr| Ok::<_, datafusion::error::DataFusionError>(expr.get_type(schema)?.is_integer());
        match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let function = match op {
                    Operator::Plus => &self.add,
                    Operator::Minus => &self.subtract,
                    Operator::Multiply => &self.multiply,
                    _ => return Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))),
                };
                if is_integer(&left)? && is_integer(&right)? {
                    return Ok(Transformed::yes(function.call(vec![*left, *right])));
                }
                Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })))
            }
            Expr::Negative(value) if is_integer(&value)? => {
                let zero = ScalarValue::new_zero(&value.get_type(schema)?)?;
                Ok(Transformed::yes(self.subtract.call(vec![lit(zero), *value])))
            }
            other => Ok(Transformed::no(other)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kernel {
    Add,
    Subtract,
    Multiply,
}

impl Kernel {
    fn compute(self, left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef, ArrowError> {
        match self {
            Kernel::Add => add(left, right),
            Kernel::Subtract => sub(left, right),
            Kernel::Multiply => mul(left, right),
        }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    name: &'static str,
    kernel: Kernel,
    signature: Signature,
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types[0].clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name, args.arg_fields[0].data_type().clone(), nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = &args.args[..] else {
            return datafusion::common::internal_err!("{} takes two values", self.name);
        };
        let result = match (left, right) {
            (ColumnarValue::Array(left), ColumnarValue::Array(right)) => self.kernel.compute(left, right)?,
            (ColumnarValue::Array(left), ColumnarValue::Scalar(right)) => {
                self.kernel.compute(left, &right.to_scalar()?)?
            }
            (ColumnarValue::Scalar(left), ColumnarValue::Array(right)) => {
                self.kernel.compute(&left.to_scalar()?, right)?
            }
            (ColumnarValue::Scalar(left), ColumnarValue::Scalar(right)) => {
                let result = self.kernel.compute(&left.to_scalar()?, &right.to_scalar()?)?;
                return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
            }
        };
        Ok(ColumnarValue::Array(result))
    }
}
