//! Which statements may run: one query, or one that describes. Everything else is refused by name.

use std::collections::VecDeque;

use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{ObjectName, ShowStatementOptions, Statement as SqlStatement};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::Tokenizer;
use model::query::engine::{Location, SqlError, SqlErrorKind};

use crate::adhoc::limits::AdhocLimits;
use crate::depth;
use crate::error::{suggestion, translate};

/// What a text asks for.
pub(crate) enum Request {
    /// Rows, or how they would be found.
    Query(Box<Statement>),
    /// The names of the tables.
    ShowTables,
    /// The columns of one table.
    Describe(ObjectName),
}

/// Statements that people try and that we know well enough to refuse by name.
const REFUSED: &[&str] = &[
    "ALTER",
    "ANALYZE",
    "BEGIN",
    "CALL",
    "COMMIT",
    "COPY",
    "CREATE",
    "DEALLOCATE",
    "DELETE",
    "DROP",
    "EXECUTE",
    "GRANT",
    "INSERT",
    "LOAD",
    "MERGE",
    "MSCK",
    "PREPARE",
    "REPAIR",
    "REPLACE",
    "RESET",
    "REVOKE",
    "ROLLBACK",
    "SET",
    "START",
    "TRUNCATE",
    "UNLOAD",
    "UPDATE",
    "USE",
    "VACUUM",
];
/// Words that a text may begin with.
const ALLOWED: &[&str] = &["SELECT", "WITH", "VALUES", "SHOW", "DESCRIBE", "EXPLAIN"];

/// Reads one statement.
pub(crate) fn parse(sql: &str, limits: &AdhocLimits) -> Result<Request, SqlError> {
    check_depth(sql, limits)?;
    let mut statements = parse_all(sql)?;
    let statement = statements.pop_front().ok_or_else(|| SqlError::new(SqlErrorKind::Invalid, "the query is empty"))?;
    if !statements.is_empty() {
        return Err(SqlError::new(
            SqlErrorKind::Refused,
            "only one statement is allowed, but another follows the first",
        ));
    }
    match statement {
        Statement::Statement(inner) => match *inner {
            SqlStatement::Query(_) => Ok(Request::Query(Box::new(Statement::Statement(inner)))),
            SqlStatement::ShowTables { .. } => Ok(Request::ShowTables),
            SqlStatement::ShowColumns { show_options: ShowStatementOptions { show_in: Some(show_in), .. }, .. } => {
                let table = show_in.parent_name;
                table
                    .map(Request::Describe)
                    .ok_or_else(|| SqlError::new(SqlErrorKind::Invalid, "SHOW COLUMNS FROM what?"))
            }
            SqlStatement::ExplainTable { table_name, .. } => Ok(Request::Describe(table_name)),
            other => Err(refused(&first_word(&other.to_string()))),
        },
        Statement::Explain(explain) => match explain.statement.as_ref() {
            Statement::Statement(inner) if matches!(**inner, SqlStatement::Query(_)) => {
                Ok(Request::Query(Box::new(Statement::Explain(explain))))
            }
            other => Err(refused(&first_word(&other.to_string()))),
        },
        other => Err(refused(&first_word(&other.to_string()))),
    }
}

/// Before anything is parsed. What cannot even be cut into tokens, the parser says better.
fn check_depth(sql: &str, limits: &AdhocLimits) -> Result<(), SqlError> {
    let Ok(lexemes) = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location() else { return Ok(()) };
    let places = lexemes.iter().map(|lexeme| {
        let start = lexeme.span.start;
        (&lexeme.token, Location { line: start.line, column: start.column })
    });
    depth::check(places, limits.operators_max, limits.parts_max)
}

fn parse_all(sql: &str) -> Result<VecDeque<Statement>, SqlError> {
    let parsed = DFParserBuilder::new(sql)
        .with_dialect(&GenericDialect {})
        .build()
        .and_then(|mut parser| parser.parse_statements());
    parsed.map_err(|error| {
        let word = first_word(sql);
        if REFUSED.contains(&word.as_str()) {
            return refused(&word);
        }
        let mut error = translate(&error, |_| None);
        if !ALLOWED.contains(&word.as_str()) && !sql.trim_start().starts_with('(') {
            error.location.get_or_insert(Location { line: 1, column: 1 });
            error.suggestion = suggestion(&word, ALLOWED.iter().copied());
        }
        error
    })
}

fn first_word(sql: &str) -> String {
    sql.trim_start().chars().take_while(|c| c.is_alphabetic()).collect::<String>().to_uppercase()
}

fn refused(word: &str) -> SqlError {
    SqlError::new(SqlErrorKind::Refused, format!("{word} is not allowed: queries only read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_refused(sql: &str) {
        let error = parse(sql, &AdhocLimits::default()).err().unwrap_or_else(|| panic!("{sql} is not refused"));
        assert_eq!(error.kind, SqlErrorKind::Refused, "{sql}: {error}");
    }

    #[test]
    fn what_writes_is_refused_by_name() {
        for sql in [
            "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
            "CREATE TABLE t AS SELECT 1",
            "CREATE VIEW v AS SELECT 1",
            "INSERT INTO t VALUES (1)",
            "DELETE FROM t",
            "UPDATE t SET a = 1",
            "DROP TABLE t",
            "COPY t TO 'x.csv'",
            "EXPLAIN ANALYZE COPY (SELECT 1) TO 'x.csv'",
            "SET datafusion.execution.target_partitions = 1000",
            "PREPARE p AS SELECT 1",
            "SHOW ALL",
            "SELECT 1; SELECT 2",
            "UNLOAD (SELECT 1) TO 'x'",
        ] {
            check_refused(sql);
        }
    }
}
