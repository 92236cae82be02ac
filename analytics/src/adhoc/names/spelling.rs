//! The spelling of unquoted names: what it is, and how it gets into every place of a query where a name can stand.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, TableAlias, TableFactor,
};
use model::query::engine::{SqlError, SqlErrorKind};

use crate::adhoc::names::aliases::alias_of;
use crate::adhoc::names::walk::Walker;
use crate::place::location_of;

/// The spellings of names that differ in case only.
#[derive(Debug)]
pub(crate) struct Spellings(BTreeMap<String, BTreeSet<String>>);

impl Spellings {
    /// `fixed` names have their spelling; an alias has its own where it is no fixed name.
    pub(crate) fn new<'a>(fixed: impl Iterator<Item = &'a str>, aliases: &[String]) -> Self {
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
                let message = format!("column `{}` is ambiguous: `{one}` or `{other}`", ident.value);
                let suggestion = Some("put the name you mean in double quotes".to_owned());
                let error = SqlError::new(SqlErrorKind::Invalid, message);
                return Err(SqlError { location: location_of(ident), suggestion, ..error });
            }
        };
        ident.value.clone_from(spelling);
        ident.quote_style = Some('"');
        Ok(())
    }
}

/// Puts the spelling that the data has in place of every unquoted name.
pub(crate) struct Speller {
    pub(crate) columns: Spellings,
    pub(crate) relations: Spellings,
}

impl Speller {
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

    fn rewrite_select(&self, select: &mut Select) -> Result<(), SqlError> {
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

impl Walker for Speller {
    fn query(&mut self, query: &mut Query) -> Result<(), SqlError> {
        let mut ctes = query.with.iter_mut().flat_map(|with| &mut with.cte_tables);
        ctes.try_for_each(|cte| self.table_alias(&mut cte.alias))
    }

    fn select(&mut self, select: &mut Select) -> Result<(), SqlError> {
        self.rewrite_select(select)
    }

    fn table_factor(&mut self, factor: &mut TableFactor) -> Result<(), SqlError> {
        if let TableFactor::Table { name, .. } = factor {
            idents_of(name).try_for_each(|ident| self.relations.rewrite(ident))?;
        }
        alias_of(factor).map_or(Ok(()), |alias| self.table_alias(alias))
    }

    fn expr(&mut self, expr: &mut Expr) -> Result<(), SqlError> {
        match expr {
            Expr::Identifier(ident) => self.columns.rewrite(ident),
            Expr::CompoundIdentifier(idents) => self.compound(idents.iter_mut()),
            _ => Ok(()),
        }
    }
}
