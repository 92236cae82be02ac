//! What a pump's text says: the query, and the columns of the streams it reads and writes where they are declared.

use model::query::engine::SqlError;

use crate::continuous::operator::Operator;
use crate::sql::error::sql_error;
use crate::sql::rewrite::WindowedSelect;
use crate::sql::schema::SqlColumn;
use crate::sql::statements::{Pump, Script};

/// What a pump's text says.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    pub(crate) pump: String,
    pub(crate) into: String,
    pub(crate) select: WindowedSelect,
    /// The source's columns where they are declared.
    pub(crate) columns: Option<Vec<SqlColumn>>,
    /// The target's columns where they are declared, each with the place of its value in the select list.
    pub(crate) target: Option<Vec<(SqlColumn, Option<usize>)>>,
}

impl Definition {
    /// Reads and checks all pumps of a text.
    pub(crate) fn parse(sql: &str) -> Result<Vec<Definition>, SqlError> {
        let script = Script::parse(sql)?;
        script.pumps.iter().map(|pump| Definition::of(pump, &script)).collect()
    }

    fn of(pump: &Pump, script: &Script) -> Result<Definition, SqlError> {
        let select = WindowedSelect::new(&pump.query)?;
        if select.source == pump.into {
            return Err(pump.into_at.refuse("a pump cannot read the stream it writes", "insert into another stream"));
        }
        let target = script.columns(&pump.into).map(|columns| target(pump, columns, select.names.len())).transpose()?;
        let columns = script.columns(&select.source).map(<[SqlColumn]>::to_vec);
        let definition = Definition { pump: pump.name.clone(), into: pump.into.clone(), select, columns, target };
        if let Some(columns) = &definition.columns {
            definition.operator(columns)?;
        }
        Ok(definition)
    }

    /// Plans the query over a source with these columns.
    pub(crate) fn operator(&self, columns: &[SqlColumn]) -> Result<Operator, SqlError> {
        Operator::new(&self.select, columns, self.target.as_deref()).map_err(|error| sql_error(&error, &self.select))
    }

    /// The error of a query whose source is not declared: first records may lack a column that later ones have.
    pub(crate) fn advised(&self, error: SqlError) -> SqlError {
        let advice = || format!("declare the columns: CREATE OR REPLACE STREAM \"{}\" (..)", self.select.source);
        match self.columns {
            Some(_) => error,
            None => SqlError { suggestion: Some(error.suggestion.unwrap_or_else(advice)), ..error },
        }
    }

    /// The query as text: equal for texts that differ in blanks and comments only.
    pub(crate) fn fingerprint(&self) -> String {
        format!("{} {:?} {:?} {:?} {:?}", self.select.sql, self.select.tumbling, self.columns, self.target, self.into)
    }
}

/// Which value of the select list each declared column takes.
fn target(pump: &Pump, declared: &[SqlColumn], values: usize) -> Result<Vec<(SqlColumn, Option<usize>)>, SqlError> {
    let named: Vec<&str> = match &pump.columns {
        None => declared.iter().map(|column| column.name.as_str()).collect(),
        Some(names) => {
            if let Some((name, at)) = names.iter().find(|(name, _)| declared.iter().all(|c| c.name != *name)) {
                let message = format!("stream `{}` has no column `{name}`", pump.into);
                return Err(at.refuse(message, "name a column of CREATE STREAM, with its quotes"));
            }
            names.iter().map(|(name, _)| name.as_str()).collect()
        }
    };
    if named.len() != values {
        let message = format!("{} columns of stream `{}` are given {values} values", named.len(), pump.into);
        return Err(pump.into_at.refuse(message, "select one value per column, in the order of the columns"));
    }
    let place = |column: &SqlColumn| named.iter().position(|name| *name == column.name);
    Ok(declared.iter().map(|column| (column.clone(), place(column))).collect())
}
