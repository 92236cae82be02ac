//! Table functions of the AWS dialect that are windows in other words.
//!
//! ```text
//! TABLE(COUNT_DISTINCT_ITEMS_TUMBLING(CURSOR(q), 'c', 60))   (SELECT COUNT(DISTINCT "c") AS NUMBER_OF_DISTINCT_ITEMS
//!                                                            FROM (q) GROUP BY STEP(ROWTIME, INTERVAL '60' SECOND))
//! TABLE(TOP_K_ITEMS_TUMBLING(CURSOR(q), 'c', 10, 60))        the 10 values of "c" that most rows of a minute have:
//!                                                            ITEM, ITEM_COUNT
//! ```
//! Both are approximate there, and exact here.

use datafusion::sql::sqlparser::tokenizer::Token as Lexeme;
use model::query::engine::SqlError;

use crate::sql::dialect::Dialect;
use crate::sql::tokens::{Token, closing, is_open, quoted, tokenize};

/// Functions that are not here.
const MISSING: [&str; 4] = ["RANDOM_CUT_FOREST", "RANDOM_CUT_FOREST_WITH_EXPLANATION", "HOTSPOTS", "GROUP_RANK"];
/// How many of the most frequent items may be asked for.
const ITEMS_MAX: u64 = 100_000;
/// The longest window, in seconds.
const SECONDS_MAX: u64 = 3600;

/// The tokens without these functions.
pub(crate) fn special_functions(tokens: &[Token]) -> Result<Vec<Token>, SqlError> {
    let mut respelt = Vec::with_capacity(tokens.len());
    let mut place = 0;
    while place < tokens.len() {
        let is_table = tokens[place].is("TABLE") && is_open(tokens, place + 1) && is_open(tokens, place + 3);
        let ends = is_table.then(|| Some((closing(tokens, place + 1)?, closing(tokens, place + 3)?))).flatten();
        let Some((end, close)) = ends else {
            respelt.push(tokens[place].clone());
            place += 1;
            continue;
        };
        let name = &tokens[place + 2];
        respelt.extend(sub_query(name, &parts(&tokens[place + 4..close]))?);
        place = end + 1;
    }
    Ok(respelt)
}

/// Arguments between commas.
fn parts(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0_usize;
    let parts = tokens.split(|token| {
        match token.lexeme {
            Lexeme::LParen => depth += 1,
            Lexeme::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && token.lexeme == Lexeme::Comma
    });
    parts.collect()
}

/// The sub-query that a call stands for.
fn sub_query(name: &Token, given: &[&[Token]]) -> Result<Vec<Token>, SqlError> {
    if name.is("COUNT_DISTINCT_ITEMS_TUMBLING") {
        let form = "write COUNT_DISTINCT_ITEMS_TUMBLING(CURSOR(SELECT STREAM * FROM \"S\"), 'column', 60)";
        let [cursor, column, seconds] = given else {
            return Err(name.refuse("this function has a cursor, a column and the seconds of its window", form));
        };
        let (rows, column) = (cursor_of(cursor, name, form)?, column_of(column, name, form)?);
        let seconds = number_of(seconds, SECONDS_MAX, name, form)?;
        let head = format!("(SELECT COUNT(DISTINCT {column}) AS NUMBER_OF_DISTINCT_ITEMS FROM (");
        let tail = format!(") AS C__ GROUP BY STEP(ROWTIME, INTERVAL '{seconds}' SECOND))");
        return around(&head, rows, &tail, name);
    }
    if name.is("TOP_K_ITEMS_TUMBLING") {
        let form = "write TOP_K_ITEMS_TUMBLING(CURSOR(SELECT STREAM * FROM \"S\"), 'column', 10, 60)";
        let [cursor, column, items, seconds] = given else {
            let message = "this function has a cursor, a column, a number of items and the seconds of its window";
            return Err(name.refuse(message, form));
        };
        let (rows, column) = (cursor_of(cursor, name, form)?, column_of(column, name, form)?);
        let (items, seconds) = (number_of(items, ITEMS_MAX, name, form)?, number_of(seconds, SECONDS_MAX, name, form)?);
        let head = format!(
            "(SELECT ITEM, ITEM_COUNT FROM (SELECT ITEM, ITEM_COUNT, ROW_NUMBER() OVER (ORDER BY ITEM_COUNT DESC, ITEM) \
             AS RANK__ FROM (SELECT {column} AS ITEM, COUNT(*) AS ITEM_COUNT FROM ("
        );
        let tail = format!(
            ") AS C__ GROUP BY STEP(ROWTIME, INTERVAL '{seconds}' SECOND), {column}) AS A__) AS B__ WHERE RANK__ <= {items})"
        );
        return around(&head, rows, &tail, name);
    }
    let spelt = name.word().unwrap_or_default();
    let is_missing = MISSING.iter().any(|missing| name.is(missing));
    let suggestion = "use TOP_K_ITEMS_TUMBLING or COUNT_DISTINCT_ITEMS_TUMBLING, or write the windows yourself";
    let what = if is_missing { "is not supported" } else { "is no table function of this dialect" };
    Err(name.refuse(format!("{spelt} {what}"), suggestion))
}

/// `rows` between two texts, whose tokens have the place of `at`.
fn around(head: &str, rows: &[Token], tail: &str, at: &Token) -> Result<Vec<Token>, SqlError> {
    let made = |text: &str| -> Result<Vec<Token>, SqlError> {
        Ok(tokenize(text, Some(Dialect::Aws))?.into_iter().map(|token| Token { at: at.at, ..token }).collect())
    };
    Ok([made(head)?, rows.to_vec(), made(tail)?].concat())
}

/// The query in `CURSOR(..)`.
fn cursor_of<'a>(tokens: &'a [Token], name: &Token, form: &str) -> Result<&'a [Token], SqlError> {
    match tokens {
        [cursor, open, query @ .., close]
            if cursor.is("CURSOR") && open.lexeme == Lexeme::LParen && close.lexeme == Lexeme::RParen =>
        {
            Ok(query)
        }
        _ => Err(tokens.first().unwrap_or(name).refuse("the first argument is no CURSOR", form)),
    }
}

fn column_of(tokens: &[Token], name: &Token, form: &str) -> Result<String, SqlError> {
    match tokens {
        [token] => match &token.lexeme {
            Lexeme::SingleQuotedString(column) => Ok(quoted(column)),
            _ => Err(token.refuse("the column's name stands in single quotes", form)),
        },
        _ => Err(tokens.first().unwrap_or(name).refuse("the column's name stands in single quotes", form)),
    }
}

fn number_of(tokens: &[Token], max: u64, name: &Token, form: &str) -> Result<u64, SqlError> {
    let number = match tokens {
        [Token { lexeme: Lexeme::Number(digits, _), .. }] => digits.parse().ok().filter(|n| (1..=max).contains(n)),
        _ => None,
    };
    number.ok_or_else(|| tokens.first().unwrap_or(name).refuse(format!("this is no number from 1 to {max}"), form))
}
