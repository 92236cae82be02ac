//! Names in a query: unquoted ones match tables and columns whatever their case, as long as that is unambiguous.
//!
//! DataFusion folds unquoted names to lower case and JSON keys keep theirs, so `SELECT Name` would find nothing.
//! Before planning, every unquoted name is replaced by the spelling that the data (or else the query's own alias)
//! has. Quoted names stay as they are.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, Query, Select, SelectItem, Statement as SqlStatement, TableAlias,
    TableFactor, VisitMut, VisitorMut,
};
use model::query::engine::{Location, SqlError, SqlErrorKind};

use super::error::suggestion;
use super::spelling::{Speller, Spellings};

/// What the names of a query refer to, before columns are known.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Tables used, as they are really called.
    pub(super) tables: BTreeSet<String>,
    relation_aliases: Vec<String>,
    column_aliases: Vec<String>,
    places: HashMap<String, Place>,
}

/// A name as the text has it, and where.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Its spelling.
    pub(super) spelling: String,
    /// Its first letter.
    pub(super) location: Location,
}

/// The query inside a statement that [`super::statement`] let through.
fn query_of(statement: &mut Statement) -> Option<&mut SqlStatement> {
    match statement {
        Statement::Statement(inner) => Some(inner),
        Statement::Explain(explain) => query_of(&mut explain.statement),
        _ => None,
    }
}

/// Finds the tables that a statement uses among `existing`, and gives each the spelling it has.
pub(super) fn resolve_tables(statement: &mut Statement, existing: &[String]) -> Result<Names, SqlError> {
    let Some(query) = query_of(statement) else { return Ok(Names::default()) };
    let mut aliases = AliasCollector::default();
    let _ = query.visit(&mut aliases);
    let mut visitor = TableResolver { existing, ctes: &aliases.ctes, tables: BTreeSet::new() };
    if let ControlFlow::Break(error) = query.visit(&mut visitor) {
        return Err(error);
    }
    let tables = visitor.tables;
    Ok(Names { tables, relation_aliases: aliases.relations, column_aliases: aliases.columns, places: aliases.places })
}

/// The table called `name`, in its own spelling.
pub(super) fn find_table(name: &ObjectName, existing: &[String]) -> Result<String, SqlError> {
    let ident = match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => ident,
        _ => return Err(missing_table(&name.to_string(), None, existing)),
    };
    if let Some(exact) = existing.iter().find(|table| **table == ident.value) {
        return Ok(exact.clone());
    }
    let folded = ident.value.to_lowercase();
    let mut alike = existing.iter().filter(|table| ident.quote_style.is_none() && table.to_lowercase() == folded);
    match (alike.next(), alike.next()) {
        (Some(only), None) => Ok(only.clone()),
        (Some(one), Some(other)) => Err(SqlError {
            location: location_of(ident),
            suggestion: Some("put the one you mean in double quotes".to_owned()),
            ..SqlError::new(SqlErrorKind::Invalid, format!("table `{}` may be `{one}` or `{other}`", ident.value))
        }),
        _ => Err(missing_table(&ident.value, location_of(ident), existing)),
    }
}

fn missing_table(name: &str, location: Option<Location>, existing: &[String]) -> SqlError {
    // `wild-rydes` unquoted reads as `wild` minus `rydes`.
    let dashed = existing.iter().find(|table| table.to_lowercase().starts_with(&format!("{}-", name.to_lowercase())));
    let suggestion = match dashed {
        Some(table) => Some(format!("did you mean \"{table}\"? a name with `-` needs double quotes")),
        None => suggestion(name, existing.iter().map(String::as_str)),
    };
    let error = SqlError::new(SqlErrorKind::Invalid, format!("table `{name}` does not exist"));
    SqlError { location, suggestion, ..error }
}

impl Names {
    /// Gives every unquoted column name the spelling it has in the tables, whose `columns` these are.
    pub(super) fn resolve_columns<'a>(
        &self,
        statement: &mut Statement,
        columns: impl Iterator<Item = &'a str>,
    ) -> Result<(), SqlError> {
        let Some(query) = query_of(statement) else { return Ok(()) };
        let relations = self.tables.iter().map(String::as_str);
        let mut speller = Speller {
            columns: Spellings::new(columns, &self.column_aliases),
            relations: Spellings::new(relations, &self.relation_aliases),
        };
        match query.visit(&mut speller) {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    /// Where a name first stands in the text.
    pub(super) fn locate(&self, name: &str) -> Option<Place> {
        self.places.get(&name.to_lowercase()).cloned()
    }
}

/// Where a name stands, if the parser knows.
pub(super) fn location_of(ident: &Ident) -> Option<Location> {
    let start = ident.span.start;
    (0 < start.line).then_some(Location { line: start.line, column: start.column })
}

/// Collects the names that a query gives itself, and where all names stand.
#[derive(Default)]
struct AliasCollector {
    ctes: BTreeSet<String>,
    relations: Vec<String>,
    columns: Vec<String>,
    places: HashMap<String, Place>,
}

impl AliasCollector {
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

impl VisitorMut for AliasCollector {
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
pub(super) fn alias_of(factor: &mut TableFactor) -> Option<&mut TableAlias> {
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

struct TableResolver<'a> {
    existing: &'a [String],
    ctes: &'a BTreeSet<String>,
    tables: BTreeSet<String>,
}

impl VisitorMut for TableResolver<'_> {
    type Break = SqlError;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        let TableFactor::Table { name, args: None, .. } = factor else { return ControlFlow::Continue(()) };
        let is_cte = name.0.len() == 1 && self.ctes.contains(&plain(name).to_lowercase());
        match find_table(name, self.existing) {
            Ok(table) => {
                if let [ObjectNamePart::Identifier(ident)] = name.0.as_mut_slice() {
                    ident.value.clone_from(&table);
                    ident.quote_style = Some('"');
                }
                self.tables.insert(table);
                ControlFlow::Continue(())
            }
            Err(_) if is_cte => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

fn plain(name: &ObjectName) -> &str {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => &ident.value,
        _ => "",
    }
}
