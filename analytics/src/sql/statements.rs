//! What a text declares: streams, and queries that read and write them. The statements of the AWS dialect are here:
//! `CREATE STREAM` and `CREATE PUMP`.

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::tokenizer::Token as Lexeme;
use model::query::engine::SqlError;
use model::text::nearest::nearest;

use crate::depth;
use crate::sql::dialect::Dialect;
use crate::sql::flink;
use crate::sql::schema::{SqlColumn, SqlType};
use crate::sql::tokens::{Cursor, Token, tokenize};

/// Operators that stand in a chain, or one in the other: the server plans these queries itself and computes them on its own
/// threads, whose stacks hold this many.
const OPERATORS_MAX: usize = 512;
/// Parts of all statements together: a declaration or a pump is one.
const PARTS_MAX: usize = 1024;

/// The names of types that an error suggests.
const TYPES: [&str; 10] =
    ["BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "REAL", "DOUBLE", "DECIMAL", "VARCHAR", "TIMESTAMP"];

/// What a text declares.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) dialect: Dialect,
    pub(crate) streams: Vec<StreamDeclaration>,
    pub(crate) pumps: Vec<Pump>,
}

/// `CREATE STREAM name (columns)`, or a table of Flink.
#[derive(Debug, Default)]
pub(crate) struct StreamDeclaration {
    pub(crate) name: String,
    pub(crate) columns: Vec<SqlColumn>,
    /// The stream that it stands for, where that has another name.
    pub(crate) stream: Option<String>,
    /// Columns that are the time at which a row is read: `c AS PROCTIME()`.
    pub(crate) processing_times: Vec<String>,
    /// Columns that are computed from others.
    pub(crate) computed: Vec<(String, Expr)>,
    /// The column that says when a row happened, and how many milliseconds rows may be out of order.
    pub(crate) watermark: Option<(String, i64)>,
}

impl StreamDeclaration {
    /// Whether windows can be made of this column.
    pub(crate) fn is_time(&self, column: &str) -> bool {
        self.processing_times.iter().any(|name| name == column)
            || self.watermark.as_ref().is_some_and(|(name, _)| name == column)
    }
}

/// `CREATE PUMP name AS INSERT INTO stream (columns) query`.
#[derive(Debug, Clone)]
pub(crate) struct Pump {
    pub(crate) name: String,
    pub(crate) into: String,
    /// The token that names the target.
    pub(crate) into_at: Token,
    pub(crate) columns: Option<Vec<(String, Token)>>,
    /// From `SELECT` to the end.
    pub(crate) query: Vec<Token>,
}

impl Script {
    /// Reads all statements. Without a dialect, it is that of the first one.
    pub(crate) fn parse(sql: &str, dialect: Option<Dialect>) -> Result<Script, SqlError> {
        let tokens = tokenize(sql, dialect)?;
        depth::check(tokens.iter().map(|token| (&token.lexeme, token.at)), OPERATORS_MAX, PARTS_MAX)?;
        let dialect = tokens.first().map_or(Dialect::Aws, |token| token.dialect);
        let mut script = Script { dialect, streams: Vec::new(), pumps: Vec::new() };
        for statement in tokens.split(|token| token.lexeme == Lexeme::SemiColon).filter(|tokens| !tokens.is_empty()) {
            match dialect {
                Dialect::Aws => script.statement(statement)?,
                Dialect::Flink => flink::statement(&mut script, statement)?,
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

    fn statement(&mut self, tokens: &[Token]) -> Result<(), SqlError> {
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
            self.streams.push(stream(&mut cursor)?);
        } else {
            cursor.expect("PUMP")?;
            self.pumps.extend(parts_of(pump(&mut cursor)?));
        }
        Ok(())
    }
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

/// The parts of a UNION ALL, each a query of its own into the same stream.
pub(crate) fn parts_of(pump: Pump) -> Vec<Pump> {
    let mut depth = 0_usize;
    let mut ends = Vec::new();
    for (place, token) in pump.query.iter().enumerate() {
        match token.lexeme {
            Lexeme::LParen => depth += 1,
            Lexeme::RParen => depth = depth.saturating_sub(1),
            _ if depth == 0 && token.is("UNION") => {
                let is_all = pump.query.get(place + 1).is_some_and(|next| next.is("ALL"));
                // Without ALL, the whole is refused where it is read.
                if !is_all {
                    return vec![pump];
                }
                ends.push(place);
            }
            _ => {}
        }
    }
    if ends.is_empty() {
        return vec![pump];
    }
    let starts = std::iter::once(0).chain(ends.iter().map(|end| end + 2));
    let ends = ends.iter().copied().chain([pump.query.len()]);
    let part = |(index, (start, end)): (usize, (usize, usize))| Pump {
        name: format!("{}_{}", pump.name, index + 1),
        query: pump.query[start.min(end)..end].to_vec(),
        ..pump.clone()
    };
    let parts: Vec<Pump> = starts.zip(ends).enumerate().map(part).collect();
    // What stands around nothing is refused where it is read.
    if parts.iter().any(|part| part.query.is_empty()) { vec![pump] } else { parts }
}

/// `(a, b)`, if it is next.
pub(crate) fn column_names(cursor: &mut Cursor<'_>) -> Result<Option<Vec<(String, Token)>>, SqlError> {
    if !cursor.accept_lexeme(&Lexeme::LParen) {
        return Ok(None);
    }
    let mut names = Vec::new();
    loop {
        let at = cursor.peek().cloned();
        let name = cursor.expect_name("a column's name")?;
        names.push((name, at.expect("a name was read here")));
        if !cursor.accept_lexeme(&Lexeme::Comma) {
            break;
        }
    }
    cursor.expect_lexeme(&Lexeme::RParen)?;
    Ok(Some(names))
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
