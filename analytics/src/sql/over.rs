//! Sliding windows: `OVER (PARTITION BY k RANGE INTERVAL '1' MINUTE PRECEDING)`, also by name.
//!
//! ```text
//! AWS     RANGE INTERVAL '1' MINUTE PRECEDING     ORDER BY __order RANGE BETWEEN n PRECEDING AND CURRENT ROW
//!         ROWS 2 PRECEDING                        ORDER BY __order ROWS BETWEEN 2 PRECEDING AND CURRENT ROW
//! Flink   ORDER BY t RANGE BETWEEN INTERVAL ..    ORDER BY ROWTIME RANGE BETWEEN INTERVAL ..
//! ```
//! Of rows of one time, a row of the AWS dialect sees those that came before it; in Flink's it sees all of them.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, Ident, NamedWindowDefinition, NamedWindowExpr, OrderByExpr, OrderByOptions, Select, Value,
    WindowFrame, WindowFrameBound, WindowFrameUnits, WindowSpec, WindowType, visit_expressions_mut,
};
use model::query::engine::SqlError;

use crate::sql::dialect::Dialect;
use crate::sql::expressions::is_aggregate_name;
use crate::sql::interval::{Length, length};
use crate::sql::schema::ROWTIME;
use crate::sql::tree::{call, column, plain_interval};
use crate::sql::window_call::{name_of, refuse};
use crate::window::sliding::{Frames, ORDER, distance};

/// The longest window.
const RANGE_MAX: i64 = 366 * 86_400_000;
/// The most rows that a window of rows holds.
const ROWS_MAX: u64 = 1_000_000;
/// Functions over windows that are no aggregates.
const OF_WINDOWS: [&str; 3] = ["FIRST_VALUE", "LAST_VALUE", "NTH_VALUE"];

/// The sliding windows of a select list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sliding {
    pub(crate) frames: Frames,
    /// For each window of rows: how far behind the last row of its key a row is.
    pub(crate) ranks: Vec<Expr>,
}

/// Makes windows that DataFusion computes of those of a select list; none if it has none. `is_time` says what Flink's
/// windows may be ordered by.
pub(crate) fn sliding(
    select: &mut Select,
    dialect: Dialect,
    is_time: impl Fn(&Expr) -> bool,
) -> Result<Option<Sliding>, SqlError> {
    let named = std::mem::take(&mut select.named_window);
    let mut found: Option<Sliding> = None;
    let visited = visit_expressions_mut(&mut select.projection, |expr: &mut Expr| {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let Some(over) = function.over.take() else { return ControlFlow::Continue(()) };
        let windowed = check_function(function)
            .and_then(|()| spec_of(&over, &named, function))
            .and_then(|spec| windowed(spec, dialect, &is_time, found.get_or_insert_default(), function));
        match windowed {
            Ok(spec) => function.over = Some(WindowType::WindowSpec(spec)),
            Err(error) => return ControlFlow::Break(error),
        }
        if name_of(function) == "EXP_AVG" {
            with_rowtime(function);
        }
        ControlFlow::Continue(())
    });
    match visited {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(found),
    }
}

fn check_function(function: &Function) -> Result<(), SqlError> {
    let name = name_of(function);
    if is_aggregate_name(&name) || OF_WINDOWS.contains(&name.as_str()) || name == "EXP_AVG" {
        return Ok(());
    }
    let known = OF_WINDOWS.join(", ");
    Err(refuse(
        function,
        format!("{name} is not supported with OVER"),
        format!("use an aggregate such as COUNT, SUM, AVG, MIN or MAX, or one of {known}"),
    ))
}

/// The window that is meant, also by its name.
fn spec_of(over: &WindowType, named: &[NamedWindowDefinition], at: &Function) -> Result<WindowSpec, SqlError> {
    let name = match over {
        WindowType::WindowSpec(spec) if spec.window_name.is_none() => return Ok(spec.clone()),
        WindowType::WindowSpec(_) => {
            return Err(refuse(at, "a window cannot be made of another window", "write all of it in OVER (..)"));
        }
        WindowType::NamedWindow(name) => name,
    };
    let found = named.iter().find(|NamedWindowDefinition(known, _)| known.value == name.value);
    match found.map(|NamedWindowDefinition(_, window)| window) {
        Some(NamedWindowExpr::WindowSpec(spec)) => Ok(spec.clone()),
        _ => Err(refuse(at, format!("window `{name}` is not declared"), format!("add WINDOW {name} AS (..)"))),
    }
}

/// The window as DataFusion computes it.
fn windowed(
    spec: WindowSpec,
    dialect: Dialect,
    is_time: &impl Fn(&Expr) -> bool,
    sliding: &mut Sliding,
    at: &Function,
) -> Result<WindowSpec, SqlError> {
    let form = match dialect {
        Dialect::Aws => "write OVER (PARTITION BY a RANGE INTERVAL '1' MINUTE PRECEDING) or ROWS 10 PRECEDING",
        Dialect::Flink => {
            "write OVER (PARTITION BY a ORDER BY ts RANGE BETWEEN INTERVAL '1' MINUTE PRECEDING AND CURRENT ROW)"
        }
    };
    match (dialect, spec.order_by.as_slice()) {
        (Dialect::Aws, []) => {}
        (Dialect::Aws, _) => {
            return Err(refuse(at, "a sliding window has no ORDER BY: its order is that of time", form));
        }
        (Dialect::Flink, [order]) if is_time(&order.expr) && order.options.asc != Some(false) => {}
        (Dialect::Flink, _) => {
            return Err(refuse(at, "a sliding window is ordered by one time attribute, ascending", form));
        }
    }
    let frame = spec.window_frame.ok_or_else(|| refuse(at, "the sliding window has no bounds", form))?;
    if !matches!(frame.end_bound, None | Some(WindowFrameBound::CurrentRow)) {
        return Err(refuse(at, "a sliding window ends at the current row", form));
    }
    let (order, bound) = match (frame.units, frame.start_bound) {
        (WindowFrameUnits::Range, start) => range(start, dialect, sliding)
            .ok_or_else(|| refuse(at, "RANGE is followed by an interval of a year at most, and PRECEDING", form))?,
        (WindowFrameUnits::Rows, start) => {
            let rows = rows(start).ok_or_else(|| {
                refuse(at, format!("ROWS is followed by a number of at most {ROWS_MAX}, and PRECEDING"), form)
            })?;
            sliding.frames.rows.push(rows);
            sliding.ranks.push(rank(&spec.partition_by));
            (ORDER, number(rows.to_string()))
        }
        (WindowFrameUnits::Groups, _) => return Err(refuse(at, "GROUPS is not supported", form)),
    };
    Ok(WindowSpec {
        window_name: None,
        partition_by: spec.partition_by,
        order_by: vec![ordered(order, true)],
        window_frame: Some(WindowFrame {
            units: frame.units,
            start_bound: WindowFrameBound::Preceding(Some(Box::new(bound))),
            end_bound: Some(WindowFrameBound::CurrentRow),
        }),
    })
}

/// What a window of time is ordered by, and how far it reaches back.
fn range(start: WindowFrameBound, dialect: Dialect, sliding: &mut Sliding) -> Option<(&'static str, Expr)> {
    let millis = match start {
        WindowFrameBound::CurrentRow => 0,
        WindowFrameBound::Preceding(Some(bound)) => match bound.as_ref() {
            Expr::Interval(interval) => match length(interval)? {
                Length::Millis(millis) => millis,
                Length::Months(_) => return None,
            },
            _ => return None,
        },
        _ => return None,
    };
    if !(0..=RANGE_MAX).contains(&millis) {
        return None;
    }
    sliding.frames.range = sliding.frames.range.max(Some(millis));
    Some(match dialect {
        Dialect::Aws => (ORDER, number(distance(millis).to_string())),
        Dialect::Flink => (ROWTIME, plain_interval(Length::Millis(millis))),
    })
}

fn rows(start: WindowFrameBound) -> Option<u64> {
    match start {
        WindowFrameBound::CurrentRow => Some(0),
        WindowFrameBound::Preceding(Some(bound)) => match bound.as_ref() {
            Expr::Value(value) => match &value.value {
                Value::Number(digits, _) => digits.parse().ok().filter(|rows| *rows <= ROWS_MAX),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

fn number(digits: String) -> Expr {
    Expr::value(Value::Number(digits, false))
}

fn ordered(name: &str, asc: bool) -> OrderByExpr {
    let expr = Expr::Identifier(Ident::with_quote('"', name));
    OrderByExpr { expr, options: OrderByOptions { asc: Some(asc), nulls_first: None }, with_fill: None }
}

/// How far behind the last row of its key a row is; the last one is 1.
fn rank(partition_by: &[Expr]) -> Expr {
    let Expr::Function(mut function) = call("row_number", Vec::new()) else { unreachable!("a call is a function") };
    function.over = Some(WindowType::WindowSpec(WindowSpec {
        window_name: None,
        partition_by: partition_by.to_vec(),
        order_by: vec![ordered(ORDER, false)],
        window_frame: None,
    }));
    Expr::Function(function)
}

/// `EXP_AVG(x, INTERVAL ..)` needs the time of rows too.
fn with_rowtime(function: &mut Function) {
    use datafusion::sql::sqlparser::ast::{FunctionArg, FunctionArgExpr, FunctionArguments};
    if let Some(datafusion::sql::sqlparser::ast::ObjectNamePart::Identifier(name)) = function.name.0.last_mut() {
        name.value = "aws_exp_avg".to_owned();
    }
    if let FunctionArguments::List(list) = &mut function.args {
        list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(column(ROWTIME))));
    }
}
