//! The select list: expressions, the names of columns, and what `*` stands for.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Ident, Select, SelectItem, SetExpr, TableFactor, visit_expressions};
use model::query::engine::SqlError;

use crate::sql::expressions::is_aggregate;
use crate::sql::lowering::Lowering;
use crate::sql::schema::ROWTIME;
use crate::sql::tree::column;
use crate::sql::window_call::refuse;

/// A select list.
#[derive(Debug, Default)]
pub(super) struct SelectList {
    /// Each with its alias.
    pub(super) items: Vec<(Expr, Option<String>)>,
    /// The names of the columns.
    pub(super) names: Vec<String>,
    /// Whether `*` stands for columns that are not known yet.
    pub(super) waits_for_columns: bool,
}

impl Lowering<'_> {
    /// The select list of a query. In one that groups rows, `*` has no meaning.
    pub(super) fn select_list(&self, select: &Select, all_is_known: bool) -> Result<SelectList, SqlError> {
        let mut list = SelectList::default();
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    list.names.push(name_of_column(expr).unwrap_or_else(|| format!("EXPR${}", list.items.len())));
                    list.items.push((expr.clone(), None));
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    list.names.push(alias.value.clone());
                    list.items.push((expr.clone(), Some(alias.value.clone())));
                }
                SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) if !all_is_known => {
                    return Err(refuse(item, "`*` is not supported with GROUP BY", "name the columns"));
                }
                SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => match self.all_columns(select) {
                    Some(all) => {
                        list.items.extend(all.iter().map(|name| (column(name), None)));
                        list.names.extend(all);
                    }
                    None => list.waits_for_columns = true,
                },
                SelectItem::ExprWithAliases { .. } => {
                    return Err(refuse(item, "an expression has one alias", "write AS and one name"));
                }
            }
        }
        Ok(list)
    }

    /// What `*` stands for, if that is known.
    fn all_columns(&self, select: &Select) -> Option<Vec<String>> {
        if let Some(TableFactor::Derived { subquery, .. }) = select.from.first().map(|table| &table.relation)
            && let SetExpr::Select(inner) = subquery.body.as_ref()
        {
            let list = self.select_list(inner, true).ok()?;
            return (!list.waits_for_columns).then_some(list.names);
        }
        let columns = self.columns.as_ref()?;
        let times = self.declaration.iter().flat_map(|declaration| declaration.processing_times.iter().cloned());
        Some(columns.iter().map(|column| column.name.clone()).filter(|name| name != ROWTIME).chain(times).collect())
    }
}

/// Whether an item has an aggregate in it.
pub(super) fn item_aggregates(item: &SelectItem) -> bool {
    let found = visit_expressions(item, |expr: &Expr| match is_aggregate(expr) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// The name of a column that is selected as it is.
pub(super) fn name_of_column(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(name.value.clone()),
        Expr::CompoundIdentifier(names) => names.last().map(|name| name.value.clone()),
        _ => None,
    }
}

/// An expression under this name.
pub(super) fn aliased(expr: Expr, name: String) -> SelectItem {
    SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', name) }
}

/// The name that an item is given.
pub(super) fn alias_of(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        _ => None,
    }
}
