//! Expressions of a dialect as DataFusion plans them: windows become the hidden columns of their bounds, and forms that
//! DataFusion does not have become calls.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use datafusion::functions_aggregate::all_default_aggregate_functions;
use datafusion::logical_expr::AggregateUDF;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CeilFloorKind, Expr, ObjectNamePart, Value, VisitMut, VisitorMut,
};
use model::query::engine::SqlError;

use crate::sql::aws_calls::aws_call;
use crate::sql::dialect::Dialect;
use crate::sql::interval::{Length, Unit, length};
use crate::sql::schema::ROWTIME;
use crate::sql::tree::{call, column, plain_interval};
use crate::sql::window_call::{Part, WindowCall, aws, flink_group, name_of, refuse};
use crate::window::assigner::{WINDOW_END, WINDOW_START};
use crate::window::kind::WindowKind;

/// The windows that rows of a query are grouped by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Windows {
    pub(crate) kind: WindowKind,
    /// Whether a table function made them: then their bounds are columns.
    pub(crate) are_columns: bool,
}

/// What expressions mean.
#[derive(Debug, Clone)]
pub(crate) struct Rewriter<'a> {
    pub(crate) dialect: Dialect,
    /// Where expressions are over results of windows, and not over rows.
    pub(crate) windows: Option<&'a Windows>,
    /// Names that stand for expressions.
    pub(crate) names: Vec<(String, Expr)>,
    /// How many aggregates the place is inside of: there, rows are meant again.
    pub(crate) aggregates: usize,
}

impl Rewriter<'_> {
    /// The expression as DataFusion plans it.
    pub(crate) fn rewrite(&mut self, expr: &Expr) -> Result<Expr, SqlError> {
        let mut rewritten = expr.clone();
        match VisitMut::visit(&mut rewritten, self) {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(rewritten),
        }
    }

    /// What stands in the place of an expression, if anything else does.
    fn replacement(&self, expr: &Expr) -> Result<Option<Expr>, SqlError> {
        if let Some((_, meant)) = bare_name(expr).and_then(|name| self.names.iter().find(|(known, _)| *known == name)) {
            return Ok(Some(meant.clone()));
        }
        let of_results = self.windows.filter(|_| self.aggregates == 0);
        if let Some(windows) = of_results
            && let Some(bound) = self.bound(expr, windows)?
        {
            return Ok(Some(bound));
        }
        if self.dialect == Dialect::Aws
            && let Some(call) = aws_call(expr)?
        {
            return Ok(Some(call));
        }
        match expr {
            Expr::Floor { expr: time, field: CeilFloorKind::DateTimeField(field) } => {
                Ok(Unit::of(field).map(|unit| floor(time, unit)))
            }
            Expr::Function(function) if name_of(function) == "PROCTIME" => Ok(Some(column(ROWTIME))),
            Expr::Interval(interval) if interval.leading_field.is_some() => match length(interval) {
                Some(length) => Ok(Some(plain_interval(length))),
                None => Err(refuse(expr, format!("`{expr}` is not an interval"), "write INTERVAL '10' SECOND")),
            },
            _ => Ok(None),
        }
    }

    /// A bound of the query's windows, if the expression names one.
    fn bound(&self, expr: &Expr, windows: &Windows) -> Result<Option<Expr>, SqlError> {
        if windows.are_columns {
            let name = match expr {
                Expr::Identifier(name) => Some(name),
                Expr::CompoundIdentifier(names) => names.last(),
                _ => None,
            };
            return Ok(match name.map(|name| name.value.as_str()) {
                Some("window_start") => Some(part(Part::Start)),
                Some("window_end") => Some(part(Part::End)),
                Some("window_time") => Some(part(Part::RowTime)),
                _ => None,
            });
        }
        let call = match self.dialect {
            Dialect::Aws if bare_name(expr).is_some_and(|name| name == ROWTIME) => return Ok(Some(part(Part::End))),
            Dialect::Aws => aws(expr)?.filter(|call| call.time.as_ref().is_none_or(is_rowtime)),
            Dialect::Flink => flink_group(expr)?,
        };
        match call {
            Some(WindowCall { windows: found, .. }) if found != windows.kind => {
                Err(refuse(expr, "this is not the window of GROUP BY", "write the same window in both places"))
            }
            Some(call) => Ok(Some(part(call.part))),
            None => Ok(None),
        }
    }
}

impl VisitorMut for Rewriter<'_> {
    type Break = SqlError;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        match self.replacement(expr) {
            Err(error) => return ControlFlow::Break(error),
            Ok(Some(replacement)) => *expr = replacement,
            Ok(None) => {}
        }
        self.aggregates += usize::from(is_aggregate(expr));
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        self.aggregates = self.aggregates.saturating_sub(usize::from(is_aggregate(expr)));
        if let Expr::Function(function) = expr {
            // DataFusion knows its functions in lower case.
            for part in &mut function.name.0 {
                if let ObjectNamePart::Identifier(name) = part {
                    name.value = name.value.to_lowercase();
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// The name, if the expression is one without a table before it.
fn bare_name(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Identifier(name) => Some(&name.value),
        _ => None,
    }
}

/// Whether the expression is the time of rows.
pub(crate) fn is_rowtime(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(name) => name.value == ROWTIME,
        Expr::CompoundIdentifier(names) => names.last().is_some_and(|name| name.value == ROWTIME),
        _ => false,
    }
}

/// Whether the expression itself is a call of an aggregate function over the rows of a group.
pub(crate) fn is_aggregate(expr: &Expr) -> bool {
    let Expr::Function(function) = expr else { return false };
    function.over.is_none() && is_aggregate_name(&name_of(function))
}

/// Whether an aggregate function has this name, in any case.
pub(crate) fn is_aggregate_name(name: &str) -> bool {
    static NAMES: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let functions = all_default_aggregate_functions();
        let names =
            |function: &Arc<AggregateUDF>| [vec![function.name().to_owned()], function.aliases().to_vec()].concat();
        functions.iter().flat_map(names).collect()
    });
    NAMES.contains(&name.to_lowercase())
}

fn part(part: Part) -> Expr {
    match part {
        Part::Start => column(WINDOW_START),
        Part::End => column(WINDOW_END),
        Part::RowTime => Expr::Nested(Box::new(Expr::BinaryOp {
            left: Box::new(column(WINDOW_END)),
            op: BinaryOperator::Minus,
            right: Box::new(plain_interval(Length::Millis(1))),
        })),
    }
}

fn floor(time: &Expr, unit: Unit) -> Expr {
    let unit = Expr::value(Value::SingleQuotedString(format!("{unit:?}").to_lowercase()));
    call("date_trunc", vec![unit, time.clone()])
}
