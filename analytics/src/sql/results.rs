//! Queries over windows, and queries over their results: each of these is computed when windows end, of the results of
//! windows that end together.
//!
//! ```text
//! SELECT k, n FROM (                                                     computed at the end of a window, over its results
//!   SELECT k, n, ROW_NUMBER() OVER (ORDER BY n DESC) AS place FROM (     so is this
//!     SELECT k, COUNT(*) AS n FROM TABLE(TUMBLE(..)) GROUP BY ..         rows are folded into windows
//! )) WHERE place <= 3
//! ```

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Query, Select, SelectItem, SetExpr, TableFactor, WindowType, visit_expressions_mut,
};
use model::query::engine::SqlError;

use crate::sql::dialect::Dialect;
use crate::sql::expressions::Windows;
use crate::sql::from::take_windows;
use crate::sql::lowering::{Lowering, query_of};
use crate::sql::refuse::{check_item, only_select};
use crate::sql::schema::ROWTIME;
use crate::sql::select_list::{SelectList, aliased, item_aggregates};
use crate::sql::tree::column;
use crate::sql::window_call::refuse;
use crate::window::assigner::{WINDOW_END, WINDOW_START};

/// A query whose rows are results of windows, rewritten but for its select list.
pub(super) struct Results {
    select: Select,
    /// What it selects.
    items: Vec<Expr>,
    pub(super) names: Vec<String>,
    /// The keys of its rows beside their window.
    keys: Vec<Expr>,
    pub(super) windows: Windows,
}

impl Results {
    /// The query as nothing stands around it: columns, the time, keys.
    pub(super) fn outermost(self) -> Select {
        let Results { mut select, items, keys, .. } = self;
        let items = items.into_iter().enumerate().map(|(index, item)| aliased(item, format!("__c{index}")));
        let time = aliased(column(WINDOW_END), "__time".to_owned());
        let keys = keys.into_iter().enumerate().map(|(index, key)| aliased(key, format!("__key{index}")));
        select.projection = items.chain([time]).chain(keys).collect();
        select
    }

    /// The query as a sub-query: it passes on its windows and keys.
    fn inner(self) -> Select {
        let Results { mut select, items, names, keys, .. } = self;
        let time = (!names.iter().any(|name| name == ROWTIME)).then(|| aliased(column(WINDOW_END), ROWTIME.to_owned()));
        let items = items.into_iter().zip(names).map(|(item, name)| aliased(item, name));
        let bounds = [WINDOW_START, WINDOW_END].map(|name| SelectItem::UnnamedExpr(column(name)));
        let keys = keys.into_iter().enumerate().map(|(index, key)| aliased(key, format!("__key{index}")));
        select.projection = items.chain(time).chain(bounds).chain(keys).collect();
        select
    }
}

impl Lowering<'_> {
    /// A query over windows or over their results; none if it is over rows.
    pub(super) fn results(&self, mut select: Select) -> Result<Option<Results>, SqlError> {
        if let Some(inner) = grouped_sub_query(&select) {
            let inner = self.results(only_select(inner.clone(), self.tokens)?)?;
            let Some(inner) = inner else { return Ok(None) };
            return self.over(inner, select).map(Some);
        }
        let made_by_table = take_windows(&mut select)?;
        for item in &select.projection {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                check_item(expr)?;
            }
        }
        let (Some(kind), keys) = self.grouping(&select, made_by_table.as_ref())? else { return Ok(None) };
        let windows = Windows { kind, are_columns: made_by_table.is_some() };
        let SelectList { items, names, .. } = self.select_list(&select, false)?;
        let hidden = self.hidden(true, false);
        for table in &mut select.from {
            self.pass_through(&mut table.relation, &hidden)?;
        }
        select.selection = select.selection.map(|filter| self.over_rows(&filter)).transpose()?;
        select.having = select.having.map(|having| self.over_results(&having, &items, Some(&windows))).transpose()?;
        let rewritten = items.iter().map(|(expr, _)| {
            without_over(expr)?;
            self.rewriter(Some(&windows)).rewrite(expr)
        });
        let items = rewritten.collect::<Result<Vec<_>, _>>()?;
        let bounds = [WINDOW_START, WINDOW_END].map(column);
        let group = bounds.into_iter().chain(keys.iter().cloned()).collect();
        select.group_by = GroupByExpr::Expressions(group, Vec::new());
        Ok(Some(Results { select, items, names, keys, windows }))
    }

    /// A query over the results of another one.
    fn over(&self, inner: Results, mut select: Select) -> Result<Results, SqlError> {
        let windows = inner.windows.clone();
        let list = self.select_list(&select, true)?;
        let is_grouped = !matches!(&select.group_by, GroupByExpr::Expressions(group, _) if group.is_empty());
        if !is_grouped && select.projection.iter().any(item_aggregates) {
            return Err(self.no_window(None));
        }
        let mut keys: Vec<Expr> = (0..inner.keys.len()).map(|index| column(&format!("__key{index}"))).collect();
        if is_grouped {
            if self.dialect == Dialect::Aws {
                return Err(refuse(
                    &select.group_by,
                    "a sub-query that groups rows cannot be grouped again",
                    "write the inner query into a stream of its own, and read that stream",
                ));
            }
            let columns = Windows { are_columns: true, ..windows.clone() };
            keys = self.keys_of_results(&select, &columns)?;
            let bounds = [WINDOW_START, WINDOW_END].map(column);
            let group = bounds.into_iter().chain(keys.iter().cloned()).collect();
            select.group_by = GroupByExpr::Expressions(group, Vec::new());
        }
        let rewritten = list.items.iter().map(|(expr, _)| {
            let mut expr = self.rewriter(Some(&windows)).rewrite(expr)?;
            within_windows(&mut expr);
            Ok(expr)
        });
        let items = rewritten.collect::<Result<Vec<_>, SqlError>>()?;
        let over_results = |expr: Expr| self.over_results(&expr, &list.items, Some(&windows));
        select.selection = select.selection.map(over_results).transpose()?;
        select.having = select.having.map(over_results).transpose()?;
        if let Some(TableFactor::Derived { subquery, .. }) = select.from.first_mut().map(|table| &mut table.relation) {
            **subquery = query_of(inner.inner());
        }
        Ok(Results { select, items, names: list.names, keys, windows })
    }
}

/// The sub-query in FROM, if it groups rows or reads one that does.
fn grouped_sub_query(select: &Select) -> Option<&Query> {
    let TableFactor::Derived { subquery, .. } = &select.from.first()?.relation else { return None };
    let SetExpr::Select(inner) = subquery.body.as_ref() else { return None };
    let is_grouped = !matches!(&inner.group_by, GroupByExpr::Expressions(group, _) if group.is_empty());
    (is_grouped || grouped_sub_query(inner).is_some()).then_some(subquery)
}

/// OVER stands around a query that groups rows, and not inside.
fn without_over(expr: &Expr) -> Result<(), SqlError> {
    use datafusion::sql::sqlparser::ast::visit_expressions;
    let found = visit_expressions(expr, |expr: &Expr| match expr {
        Expr::Function(function) if function.over.is_some() => ControlFlow::Break(refuse(
            expr,
            "OVER and GROUP BY do not stand in one query",
            "write the grouping as a sub-query in FROM, and OVER around it",
        )),
        _ => ControlFlow::Continue(()),
    });
    match found {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Ranks count within a window.
fn within_windows(expr: &mut Expr) {
    let _ = visit_expressions_mut(expr, |expr: &mut Expr| {
        if let Expr::Function(function) = expr
            && let Some(WindowType::WindowSpec(spec)) = &mut function.over
        {
            let bounds = [WINDOW_START, WINDOW_END].map(column);
            let missing: Vec<Expr> = bounds.into_iter().filter(|bound| !spec.partition_by.contains(bound)).collect();
            spec.partition_by.extend(missing);
        }
        ControlFlow::<()>::Continue(())
    });
}
