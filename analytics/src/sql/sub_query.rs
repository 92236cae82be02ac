//! Sub-queries over rows: they pass on the hidden columns of their rows, though nobody selects them.

use datafusion::sql::sqlparser::ast::{SelectItem, TableFactor};
use model::query::engine::SqlError;

use crate::sql::lowering::{Lowering, query_of};
use crate::sql::refuse::only_select;
use crate::sql::schema::{PARTITION_KEY, ROWTIME};
use crate::sql::select_list::{alias_of, aliased, name_of_column};
use crate::sql::tree::column;
use crate::window::assigner::{WINDOW_END, WINDOW_START};
use crate::window::sliding::ORDER;

impl Lowering<'_> {
    /// Columns that sub-queries pass on though nobody selects them.
    pub(super) fn hidden(&self, is_windowed: bool, is_sliding: bool) -> Vec<&'static str> {
        let own: &[&str] = match (is_windowed, is_sliding) {
            (true, _) => &[ROWTIME, WINDOW_START, WINDOW_END],
            (false, true) => &[ROWTIME, PARTITION_KEY, ORDER],
            (false, false) => &[ROWTIME, PARTITION_KEY],
        };
        let mut hidden = own.to_vec();
        hidden.extend(self.system_columns.iter().filter(|name| !own.contains(*name)));
        hidden
    }

    /// Makes a sub-query pass on the hidden columns of its rows.
    pub(super) fn pass_through(&self, relation: &mut TableFactor, hidden: &[&'static str]) -> Result<(), SqlError> {
        let TableFactor::Derived { subquery, .. } = relation else { return Ok(()) };
        let mut select = only_select((**subquery).clone(), self.tokens)?;
        for table in &mut select.from {
            self.pass_through(&mut table.relation, hidden)?;
        }
        select.selection = select.selection.map(|filter| self.over_rows(&filter)).transpose()?;
        let mut projection = Vec::new();
        let mut has_all = false;
        for item in &select.projection {
            projection.push(match item {
                SelectItem::UnnamedExpr(expr) => match name_of_column(expr) {
                    Some(name) => aliased(self.over_rows(expr)?, name),
                    None => aliased(self.over_rows(expr)?, format!("EXPR${}", projection.len())),
                },
                SelectItem::ExprWithAlias { expr, alias } => aliased(self.over_rows(expr)?, alias.value.clone()),
                other => {
                    has_all |= matches!(other, SelectItem::Wildcard(_));
                    other.clone()
                }
            });
        }
        let named: Vec<String> = projection.iter().filter_map(alias_of).collect();
        let missing = hidden.iter().filter(|name| !has_all && !named.iter().any(|known| known == *name));
        projection.extend(missing.map(|name| SelectItem::UnnamedExpr(column(name))));
        select.projection = projection;
        **subquery = query_of(select);
        Ok(())
    }
}
