//! A text as a whole: its dialect, the streams that it declares, and its queries.

use datafusion::sql::sqlparser::tokenizer::Token as Lexeme;
use model::query::engine::SqlError;

use crate::depth;
use crate::sql::declarations::{Pump, Statement, StreamDeclaration};
use crate::sql::dialect::Dialect;
use crate::sql::tokens::{Cursor, tokenize};
use crate::sql::{aws, flink};

/// Operators that stand in a chain, or one in the other: the server plans these queries itself and computes them on its own
/// threads, whose stacks hold this many.
const OPERATORS_MAX: usize = 512;
/// Parts of all statements together: a declaration or a pump is one.
const PARTS_MAX: usize = 1024;

/// What a text declares.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) dialect: Dialect,
    pub(crate) streams: Vec<StreamDeclaration>,
    pub(crate) pumps: Vec<Pump>,
}

impl Script {
    /// Reads all statements. Without a dialect, it is that of the first one.
    pub(crate) fn parse(sql: &str, dialect: Option<Dialect>) -> Result<Script, SqlError> {
        let tokens = tokenize(sql, dialect)?;
        depth::check(tokens.iter().map(|token| (&token.lexeme, token.at)), OPERATORS_MAX, PARTS_MAX)?;
        let dialect = tokens.first().map_or(Dialect::Aws, |token| token.dialect);
        let mut script = Script { dialect, streams: Vec::new(), pumps: Vec::new() };
        for statement in tokens.split(|token| token.lexeme == Lexeme::SemiColon).filter(|tokens| !tokens.is_empty()) {
            let statement = match dialect {
                Dialect::Aws => aws::statement(statement)?,
                Dialect::Flink => flink::statement(statement)?,
            };
            match statement {
                Statement::Stream(declaration) => script.streams.push(declaration),
                Statement::Queries(pumps) => script.pumps.extend(pumps),
                Statement::Nothing => {}
            }
        }
        if script.pumps.is_empty() {
            let mut error = Cursor::new(&tokens).expected("a query");
            let (missing, form) = match dialect {
                Dialect::Aws => {
                    ("the query has no pump", "CREATE OR REPLACE PUMP \"P\" AS INSERT INTO \"OUT\" SELECT STREAM ...")
                }
                Dialect::Flink => ("the text has no INSERT", "INSERT INTO summary SELECT ..."),
            };
            error.message = format!("{missing}, so it would write nothing");
            error.suggestion = Some(format!("add {form}"));
            return Err(error);
        }
        Ok(script)
    }

    /// What declares a stream.
    pub(crate) fn stream(&self, name: &str) -> Option<&StreamDeclaration> {
        self.streams.iter().rev().find(|declared| declared.name == name)
    }
}
