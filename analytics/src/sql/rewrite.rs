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
use model::sql::{Location, SqlError};

use super::tokens::{Cursor, Token, render};
use crate::schema::ROWTIME;
use crate::window::Tumbling;

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

const CLAUSES: [&str; 5] = ["FROM", "WHERE", "GROUP", "HAVING", "SELECT"];

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
                "GROUP BY has no window, so no row could ever be final",
                format!("add FLOOR(\"{source}\".ROWTIME TO MINUTE) or STEP(\"{source}\".ROWTIME BY INTERVAL '10' SECOND) to GROUP BY"),
            )
        };
        let group = clause(tokens, "GROUP").ok_or_else(|| no_window(&tokens[0]))?;
        let group = group.strip_prefix_if(|token| token.is("BY"));
        let mut tumbling: Option<Tumbling> = None;
        let mut keys: Vec<String> = Vec::new();
        for item in split(group) {
            match window_function(item)? {
                Some((found, length)) if length == item.len() => {
                    if tumbling.replace(found).is_some() {
                        return Err(item[0].refuse("GROUP BY has two windows", "keep one of them"));
                    }
                }
                _ => {
                    if matches!(item, [Token { lexeme: Lexeme::Number(..), .. }]) {
                        return Err(item[0].refuse("GROUP BY takes no column numbers", "write the column's name"));
                    }
                    keys.push(render(item));
                }
            }
        }
        let tumbling = tumbling.ok_or_else(|| no_window(group.first().unwrap_or(&tokens[0])))?;

        let mut items = Vec::new();
        let mut names = Vec::new();
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
                |alias| super::tokens::quoted(&alias.name().expect("an alias is a word")),
            );
            items.push(format!("{} AS {written}", render(&of_window)));
            names.push(name);
        }
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

/// Names what this dialect has and this engine has not, before DataFusion says it in other words.
fn refuse_what_is_missing(tokens: &[Token]) -> Result<(), SqlError> {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        let next = tokens.get(index + 1);
        let before_parenthesis = next.is_some_and(|next| next.lexeme == Lexeme::LParen);
        match token.lexeme {
            Lexeme::LParen => depth += 1,
            Lexeme::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        let refusal = if token.is("JOIN") {
            Some(("JOIN is not supported", "write one pump per stream, and join their outputs with ad hoc SQL"))
        } else if token.is("OVER") && next.is_some_and(|next| before_parenthesis || next.name().is_some()) {
            Some((
                "sliding windows (OVER) are not supported",
                "use a tumbling window: GROUP BY STEP(ROWTIME BY INTERVAL '10' SECOND)",
            ))
        } else if token.is("WINDOWED") || token.is("STAGGER") {
            Some(("stagger windows are not supported", "use a tumbling window: GROUP BY FLOOR(ROWTIME TO MINUTE)"))
        } else if token.is("ORDER") && depth == 0 {
            Some(("ORDER BY is not supported", "rows come by window, then by key"))
        } else if token.is("LIMIT") && depth == 0 {
            Some(("LIMIT is not supported: a stream has no end", "filter with HAVING"))
        } else if token.is("DISTINCT")
            && index > 0
            && (tokens[index - 1].is("SELECT") || tokens[index - 1].is("STREAM"))
        {
            Some(("SELECT DISTINCT is not supported", "name the columns in GROUP BY"))
        } else if token.is("UNION") || token.is("EXCEPT") || token.is("INTERSECT") {
            Some(("set operations are not supported", "write one pump per query into the same stream"))
        } else if token.is("SELECT") && index > 0 {
            Some(("sub-queries are not supported", "write the inner query as a pump into a stream of its own"))
        } else if before_parenthesis
            && ["approx_median", "approx_percentile_cont", "approx_percentile_cont_with_weight"]
                .iter()
                .any(|name| token.is(name))
        {
            Some(("this aggregate's state cannot be kept in a checkpoint", "use median(..), or min, max and avg"))
        } else {
            None
        };
        if let Some((message, suggestion)) = refusal {
            return Err(token.refuse(message, suggestion));
        }
    }
    if let Some(comma) = clause(tokens, "FROM").and_then(|from| from.iter().find(|token| token.lexeme == Lexeme::Comma))
    {
        return Err(comma.refuse("JOIN is not supported", "name one stream after FROM"));
    }
    Ok(())
}

/// The tokens between a clause's word and the next clause, outside parentheses.
fn clause<'a>(tokens: &'a [Token], keyword: &str) -> Option<&'a [Token]> {
    let mut depth = 0_i32;
    let mut start = None;
    for (index, token) in tokens.iter().enumerate() {
        match token.lexeme {
            Lexeme::LParen => depth += 1,
            Lexeme::RParen => depth -= 1,
            _ if depth == 0 && CLAUSES.iter().any(|clause| token.is(clause)) => match start {
                Some(start) => return Some(&tokens[start..index]),
                None if token.is(keyword) => start = Some(index + 1),
                None => {}
            },
            _ => {}
        }
    }
    start.map(|start| &tokens[start..])
}

/// The parts between commas, outside parentheses.
fn split(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0_i32;
    let parts = tokens.split(|token| {
        match token.lexeme {
            Lexeme::LParen => depth += 1,
            Lexeme::RParen => depth -= 1,
            _ => {}
        }
        depth == 0 && token.lexeme == Lexeme::Comma
    });
    parts.filter(|part| !part.is_empty()).collect()
}

/// `FLOOR(x TO unit)` or `STEP(x BY INTERVAL 'n' unit)` at the start of the tokens, and how many tokens it takes.
fn window_function(tokens: &[Token]) -> Result<Option<(Tumbling, usize)>, SqlError> {
    let Some(first) = tokens.first() else { return Ok(None) };
    let is_step = first.is("STEP");
    let separator = if is_step { "BY" } else { "TO" };
    if !(is_step || first.is("FLOOR")) || tokens.get(1).is_none_or(|token| token.lexeme != Lexeme::LParen) {
        return Ok(None);
    }
    let Some(end) = tokens.iter().position(|token| token.lexeme == Lexeme::RParen) else { return Ok(None) };
    let Some(at) = tokens[..end].iter().position(|token| token.is(separator)) else { return Ok(None) };
    if tokens[at - 1].name().as_deref() != Some(ROWTIME) {
        return Err(tokens[at - 1].refuse("a window is cut by the time of arrival", "write ROWTIME here"));
    }
    let mut cursor = Cursor::new(&tokens[at + 1..end]);
    let tumbling = if is_step { step(&mut cursor)? } else { floor(&mut cursor)? };
    match cursor.peek() {
        Some(_) => Err(cursor.expected("`)`")),
        None => Ok(Some((tumbling, end + 1))),
    }
}

fn floor(cursor: &mut Cursor<'_>) -> Result<Tumbling, SqlError> {
    match unit(cursor)? {
        (_, Some(millis)) => Ok(Tumbling::Millis(millis)),
        (name, None) => Ok(if name == "YEAR" { Tumbling::Year } else { Tumbling::Month }),
    }
}

fn step(cursor: &mut Cursor<'_>) -> Result<Tumbling, SqlError> {
    cursor.expect("INTERVAL")?;
    let at = cursor.peek().cloned();
    let count = match at.as_ref().map(|token| &token.lexeme) {
        Some(Lexeme::SingleQuotedString(text) | Lexeme::Number(text, _)) => text.trim().parse::<f64>().ok(),
        _ => None,
    };
    let count = count.ok_or_else(|| cursor.expected("the interval's length, as '10'"))?;
    cursor.advance();
    let (name, millis) = unit(cursor)?;
    let at = at.expect("a length was read here");
    let Some(millis) = millis else {
        return Err(at.refuse(format!("STEP cannot count in {name}S"), format!("use FLOOR(ROWTIME TO {name})")));
    };
    let width = (count * millis as f64).round();
    if !(1.0..=366.0 * 86_400_000.0).contains(&width) {
        return Err(
            at.refuse("a window lasts from a millisecond to a year", "write a length such as INTERVAL '10' SECOND")
        );
    }
    Ok(Tumbling::Millis(width as i64))
}

/// A unit of time, and its length if it has one.
fn unit(cursor: &mut Cursor<'_>) -> Result<(String, Option<i64>), SqlError> {
    let at = cursor.peek().cloned();
    let name = cursor.expect_name("a unit of time")?;
    let millis = match name.as_str() {
        "SECOND" => Some(1000),
        "MINUTE" => Some(60_000),
        "HOUR" => Some(3_600_000),
        "DAY" => Some(86_400_000),
        "MONTH" | "YEAR" => None,
        _ => {
            let at = at.expect("a name was read here");
            return Err(
                at.refuse(format!("unknown unit of time `{name}`"), "use SECOND, MINUTE, HOUR, DAY, MONTH or YEAR")
            );
        }
    };
    Ok((name, millis))
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
            rewritten.push(hidden(crate::schema::WINDOW_START));
            index += length;
            continue;
        }
        let qualified = index > 0 && tokens[index - 1].lexeme == Lexeme::Period;
        let qualifies = tokens.get(index + 1).is_some_and(|next| next.lexeme == Lexeme::Period);
        if token.name().as_deref() == Some(ROWTIME) && !qualified && !qualifies {
            rewritten.push(hidden(crate::schema::WINDOW_END));
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
