//! Names in a query: unquoted ones match tables and columns whatever their case, as long as that is unambiguous.
//!
//! DataFusion folds unquoted names to lower case and JSON keys keep theirs, so `SELECT Name` would find nothing.
//! Before planning, every unquoted name is replaced by the spelling that the data (or else the query's own alias)
//! has. Quoted names stay as they are.

use std::collections::{BTreeSet, HashMap};

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{ObjectName, ObjectNamePart, Statement as SqlStatement, TableFactor};
use model::query::engine::{Location, SqlError, SqlErrorKind};

use crate::adhoc::names::aliases::Aliases;
use crate::adhoc::names::spelling::{Speller, Spellings};
use crate::adhoc::names::walk::{Walker, walk};
use crate::error::suggestion;
use crate::place::{Place, location_of};

/// What the names of a query refer to, before columns are known.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Tables used, as they are really called.
    pub(crate) tables: BTreeSet<String>,
    relation_aliases: Vec<String>,
    column_aliases: Vec<String>,
    places: HashMap<String, Place>,
}

/// The query inside a statement that [`crate::adhoc::fence::statement`] let through.
fn query_of(statement: &mut Statement) -> Option<&mut SqlStatement> {
    match statement {
        Statement::Statement(inner) => Some(inner),
        Statement::Explain(explain) => query_of(&mut explain.statement),
        _ => None,
    }
}

/// Finds the tables that a statement uses among `existing`, and gives each the spelling it has.
pub(crate) fn resolve_tables(statement: &mut Statement, existing: &[String]) -> Result<Names, SqlError> {
    let Some(query) = query_of(statement) else { return Ok(Names::default()) };
    let mut aliases = Aliases::default();
    walk(query, &mut aliases)?;
    let mut visitor = TableResolver { existing, ctes: &aliases.ctes, tables: BTreeSet::new() };
    walk(query, &mut visitor)?;
    let tables = visitor.tables;
    Ok(Names { tables, relation_aliases: aliases.relations, column_aliases: aliases.columns, places: aliases.places })
}

/// The table called `name`, in its own spelling.
pub(crate) fn find_table(name: &ObjectName, existing: &[String]) -> Result<String, SqlError> {
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
            suggestion: Some("put the name you mean in double quotes".to_owned()),
            ..SqlError::new(
                SqlErrorKind::Invalid,
                format!("table `{}` is ambiguous: `{one}` or `{other}`", ident.value),
            )
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
    pub(crate) fn resolve_columns<'a>(
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
        walk(query, &mut speller)
    }

    /// Where a name first stands in the text.
    pub(crate) fn locate(&self, name: &str) -> Option<Place> {
        self.places.get(&name.to_lowercase()).cloned()
    }
}

struct TableResolver<'a> {
    existing: &'a [String],
    ctes: &'a BTreeSet<String>,
    tables: BTreeSet<String>,
}

impl Walker for TableResolver<'_> {
    fn table_factor(&mut self, factor: &mut TableFactor) -> Result<(), SqlError> {
        let TableFactor::Table { name, args: None, .. } = factor else { return Ok(()) };
        let is_cte = name.0.len() == 1 && self.ctes.contains(&plain(name).to_lowercase());
        match find_table(name, self.existing) {
            Ok(table) => {
                if let [ObjectNamePart::Identifier(ident)] = name.0.as_mut_slice() {
                    ident.value.clone_from(&table);
                    ident.quote_style = Some('"');
                }
                self.tables.insert(table);
                Ok(())
            }
            Err(_) if is_cte => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn plain(name: &ObjectName) -> &str {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => &ident.value,
        _ => "",
    }
}
