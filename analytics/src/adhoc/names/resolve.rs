//! Names in a query: unquoted ones match tables and columns whatever their case, as long as that is unambiguous.
//!
//! DataFusion folds unquoted names to lower case and JSON keys keep theirs, so `SELECT Name` would find nothing.
//! Before planning, every unquoted name is replaced by the spelling that the data (or else the query's own alias)
//! has. Quoted names stay as they are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

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
    /// Tables used, as they are really called, and how the query first calls each.
    pub(crate) tables: BTreeMap<String, String>,
    /// Parts of the query that have names, in lower case.
    ctes: BTreeSet<String>,
    relation_aliases: Vec<String>,
    column_aliases: Vec<String>,
    places: HashMap<String, Place>,
}

/// A table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// As it is really called.
    pub(crate) table: String,
    /// As the query calls it.
    pub(crate) written: String,
}

/// A statement that cannot be resolved.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    /// The name that no table has, or several have, where that is why.
    pub(crate) name: Option<ObjectName>,
    pub(crate) error: SqlError,
}

impl From<SqlError> for Missing {
    fn from(error: SqlError) -> Self {
        Missing { name: None, error }
    }
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
pub(crate) fn resolve_tables(statement: &mut Statement, existing: &[String]) -> Result<Names, Missing> {
    let Some(query) = query_of(statement) else { return Ok(Names::default()) };
    let mut aliases = Aliases::default();
    walk(query, &mut aliases)?;
    let mut visitor = TableResolver { existing, ctes: &aliases.ctes, tables: BTreeMap::new(), missing: None };
    if let Err(error) = walk(query, &mut visitor) {
        return Err(Missing { name: visitor.missing, error });
    }
    let tables = visitor.tables;
    Ok(Names {
        tables,
        ctes: aliases.ctes,
        relation_aliases: aliases.relations,
        column_aliases: aliases.columns,
        places: aliases.places,
    })
}

/// The table called `name`, in its own spelling.
pub(crate) fn find_table(name: &ObjectName, existing: &[String]) -> Result<Found, Missing> {
    let missing = |error| Missing { name: Some(name.clone()), error };
    let ident = match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => ident,
        _ => return Err(missing(missing_table(&written(name), None, existing))),
    };
    let found = |table: &String| Found { table: table.clone(), written: ident.value.clone() };
    if let Some(exact) = existing.iter().find(|table| **table == ident.value) {
        return Ok(found(exact));
    }
    let folded = ident.value.to_lowercase();
    let mut alike = existing.iter().filter(|table| ident.quote_style.is_none() && table.to_lowercase() == folded);
    match (alike.next(), alike.next()) {
        (Some(only), None) => Ok(found(only)),
        (Some(one), Some(other)) => Err(missing(ambiguous(name, Some((one, other))))),
        _ => Err(missing(missing_table(&ident.value, location_of(ident), existing))),
    }
}

/// The error of a name that several tables have, apart from its case; of two of them, if they may
/// be told.
pub(crate) fn ambiguous(name: &ObjectName, two: Option<(&String, &String)>) -> SqlError {
    let two = two.map(|(one, other)| format!(": `{one}` or `{other}`")).unwrap_or_default();
    let location = match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => location_of(ident),
        _ => None,
    };
    let error = SqlError::new(SqlErrorKind::Invalid, format!("table `{}` is ambiguous{two}", written(name)));
    SqlError { location, suggestion: Some("put the name you mean in double quotes".to_owned()), ..error }
}

/// A name as the query has it, without its quotes if it has one part.
pub(crate) fn written(name: &ObjectName) -> String {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => ident.value.clone(),
        _ => name.to_string(),
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
    /// Whether a part of the query has the name that it uses for a table, so that perhaps the part
    /// is meant.
    pub(crate) fn is_part(&self, written: &str) -> bool {
        self.ctes.contains(&written.to_lowercase())
    }

    /// Gives every unquoted column name the spelling it has in the tables, whose `columns` these are.
    pub(crate) fn resolve_columns<'a>(
        &self,
        statement: &mut Statement,
        columns: impl Iterator<Item = &'a str>,
    ) -> Result<(), SqlError> {
        let Some(query) = query_of(statement) else { return Ok(()) };
        let relations = self.tables.keys().map(String::as_str);
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
    tables: BTreeMap<String, String>,
    /// The name at which the walk ended.
    missing: Option<ObjectName>,
}

impl Walker for TableResolver<'_> {
    fn table_factor(&mut self, factor: &mut TableFactor) -> Result<(), SqlError> {
        let TableFactor::Table { name, args: None, .. } = factor else { return Ok(()) };
        let is_cte = name.0.len() == 1 && self.ctes.contains(&plain(name).to_lowercase());
        match find_table(name, self.existing) {
            Ok(Found { table, written }) => {
                if let [ObjectNamePart::Identifier(ident)] = name.0.as_mut_slice() {
                    ident.value.clone_from(&table);
                    ident.quote_style = Some('"');
                }
                self.tables.entry(table).or_insert(written);
                Ok(())
            }
            Err(_) if is_cte => Ok(()),
            Err(Missing { name, error }) => {
                self.missing = name;
                Err(error)
            }
        }
    }
}

fn plain(name: &ObjectName) -> &str {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => &ident.value,
        _ => "",
    }
}
