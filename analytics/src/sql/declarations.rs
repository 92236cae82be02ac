//! What statements of both dialects declare: streams, and queries that read and write them.

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::tokenizer::Token as Lexeme;
use model::query::engine::SqlError;

use crate::sql::schema::SqlColumn;
use crate::sql::tokens::{Cursor, Token};

/// What one statement says.
#[derive(Debug)]
pub(crate) enum Statement {
    Stream(StreamDeclaration),
    /// One, or the parts of a UNION ALL.
    Queries(Vec<Pump>),
    /// It stands there for other engines.
    Nothing,
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

/// `CREATE PUMP name AS INSERT INTO stream (columns) query`, or an INSERT of Flink.
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
