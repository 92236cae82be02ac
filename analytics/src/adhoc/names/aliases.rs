//! The names that a query gives itself: of `WITH`, of tables and of columns.

use std::collections::{BTreeSet, HashMap};

use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, Select, SelectItem, TableAlias, TableFactor};
use model::query::engine::SqlError;

use crate::adhoc::names::walk::Walker;
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

impl Walker for Aliases {
    fn query(&mut self, query: &mut Query) -> Result<(), SqlError> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.ctes.insert(cte.alias.name.value.to_lowercase());
            self.table_alias(&cte.alias);
        }
        Ok(())
    }

    fn select(&mut self, select: &mut Select) -> Result<(), SqlError> {
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                self.columns.push(alias.value.clone());
            }
        }
        Ok(())
    }

    fn table_factor(&mut self, factor: &mut TableFactor) -> Result<(), SqlError> {
        if let Some(alias) = alias_of(factor) {
            let alias = alias.clone();
            self.table_alias(&alias);
        }
        Ok(())
    }

    fn expr(&mut self, expr: &mut Expr) -> Result<(), SqlError> {
        match expr {
            Expr::Identifier(ident) => self.place(ident),
            Expr::CompoundIdentifier(idents) => {
                if let Some(last) = idents.last() {
                    self.place(last);
                }
            }
            _ => {}
        }
        Ok(())
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
