//! GROUP BY: the windows of a query, and its other keys.

use datafusion::sql::sqlparser::ast::{Expr, GroupByExpr, Ident, Select, Spanned, Value};
use model::query::engine::SqlError;

use crate::sql::dialect::Dialect;
use crate::sql::expressions::{Windows, is_rowtime};
use crate::sql::from::TableWindows;
use crate::sql::lowering::Lowering;
use crate::sql::refuse::check_expression;
use crate::sql::select_list::item_aggregates;
use crate::sql::window_call::{WindowCall, aws, flink_group, refuse};
use crate::window::kind::WindowKind;

/// What a term of GROUP BY is.
enum Found {
    Windows(WindowKind),
    /// One of the columns that a table function adds.
    Bound(&'static str),
}

impl Lowering<'_> {
    /// The windows of the query, and its other keys as DataFusion reads them.
    pub(super) fn grouping(
        &self,
        select: &Select,
        made_by_table: Option<&TableWindows>,
    ) -> Result<(Option<WindowKind>, Vec<Expr>), SqlError> {
        let GroupByExpr::Expressions(group, modifiers) = &select.group_by else {
            return Err(refuse(&select.group_by, "GROUP BY ALL is not supported", "name the columns"));
        };
        if !modifiers.is_empty() {
            return Err(refuse(
                &select.group_by,
                "GROUP BY accepts no ROLLUP or CUBE here",
                "write one query for each",
            ));
        }
        let has_aggregates = select.projection.iter().any(item_aggregates) || select.having.is_some();
        if group.is_empty() && made_by_table.is_none() && !has_aggregates {
            return Ok((None, Vec::new()));
        }
        let mut kind = made_by_table.map(|found| found.windows);
        let (mut keys, mut bounds) = (Vec::new(), Vec::new());
        for item in group {
            check_expression(item)?;
            if matches!(item, Expr::Value(value) if matches!(value.value, Value::Number(..))) {
                return Err(refuse(item, "GROUP BY does not accept column numbers", "write the column's name"));
            }
            match self.window_of(item, made_by_table)? {
                Some(Found::Windows(found)) if kind.replace(found).is_some() => {
                    return Err(refuse(item, "GROUP BY has two windows", "keep one of them"));
                }
                Some(Found::Windows(_)) => {}
                Some(Found::Bound(name)) => bounds.push(name),
                None => keys.push(self.over_rows(item)?),
            }
        }
        match kind {
            Some(_) if made_by_table.is_some() && !bounds_are_keys(&bounds) => Err(self.no_bounds(select)),
            Some(kind) => Ok((Some(kind), keys)),
            None => Err(self.no_window(group.first())),
        }
    }

    /// What a term of GROUP BY says about the window.
    fn window_of(&self, item: &Expr, made_by_table: Option<&TableWindows>) -> Result<Option<Found>, SqlError> {
        if made_by_table.is_some() {
            return Ok(bound_of(item).map(Found::Bound));
        }
        match self.dialect {
            Dialect::Aws => {
                let call = aws(item)?.filter(|call| call.time.as_ref().is_none_or(is_rowtime));
                Ok(call.map(|call| Found::Windows(call.windows)))
            }
            Dialect::Flink => match flink_group(item)? {
                Some(WindowCall { windows, time: Some(time), .. }) => {
                    self.check_time(&time)?;
                    Ok(Some(Found::Windows(windows)))
                }
                _ => Ok(None),
            },
        }
    }

    /// Flink's windows are of a time attribute.
    pub(super) fn check_time(&self, time: &Expr) -> Result<(), SqlError> {
        let name = match time {
            Expr::Identifier(name) => Some(name),
            Expr::CompoundIdentifier(names) => names.last(),
            _ => None,
        };
        let is_time = |name: &Ident| self.declaration.is_none_or(|declared| declared.is_time(&name.value));
        if name.is_some_and(is_time) {
            return Ok(());
        }
        Err(refuse(
            time,
            format!("`{time}` is not a time attribute of table `{}`", self.source),
            "add WATERMARK FOR the column, or `c AS PROCTIME()`, to CREATE TABLE",
        ))
    }

    pub(super) fn no_window(&self, at: Option<&Expr>) -> SqlError {
        let source = &self.source;
        let suggestion = match self.dialect {
            Dialect::Aws => format!(
                "add FLOOR(\"{source}\".ROWTIME TO MINUTE) or STEP(\"{source}\".ROWTIME BY INTERVAL '10' SECOND) to GROUP BY"
            ),
            Dialect::Flink => {
                "add TUMBLE(ts, INTERVAL '1' MINUTE) to GROUP BY, where ts is a time attribute".to_owned()
            }
        };
        let message = "GROUP BY has no window, so no row would ever be final";
        let error = at.map(|at| refuse(at, message, suggestion.clone()));
        match error.filter(|error| error.location.is_some()) {
            Some(error) => error,
            None => self.tokens.first().expect("a query has tokens").refuse(message, suggestion),
        }
    }

    /// The keys of a query over the results of windows, beside the windows' own.
    pub(super) fn keys_of_results(&self, select: &Select, windows: &Windows) -> Result<Vec<Expr>, SqlError> {
        let GroupByExpr::Expressions(group, _) = &select.group_by else { return Ok(Vec::new()) };
        let (mut keys, mut bounds) = (Vec::new(), Vec::new());
        for item in group {
            check_expression(item)?;
            match bound_of(item) {
                Some(bound) => bounds.push(bound),
                None => keys.push(self.rewriter(Some(windows)).rewrite(item)?),
            }
        }
        match bounds_are_keys(&bounds) {
            true => Ok(keys),
            false => Err(self.no_bounds(select)),
        }
    }

    fn no_bounds(&self, select: &Select) -> SqlError {
        let at = select.group_by.span().start;
        let token = self.tokens.iter().find(|token| token.at.line == at.line && token.at.column == at.column);
        let token = token.or(self.tokens.first()).expect("a query has tokens");
        token.refuse("GROUP BY has no window_start and window_end", "add both to GROUP BY")
    }
}

/// The column of a table function's windows that a term is.
fn bound_of(item: &Expr) -> Option<&'static str> {
    let name = match item {
        Expr::Identifier(name) => name,
        Expr::CompoundIdentifier(names) => names.last()?,
        _ => return None,
    };
    ["window_start", "window_end", "window_time"].into_iter().find(|bound| name.value == *bound)
}

fn bounds_are_keys(bounds: &[&str]) -> bool {
    ["window_start", "window_end"].iter().all(|name| bounds.contains(name))
}
