//! The statements of Flink's dialect: `CREATE TABLE .. WITH`, `INSERT INTO`, and what stands around them in notebooks.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token as Lexeme;
use model::query::engine::SqlError;
use model::text::nearest::nearest;

use crate::error::syntax;
use crate::sql::declarations::{Pump, Statement, StreamDeclaration, column_names, parts_of};
use crate::sql::dialect::Dialect;
use crate::sql::interval::{Length, length};
use crate::sql::respell::respell;
use crate::sql::schema::{SqlColumn, SqlType};
use crate::sql::tokens::{Cursor, Token};
use crate::sql::window_call::{name_of, refuse};

/// The names of types that an error suggests.
const TYPES: [&str; 12] = [
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "INT",
    "BIGINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
    "VARCHAR",
    "STRING",
    "TIMESTAMP",
    "TIMESTAMP_LTZ",
];

/// Settings of a table that say where it is and how it is written; each with the values that it may have here.
const OPTIONS: [(&str, &[&str]); 3] =
    [("connector", &["kinesis"]), ("format", &["json"]), ("json.timestamp-format.standard", &["SQL"])];
/// Settings of a table that have no meaning on this server: it is its own region, and a query says where it begins.
const OPTIONS_OF_AWS: [&str; 6] = [
    "aws.region",
    "aws.endpoint",
    "scan.stream.initpos",
    "source.init.position",
    "source.reader.type",
    "sink.partitioner",
];

/// Reads one statement.
pub(crate) fn statement(tokens: &[Token]) -> Result<Statement, SqlError> {
    let mut cursor = Cursor::new(tokens);
    if cursor.accept("EXECUTE") {
        for word in ["STATEMENT", "SET", "BEGIN"] {
            cursor.expect(word)?;
        }
        return statement(cursor.rest());
    }
    if let [end] = tokens
        && end.is("END")
    {
        return Ok(Statement::Nothing);
    }
    if cursor.accept("DROP") {
        return dropped(&mut cursor).map(|()| Statement::Nothing);
    }
    if cursor.accept("INSERT") {
        return Ok(Statement::Queries(parts_of(insert(&mut cursor)?)));
    }
    if cursor.accept("CREATE") && {
        cursor.accept("TEMPORARY");
        cursor.accept("TABLE")
    } {
        if cursor.accept("IF") {
            cursor.expect("NOT")?;
            cursor.expect("EXISTS")?;
        }
        return table(&mut cursor).map(Statement::Stream);
    }
    let first = tokens.first().ok_or_else(|| cursor.expected("a statement"))?;
    Err(first.refuse(
        format!("a continuous query cannot contain a `{}` statement", first.lexeme),
        "use CREATE TABLE .. WITH (..) and INSERT INTO .. SELECT",
    ))
}

/// `DROP TABLE IF EXISTS t`: nothing is there before a text is read.
fn dropped(cursor: &mut Cursor<'_>) -> Result<(), SqlError> {
    for word in ["TABLE", "IF", "EXISTS"] {
        cursor.expect(word)?;
    }
    cursor.expect_name("the table's name")?;
    match cursor.peek() {
        Some(_) => Err(cursor.expected("`;`")),
        None => Ok(()),
    }
}

fn insert(cursor: &mut Cursor<'_>) -> Result<Pump, SqlError> {
    cursor.expect("INTO")?;
    let into_at = cursor.peek().cloned();
    let into = cursor.expect_name("the name of the table to insert into")?;
    let columns = column_names(cursor)?;
    if !cursor.peek().is_some_and(|token| token.is("SELECT")) {
        return Err(cursor.expected("SELECT"));
    }
    let into_at = into_at.expect("a name was read here");
    Ok(Pump { name: into.clone(), into, into_at, columns, query: cursor.rest().to_vec() })
}

fn table(cursor: &mut Cursor<'_>) -> Result<StreamDeclaration, SqlError> {
    let mut table = StreamDeclaration { name: cursor.expect_name("the table's name")?, ..Default::default() };
    cursor.expect_lexeme(&Lexeme::LParen)?;
    loop {
        part(cursor, &mut table)?;
        if !cursor.accept_lexeme(&Lexeme::Comma) {
            break;
        }
    }
    cursor.expect_lexeme(&Lexeme::RParen)?;
    if cursor.accept("COMMENT") {
        cursor.advance();
    }
    if let Some(token) = cursor.peek().filter(|token| token.is("PARTITIONED")) {
        return Err(token.refuse("PARTITIONED BY is not supported", "the first key of GROUP BY is the partition key"));
    }
    cursor.expect("WITH")?;
    cursor.expect_lexeme(&Lexeme::LParen)?;
    loop {
        option(cursor, &mut table)?;
        if !cursor.accept_lexeme(&Lexeme::Comma) {
            break;
        }
    }
    cursor.expect_lexeme(&Lexeme::RParen)?;
    match cursor.peek() {
        Some(_) => Err(cursor.expected("`;`")),
        None => Ok(table),
    }
}

/// A column, computed or not, or the watermark.
fn part(cursor: &mut Cursor<'_>, table: &mut StreamDeclaration) -> Result<(), SqlError> {
    let at = cursor.peek().cloned();
    if cursor.accept("WATERMARK") {
        cursor.expect("FOR")?;
        let at = cursor.peek().cloned();
        let column = cursor.expect_name("the time column's name")?;
        cursor.expect("AS")?;
        let delay = delay_of(&expression(cursor)?, &column)?;
        let found = table.columns.iter().find(|known| known.name == column);
        if found.is_none_or(|found| found.sql_type != SqlType::Timestamp) {
            let at = at.expect("a name was read here");
            return Err(at.refuse(
                format!("`{column}` is not a TIMESTAMP column above"),
                "declare the column as TIMESTAMP(3) before WATERMARK FOR",
            ));
        }
        table.watermark = Some((column, delay));
        return Ok(());
    }
    if let Some(token) = cursor.peek().filter(|token| token.is("PRIMARY") || token.is("CONSTRAINT")) {
        return Err(token.refuse("PRIMARY KEY is not supported", "leave it out: rows of a stream have no identity"));
    }
    let name = cursor.expect_name("a column's name")?;
    let known = table.columns.iter().map(|column| &column.name).chain(&table.processing_times);
    if known.chain(table.computed.iter().map(|(name, _)| name)).any(|known| *known == name) {
        let at = at.expect("a name was read here");
        return Err(at.refuse(format!("column `{name}` is declared twice"), "remove one of them"));
    }
    if cursor.accept("AS") {
        match expression(cursor)? {
            Expr::Function(function) if name_of(&function) == "PROCTIME" => table.processing_times.push(name),
            expr => table.computed.push((name, expr)),
        }
        return Ok(());
    }
    let sql_type = sql_type(cursor)?;
    if let Some(token) = cursor.peek().filter(|token| token.is("METADATA")) {
        return Err(token.refuse(
            "METADATA columns are not supported",
            "use APPROXIMATE_ARRIVAL_TIME, PARTITION_KEY, SHARD_ID or SEQUENCE_NUMBER in the query",
        ));
    }
    if cursor.accept("NOT") {
        cursor.expect("NULL")?;
    }
    table.columns.push(SqlColumn { name, sql_type });
    Ok(())
}

/// An expression up to the comma or parenthesis after it.
fn expression(cursor: &mut Cursor<'_>) -> Result<Expr, SqlError> {
    let tokens = cursor.rest();
    let mut depth = 0_usize;
    let end = tokens.iter().position(|token| match token.lexeme {
        Lexeme::LParen => {
            depth += 1;
            false
        }
        Lexeme::RParen | Lexeme::Comma if depth == 0 => true,
        Lexeme::RParen => {
            depth -= 1;
            false
        }
        _ => false,
    });
    let end = end.filter(|end| 0 < *end).ok_or_else(|| cursor.expected("an expression"))?;
    let mut parser =
        Parser::new(&GenericDialect {}).with_tokens_with_locations(respell(&tokens[..end], Dialect::Flink)?);
    let expr = parser.parse_expr().map_err(|error| syntax(&error))?;
    (0..end).for_each(|_| {
        cursor.advance();
    });
    Ok(expr)
}

/// How late a watermark is: `c`, or `c - INTERVAL '5' SECOND`.
fn delay_of(expr: &Expr, column: &str) -> Result<i64, SqlError> {
    let is_column = |expr: &Expr| matches!(expr, Expr::Identifier(name) if name.value == column);
    let delay = match expr {
        name if is_column(name) => Some(0),
        Expr::BinaryOp { left, op: BinaryOperator::Minus, right } if is_column(left) => match right.as_ref() {
            Expr::Interval(interval) => match length(interval) {
                Some(Length::Millis(millis)) if 0 <= millis => Some(millis),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    delay.ok_or_else(|| {
        let form = format!("write {column} - INTERVAL '5' SECOND");
        refuse(expr, format!("`{expr}` is not a watermark of column `{column}`"), form)
    })
}

fn sql_type(cursor: &mut Cursor<'_>) -> Result<SqlType, SqlError> {
    let at = cursor.peek().cloned();
    let word = cursor.expect_name("a column's type")?.to_uppercase();
    if word == "DOUBLE" {
        cursor.accept("PRECISION");
    }
    let mut sizes = Vec::new();
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
        "INT" | "INTEGER" => SqlType::Integer,
        "BIGINT" => SqlType::BigInt,
        "FLOAT" | "DOUBLE" => SqlType::Double,
        "DECIMAL" | "NUMERIC" | "DEC" => {
            let precision = sizes.first().copied().unwrap_or(10).clamp(1, 38);
            let scale = sizes.get(1).copied().unwrap_or(0).min(precision);
            SqlType::Decimal(precision as u8, scale as i8)
        }
        // JSON values are not cut to Flink's default length of one.
        "VARCHAR" | "STRING" => SqlType::Varchar(sizes.first().copied()),
        "CHAR" => SqlType::Varchar(Some(sizes.first().copied().unwrap_or(1))),
        "TIMESTAMP" | "TIMESTAMP_LTZ" => {
            for words in [["WITHOUT", "TIME", "ZONE"], ["WITH", "LOCAL", "TIME"]] {
                if cursor.peek().is_some_and(|token| token.is(words[0])) {
                    words.iter().try_for_each(|word| cursor.expect(word))?;
                    cursor.accept("ZONE");
                }
            }
            SqlType::Timestamp
        }
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

/// `'key' = 'value'`.
fn option(cursor: &mut Cursor<'_>, table: &mut StreamDeclaration) -> Result<(), SqlError> {
    let at = cursor.peek().cloned();
    let key = text(cursor, "a setting in quotes")?;
    cursor.expect_lexeme(&Lexeme::Eq)?;
    let value_at = cursor.peek().cloned();
    let value = text(cursor, "its value in quotes")?;
    let (at, value_at) = (at.expect("a text was read here"), value_at.expect("a text was read here"));
    match key.as_str() {
        "stream" => table.stream = Some(value),
        "stream.arn" => table.stream = value.rsplit('/').next().map(str::to_owned),
        key if OPTIONS_OF_AWS.contains(&key) => {}
        key => match OPTIONS.iter().find(|(known, _)| *known == key) {
            Some((_, values)) if values.contains(&value.as_str()) => {}
            Some((_, values)) => {
                let message = format!("`{key}` cannot be `{value}` here");
                return Err(value_at.refuse(message, format!("write '{}'", values.join("' or '"))));
            }
            None => {
                let known = OPTIONS.iter().map(|(key, _)| *key).chain(OPTIONS_OF_AWS).chain(["stream", "stream.arn"]);
                let suggestion = match nearest(key, known) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => "leave it out".to_owned(),
                };
                return Err(at.refuse(format!("table setting `{key}` is not supported"), suggestion));
            }
        },
    }
    Ok(())
}

fn text(cursor: &mut Cursor<'_>, what: &str) -> Result<String, SqlError> {
    match cursor.peek().map(|token| &token.lexeme) {
        Some(Lexeme::SingleQuotedString(text)) => {
            let text = text.clone();
            cursor.advance();
            Ok(text)
        }
        _ => Err(cursor.expected(what)),
    }
}
