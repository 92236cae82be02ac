//! FROM: the stream that a query reads, and the windows that Flink's table functions make of it.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, Select, SetExpr, TableFactor,
    TableFunctionArgs, TableWithJoins,
};
use model::query::engine::SqlError;

use crate::sql::window_call::{arguments, name_of, refuse, windows_of};
use crate::window::kind::WindowKind;

/// Flink's windows of a whole table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TableWindows {
    pub(crate) windows: WindowKind,
    /// The column that they are windows of.
    pub(crate) time: Ident,
    /// What sessions are of, if it is said.
    pub(crate) keys: Vec<Expr>,
}

/// Takes a table function out of a FROM item: the table itself is left.
fn table_windows(relation: &mut TableFactor) -> Result<Option<TableWindows>, SqlError> {
    let TableFactor::Table { name, args, .. } = relation else { return Ok(None) };
    let Some(TableFunctionArgs { args: given, .. }) = args else { return Ok(None) };
    let kind = name.to_string().to_uppercase();
    let known = ["TUMBLE", "HOP", "CUMULATE", "SESSION"];
    if !known.contains(&kind.as_str()) {
        let message = format!("table function `{name}` is not supported");
        return Err(refuse(name, message, format!("use one of {}", known.join(", "))));
    }
    let call = Call::of(given, name)?;
    let lengths: Vec<&Expr> = call.lengths.iter().collect();
    let length_count = if matches!(kind.as_str(), "HOP" | "CUMULATE") { 2 } else { 1 };
    let (lengths, rest) = lengths.split_at_checked(length_count).unwrap_or((&lengths, &[]));
    let offset = call.offset.as_ref().or(rest.first().copied());
    if rest.len() > usize::from(kind != "SESSION") || (kind == "SESSION" && offset.is_some()) {
        return Err(refuse(name, format!("{kind} has too many arguments"), "see Flink's windowing table functions"));
    }
    let windows = windows_of(&kind, lengths, offset, name)?;
    let found = TableWindows { windows, time: call.time, keys: call.keys };
    (*name, *args) = (call.table, None);
    Ok(Some(found))
}

/// Takes a table function out of FROM, also of a sub-query's.
pub(crate) fn take_windows(select: &mut Select) -> Result<Option<TableWindows>, SqlError> {
    let Some(table) = select.from.first_mut() else { return Ok(None) };
    if let TableFactor::Derived { subquery, .. } = &mut table.relation {
        return match subquery.body.as_mut() {
            SetExpr::Select(inner) => take_windows(inner),
            _ => Ok(None),
        };
    }
    table_windows(&mut table.relation)
}

/// A table function's arguments by their meaning.
struct Call {
    table: ObjectName,
    time: Ident,
    keys: Vec<Expr>,
    /// Slide or step before size, as Flink has them.
    lengths: Vec<Expr>,
    offset: Option<Expr>,
}

impl Call {
    fn of(given: &[FunctionArg], at: &ObjectName) -> Result<Call, SqlError> {
        let form = format!("write {at}(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)");
        let (mut table, mut time, mut keys, mut offset) = (None, None, Vec::new(), None);
        let mut lengths: Vec<(usize, Expr)> = Vec::new();
        for (place, arg) in given.iter().enumerate() {
            let (name, expr) = match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => (String::new(), expr),
                FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), .. } => (name.value.to_uppercase(), expr),
                FunctionArg::ExprNamed { name, arg: FunctionArgExpr::Expr(expr), .. } => {
                    (name.to_string().trim_matches('`').to_uppercase(), expr)
                }
                _ => return Err(refuse(at, format!("`{arg}` is not an argument of {at}"), form)),
            };
            match (name.as_str(), expr) {
                ("" | "DATA", Expr::Identifier(name)) if table.is_none() => {
                    table = Some(ObjectName(vec![ObjectNamePart::Identifier(name.clone())]));
                }
                ("" | "TIMECOL", Expr::Function(function)) if name_of(function) == "DESCRIPTOR" => {
                    time = Some(column_of(function, &form)?);
                }
                ("", Expr::Function(function)) if name_of(function) == "PARTITION_BY" => {
                    keys = arguments(function).unwrap_or_default().into_iter().cloned().collect();
                }
                ("SIZE" | "GAP", _) => lengths.push((usize::MAX, expr.clone())),
                ("SLIDE" | "STEP", _) => lengths.push((0, expr.clone())),
                ("OFFSET", _) => offset = Some(expr.clone()),
                ("", _) if table.is_some() => lengths.push((place, expr.clone())),
                _ => return Err(refuse(expr, format!("`{arg}` is not an argument of {at}"), form)),
            }
        }
        lengths.sort_by_key(|(place, _)| *place);
        let lengths = lengths.into_iter().map(|(_, expr)| expr).collect();
        match (table, time) {
            (Some(table), Some(time)) => Ok(Call { table, time, keys, lengths, offset }),
            (None, _) => Err(refuse(at, format!("{at} names no table"), form)),
            (_, None) => Err(refuse(at, format!("{at} names no time column"), form)),
        }
    }
}

/// The column in `DESCRIPTOR(ts)`.
fn column_of(descriptor: &Function, form: &str) -> Result<Ident, SqlError> {
    match arguments(descriptor).as_deref() {
        Some([Expr::Identifier(name)]) => Ok(name.clone()),
        _ => Err(refuse(descriptor, "DESCRIPTOR takes one column", form)),
    }
}

/// The name of the one stream in FROM, which may stand in sub-queries.
pub(crate) fn source_of(from: &[TableWithJoins]) -> Option<&ObjectName> {
    match &from.first()?.relation {
        TableFactor::Table { name, .. } => Some(name),
        TableFactor::Derived { subquery, .. } => source_of(&subquery.body.as_select()?.from),
        _ => None,
    }
}
