//! Turns a pump's windowed query into plain SQL that DataFusion plans.
//!
//! ```text
//! SELECT STREAM "Name", ROWTIME, SUM("Distance") FROM "S" GROUP BY FLOOR("S".ROWTIME TO MINUTE), "Name"
//!    ▼
//! SELECT "Name" AS "__c0", "__window_end" AS "__c1", sum("Distance") AS "__c2",   the user's columns
//!        "__window_end" AS "__end", "Name" AS "__key0"                            what rows are sorted and keyed by
//! FROM "S" GROUP BY "__window_start", "__window_end", "Name"
//! ```

use datafusion::sql::sqlparser::tokenizer::Token as Lexeme;
use model::query::engine::{Location, SqlError};

use crate::sql::clauses::{clause, split};
use crate::sql::missing::refuse_what_is_missing;
use crate::sql::schema::ROWTIME;
use crate::sql::tokens::{Cursor, Token, render};
use crate::sql::window_function::window_function;
use crate::window::assigner::{WINDOW_END, WINDOW_START};
use crate::window::tumbling::Tumbling;

/// A pump's query, checked and rewritten.
#[derive(Debug, Clone)]
pub(crate) struct WindowedSelect {
    /// The stream it reads, by its SQL name.
    pub(crate) source: String,
    pub(crate) tumbling: Tumbling,
    /// What DataFusion plans: the user's columns, the window's end, the keys.
    pub(crate) sql: String,
    /// The names of the user's columns.
    pub(crate) names: Vec<String>,
    /// The query's own tokens, to find the place of an error.
    pub(crate) tokens: Vec<Token>,
}

impl WindowedSelect {
    /// Checks and rewrites the tokens from `SELECT` on.
    pub(crate) fn new(tokens: &[Token]) -> Result<WindowedSelect, SqlError> {
        refuse_what_is_missing(tokens)?;
        let mut head = Cursor::new(tokens);
        head.expect("SELECT")?;
        let list = clause(tokens, "SELECT").unwrap_or_default();
        let list = list.strip_prefix_if(|token| token.is("STREAM")).strip_prefix_if(|token| token.is("ALL"));
        let from = clause(tokens, "FROM").ok_or_else(|| end_of(tokens).expected("FROM"))?;
        let source =
            from.first().and_then(Token::name).ok_or_else(|| end_of(tokens).expected("a stream after FROM"))?;
        let no_window = |at: &Token| {
            at.refuse(
                "GROUP BY has no window, so no row would ever be final",
                format!("add FLOOR(\"{source}\".ROWTIME TO MINUTE) or STEP(\"{source}\".ROWTIME BY INTERVAL '10' SECOND) to GROUP BY"),
            )
        };
        let group = clause(tokens, "GROUP").ok_or_else(|| no_window(&tokens[0]))?;
        let group = group.strip_prefix_if(|token| token.is("BY"));
        let (tumbling, keys) = grouping(group)?;
        let tumbling = tumbling.ok_or_else(|| no_window(group.first().unwrap_or(&tokens[0])))?;
        let (mut items, names) = select_list(list, tumbling)?;
        items.push("\"__window_end\" AS \"__end\"".to_owned());
        items.extend(keys.iter().enumerate().map(|(index, key)| format!("{key} AS \"__key{index}\"")));
        let mut sql = format!("SELECT {} FROM {}", items.join(", "), render(from));
        if let Some(filter) = clause(tokens, "WHERE") {
            sql.push_str(&format!(" WHERE {}", render(filter)));
        }
        sql.push_str(" GROUP BY \"__window_start\", \"__window_end\"");
        keys.iter().for_each(|key| sql.push_str(&format!(", {key}")));
        if let Some(having) = clause(tokens, "HAVING") {
            sql.push_str(&format!(" HAVING {}", render(&of_window(having, tumbling)?)));
        }
        Ok(WindowedSelect { source, tumbling, sql, names, tokens: tokens.to_vec() })
    }

    /// Where a name stands in the query.
    pub(crate) fn place_of(&self, name: &str) -> Option<Location> {
        self.tokens.iter().find(|token| token.name().as_deref() == Some(name)).map(|token| token.at)
    }
}

/// The window of GROUP BY, if there is one, and the text of each other key.
fn grouping(group: &[Token]) -> Result<(Option<Tumbling>, Vec<String>), SqlError> {
    let mut tumbling: Option<Tumbling> = None;
    let mut keys = Vec::new();
    for item in split(group) {
        match window_function(item)? {
            Some((found, length)) if length == item.len() => {
                if tumbling.replace(found).is_some() {
                    return Err(item[0].refuse("GROUP BY has two windows", "keep one of them"));
                }
            }
            _ => {
                if matches!(item, [Token { lexeme: Lexeme::Number(..), .. }]) {
                    return Err(item[0].refuse("GROUP BY does not accept column numbers", "write the column's name"));
                }
                keys.push(render(item));
            }
        }
    }
    Ok((tumbling, keys))
}

/// The select list as DataFusion reads it, and the names of its columns.
fn select_list(list: &[Token], tumbling: Tumbling) -> Result<(Vec<String>, Vec<String>), SqlError> {
    let (mut items, mut names) = (Vec::new(), Vec::new());
    for (index, item) in split(list).into_iter().enumerate() {
        let (expression, alias) = alias_of(item);
        let of_window = of_window(expression, tumbling)?;
        let name = match (alias, expression) {
            (Some(alias), _) => alias.name().expect("an alias is a word"),
            (None, [.., last]) if expression.len() <= 3 && last.name().is_some() => last.name().expect("just seen"),
            _ => render(expression),
        };
        let written = alias.map_or_else(
            || format!("\"__c{index}\""),
            |alias| crate::sql::tokens::quoted(&alias.name().expect("an alias is a word")),
        );
        items.push(format!("{} AS {written}", render(&of_window)));
        names.push(name);
    }
    Ok((items, names))
}

/// The expression as seen from the output row: unqualified ROWTIME is the window's end, the window function its start.
fn of_window(tokens: &[Token], tumbling: Tumbling) -> Result<Vec<Token>, SqlError> {
    let mut rewritten = Vec::with_capacity(tokens.len());
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        let hidden = |name: &str| Token { lexeme: Lexeme::make_word(name, Some('"')), at: token.at };
        if let Some((found, length)) = window_function(&tokens[index..])? {
            if found != tumbling {
                return Err(token.refuse("this is not the window of GROUP BY", "write the same window in both places"));
            }
            rewritten.push(hidden(WINDOW_START));
            index += length;
            continue;
        }
        let qualified = index > 0 && tokens[index - 1].lexeme == Lexeme::Period;
        let qualifies = tokens.get(index + 1).is_some_and(|next| next.lexeme == Lexeme::Period);
        if token.name().as_deref() == Some(ROWTIME) && !qualified && !qualifies {
            rewritten.push(hidden(WINDOW_END));
        } else {
            rewritten.push(token.clone());
        }
        index += 1;
    }
    Ok(rewritten)
}

/// Splits `expression AS name` and `expression name`.
fn alias_of(item: &[Token]) -> (&[Token], Option<&Token>) {
    const NO_ALIAS: [&str; 5] = ["END", "NULL", "TRUE", "FALSE", "UNKNOWN"];
    const OPERATORS: [&str; 12] =
        ["NOT", "IS", "AND", "OR", "LIKE", "ELSE", "THEN", "BETWEEN", "IN", "DISTINCT", "WHEN", "CASE"];
    match item {
        [expression @ .., separator, alias] if separator.is("AS") && alias.name().is_some() => {
            (expression, Some(alias))
        }
        [.., interval, before, _] if interval.is("INTERVAL") && !matches!(before.lexeme, Lexeme::RParen) => {
            (item, None)
        }
        [expression @ .., alias] if !expression.is_empty() && alias.name().is_some() => {
            let before = expression.last().expect("just seen");
            let ends = before.lexeme == Lexeme::RParen
                || matches!(before.lexeme, Lexeme::Number(..) | Lexeme::SingleQuotedString(_))
                || (before.name().is_some() && !OPERATORS.iter().any(|word| before.is(word)));
            if ends && !NO_ALIAS.iter().any(|word| alias.is(word)) { (expression, Some(alias)) } else { (item, None) }
        }
        _ => (item, None),
    }
}

fn end_of(tokens: &[Token]) -> Cursor<'_> {
    let mut cursor = Cursor::new(tokens);
    while cursor.advance().is_some() {}
    cursor
}

trait StripPrefix {
    fn strip_prefix_if(&self, matches: impl Fn(&Token) -> bool) -> &Self;
}

impl StripPrefix for [Token] {
    fn strip_prefix_if(&self, matches: impl Fn(&Token) -> bool) -> &[Token] {
        match self {
            [first, rest @ ..] if matches(first) => rest,
            all => all,
        }
    }
}
