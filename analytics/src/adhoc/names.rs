//! Names in a query: unquoted ones match tables and columns whatever their case, as long as that is unambiguous.
//!
//! DataFusion folds unquoted names to lower case and JSON keys keep theirs, so `SELECT Name` would find nothing.
//! Before planning, every unquoted name is replaced by the spelling that the data (or else the query's own alias)
//! has. Quoted names stay as they are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, Statement as SqlStatement, TableAlias, TableFactor, VisitMut, VisitorMut,
};
use model::sql::{Location, SqlError, SqlErrorKind};

use super::error::suggestion;

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
        let mut rewriter = Rewriter {
            columns: Spellings::new(columns, &self.column_aliases),
            relations: Spellings::new(relations, &self.relation_aliases),
        };
        match query.visit(&mut rewriter) {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    /// Where a name first stands in the text.
    pub(super) fn locate(&self, name: &str) -> Option<Place> {
        self.places.get(&name.to_lowercase()).cloned()
    }
}

fn location_of(ident: &Ident) -> Option<Location> {
    let start = ident.span.start;
    (0 < start.line).then_some(Location { line: start.line, column: start.column })
}

/// The spellings of names that differ in case only.
#[derive(Debug)]
struct Spellings(BTreeMap<String, BTreeSet<String>>);

impl Spellings {
    /// `fixed` names have their spelling; an alias has its own where it is no fixed name.
    fn new<'a>(fixed: impl Iterator<Item = &'a str>, aliases: &[String]) -> Self {
        let mut spellings: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for name in fixed {
            spellings.entry(name.to_lowercase()).or_default().insert(name.to_owned());
        }
        for alias in aliases {
            spellings.entry(alias.to_lowercase()).or_insert_with(|| BTreeSet::from([alias.clone()]));
        }
        Spellings(spellings)
    }

    fn rewrite(&self, ident: &mut Ident) -> Result<(), SqlError> {
        if ident.quote_style.is_some() {
            return Ok(());
        }
        let Some(known) = self.0.get(&ident.value.to_lowercase()) else { return Ok(()) };
        let mut known_names = known.iter();
        let spelling = match (known.get(&ident.value), known_names.next(), known_names.next()) {
            (Some(exact), _, _) => exact,
            (None, Some(only), None) => only,
            (None, one, other) => {
                let (one, other) = (one.map_or("", String::as_str), other.map_or("", String::as_str));
                let message = format!("column `{}` may be `{one}` or `{other}`", ident.value);
                let suggestion = Some("put the one you mean in double quotes".to_owned());
                let error = SqlError::new(SqlErrorKind::Invalid, message);
                return Err(SqlError { location: location_of(ident), suggestion, ..error });
            }
        };
        ident.value.clone_from(spelling);
        ident.quote_style = Some('"');
        Ok(())
    }
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

fn alias_of(factor: &mut TableFactor) -> Option<&mut TableAlias> {
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

struct Rewriter {
    columns: Spellings,
    relations: Spellings,
}

impl Rewriter {
    fn compound<'a>(&self, parts: impl Iterator<Item = &'a mut Ident>) -> Result<(), SqlError> {
        let mut parts: Vec<&mut Ident> = parts.collect();
        if let Some(column) = parts.pop() {
            self.columns.rewrite(column)?;
        }
        parts.into_iter().try_for_each(|part| self.relations.rewrite(part))
    }

    fn table_alias(&self, alias: &mut TableAlias) -> Result<(), SqlError> {
        self.relations.rewrite(&mut alias.name)?;
        alias.columns.iter_mut().try_for_each(|column| self.columns.rewrite(&mut column.name))
    }

    fn select(&self, select: &mut Select) -> Result<(), SqlError> {
        for item in &mut select.projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => self.columns.rewrite(alias)?,
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    idents_of(name).try_for_each(|ident| self.relations.rewrite(ident))?;
                }
                _ => {}
            }
        }
        for join in select.from.iter_mut().flat_map(|from| &mut from.joins) {
            if let Some(JoinConstraint::Using(names)) = constraint_of(&mut join.join_operator) {
                names.iter_mut().flat_map(idents_of).try_for_each(|ident| self.columns.rewrite(ident))?;
            }
        }
        Ok(())
    }
}

fn idents_of(name: &mut ObjectName) -> impl Iterator<Item = &mut Ident> {
    name.0.iter_mut().filter_map(|part| match part {
        ObjectNamePart::Identifier(ident) => Some(ident),
        ObjectNamePart::Function(_) => None,
    })
}

fn constraint_of(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::Semi(constraint)
        | JoinOperator::LeftSemi(constraint)
        | JoinOperator::RightSemi(constraint)
        | JoinOperator::Anti(constraint)
        | JoinOperator::LeftAnti(constraint)
        | JoinOperator::RightAnti(constraint) => Some(constraint),
        _ => None,
    }
}

fn flow(result: Result<(), SqlError>) -> ControlFlow<SqlError> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

impl VisitorMut for Rewriter {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        let mut ctes = query.with.iter_mut().flat_map(|with| &mut with.cte_tables);
        flow(ctes.try_for_each(|cte| self.table_alias(&mut cte.alias)))
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        flow(self.select(select))
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        if let TableFactor::Table { name, .. } = factor
            && let Err(error) = idents_of(name).try_for_each(|ident| self.relations.rewrite(ident))
        {
            return ControlFlow::Break(error);
        }
        flow(alias_of(factor).map_or(Ok(()), |alias| self.table_alias(alias)))
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        flow(match expr {
            Expr::Identifier(ident) => self.columns.rewrite(ident),
            Expr::CompoundIdentifier(idents) => self.compound(idents.iter_mut()),
            _ => Ok(()),
        })
    }
}
