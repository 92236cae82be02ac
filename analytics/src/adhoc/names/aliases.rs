//! The names that a query gives itself: of `WITH`, of tables and of columns.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, Select, SelectItem, TableAlias, TableFactor, VisitorMut};

use crate::place::{Place, location_of};

/// Collects the names that a query gives itself, and where all names stand.
#[derive(Default)]
pub(crate) struct Aliases {
    /// Names of `WITH`, in lower case.
    pub(crate) ctes: BTreeSet<String>,
    /// Aliases of tables.
    pub(crate) relations: Vec<String>,
    /// Aliases of columns.
    pub(crate) columns: Vec<String>,
    /// Where each name first stands, by its lower case.
    pub(crate) places: HashMap<String, Place>,
}

impl Aliases {
    fn place(&mut self, ident: &Ident) {
        if let Some(location) = location_of(ident) {
            let place = Place { spelling: ident.value.clone(), location };
            self.places.entry(ident.value.to_lowercase()).or_insert(place);
        }
    }

    fn table_alias(&mut self, alias: &TableAlias) {
        self.relations.push(alias.name.value.clone());
        self.columns.extend(alias.columns.iter().map(|column| column.name.value.clone()));
    }
}

impl VisitorMut for Aliases {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.ctes.insert(cte.alias.name.value.to_lowercase());
            self.table_alias(&cte.alias);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                self.columns.push(alias.value.clone());
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let Some(alias) = alias_of(factor) {
            let alias = alias.clone();
            self.table_alias(&alias);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) => self.place(ident),
            Expr::CompoundIdentifier(idents) => {
                if let Some(last) = idents.last() {
                    self.place(last);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// The alias of a table in FROM.
pub(crate) fn alias_of(factor: &mut TableFactor) -> Option<&mut TableAlias> {
    match factor {
        TableFactor::Table { alias, .. }
        | TableFactor::Derived { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::TableFunction { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::NestedJoin { alias, .. } => alias.as_mut(),
        _ => None,
    }
}
