//! The statements of the AWS dialect: `CREATE STREAM` and `CREATE PUMP`.

use datafusion::sql::sqlparser::tokenizer::Token as Lexeme;
use model::query::engine::SqlError;
use model::text::nearest::nearest;

use crate::sql::declarations::{Pump, Statement, StreamDeclaration, column_names, parts_of};
use crate::sql::schema::{SqlColumn, SqlType};
use crate::sql::tokens::{Cursor, Token};

/// The names of types that an error suggests.
const TYPES: [&str; 10] =
    ["BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "REAL", "DOUBLE", "DECIMAL", "VARCHAR", "TIMESTAMP"];

/// Reads one statement.
pub(crate) fn statement(tokens: &[Token]) -> Result<Statement, SqlError> {
    let mut cursor = Cursor::new(tokens);
    let first = &tokens[0];
    let head = |cursor: &mut Cursor<'_>| {
        cursor.accept("CREATE")
            && (!cursor.accept("OR") || cursor.accept("REPLACE"))
            && cursor.peek().is_some_and(|token| token.is("STREAM") || token.is("PUMP"))
    };
    if !head(&mut cursor) {
        return Err(first.refuse(
            format!("a continuous query cannot contain a `{}` statement", first.lexeme),
            "use CREATE OR REPLACE STREAM and CREATE OR REPLACE PUMP",
        ));
    }
    if cursor.accept("STREAM") {
        return stream(&mut cursor).map(Statement::Stream);
    }
    cursor.expect("PUMP")?;
    Ok(Statement::Queries(parts_of(pump(&mut cursor)?)))
}

fn stream(cursor: &mut Cursor<'_>) -> Result<StreamDeclaration, SqlError> {
    let name = cursor.expect_name("the stream's name")?;
    cursor.expect_lexeme(&Lexeme::LParen)?;
    let mut columns: Vec<SqlColumn> = Vec::new();
    loop {
        let at = cursor.peek().cloned();
        let column = SqlColumn { name: cursor.expect_name("a column's name")?, sql_type: sql_type(cursor)? };
        if columns.iter().any(|known| known.name == column.name) {
            let at = at.expect("a name was read here");
            return Err(at.refuse(format!("column `{}` is declared twice", column.name), "remove one of them"));
        }
        if cursor.accept("NOT") {
            cursor.expect("NULL")?;
        }
        columns.push(column);
        if !cursor.accept_lexeme(&Lexeme::Comma) {
            break;
        }
    }
    cursor.expect_lexeme(&Lexeme::RParen)?;
    if cursor.accept("DESCRIPTION") {
        cursor.advance();
    }
    if cursor.peek().is_some() {
        return Err(cursor.expected("`;`"));
    }
    Ok(StreamDeclaration { name, columns, ..StreamDeclaration::default() })
}

fn sql_type(cursor: &mut Cursor<'_>) -> Result<SqlType, SqlError> {
    let at = cursor.peek().cloned();
    let word = cursor.expect_name("a column's type")?;
    let mut sizes = Vec::new();
    if word == "DOUBLE" {
        cursor.accept("PRECISION");
    }
    if cursor.accept_lexeme(&Lexeme::LParen) {
        sizes.push(cursor.expect_number()?);
        if cursor.accept_lexeme(&Lexeme::Comma) {
            sizes.push(cursor.expect_number()?);
        }
        cursor.expect_lexeme(&Lexeme::RParen)?;
    }
    Ok(match word.as_str() {
        "BOOLEAN" => SqlType::Boolean,
        "TINYINT" => SqlType::TinyInt,
        "SMALLINT" => SqlType::SmallInt,
        "INTEGER" | "INT" => SqlType::Integer,
        "BIGINT" => SqlType::BigInt,
        "REAL" | "FLOAT" | "DOUBLE" => SqlType::Double,
        "DECIMAL" | "NUMERIC" | "DEC" => {
            let precision = sizes.first().copied().unwrap_or(18).clamp(1, 38);
            let scale = sizes.get(1).copied().unwrap_or(0).min(precision);
            SqlType::Decimal(precision as u8, scale as i8)
        }
        "VARCHAR" | "CHAR" | "CHARACTER" => SqlType::Varchar(sizes.first().copied()),
        "TIMESTAMP" => SqlType::Timestamp,
        _ => {
            let at = at.expect("a name was read here");
            let suggestion = match nearest(&word, TYPES) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("use one of {}", TYPES.join(", ")),
            };
            return Err(at.refuse(format!("unknown type `{word}`"), suggestion));
        }
    })
}

fn pump(cursor: &mut Cursor<'_>) -> Result<Pump, SqlError> {
    let name = cursor.expect_name("the pump's name")?;
    if cursor.accept("DESCRIPTION") {
        cursor.advance();
    }
    cursor.expect("AS")?;
    cursor.expect("INSERT")?;
    cursor.accept("EXPEDITED");
    cursor.expect("INTO")?;
    let into_at = cursor.peek().cloned();
    let into = cursor.expect_name("the name of the stream to insert into")?;
    let columns = column_names(cursor)?;
    if !cursor.peek().is_some_and(|token| token.is("SELECT")) {
        return Err(cursor.expected("SELECT STREAM"));
    }
    let into_at = into_at.expect("a name was read here");
    Ok(Pump { name, into, into_at, columns, query: cursor.rest().to_vec() })
}
