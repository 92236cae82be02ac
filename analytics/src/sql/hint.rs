//! What was probably meant where a query cannot be read.

use model::query::engine::SqlError;
use model::text::nearest::nearest;

use crate::sql::interval::UNITS;
use crate::sql::tokens::Token;

/// Words of both dialects that are often misspelt.
const KEYWORDS: [&str; 46] = [
    "SELECT",
    "STREAM",
    "FROM",
    "WHERE",
    "GROUP",
    "BY",
    "HAVING",
    "AND",
    "OR",
    "NOT",
    "IN",
    "BETWEEN",
    "LIKE",
    "ESCAPE",
    "IS",
    "NULL",
    "TRUE",
    "FALSE",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "CAST",
    "AS",
    "INTERVAL",
    "SECOND",
    "MINUTE",
    "HOUR",
    "DAY",
    "MONTH",
    "YEAR",
    "TO",
    "FLOOR",
    "CEIL",
    "STEP",
    "WINDOWED",
    "STAGGER",
    "PARTITION",
    "RANGE",
    "DISTINCT",
    "TIMESTAMP",
    "TABLE",
    "DESCRIPTOR",
    "INSERT",
    "INTO",
];
/// Tokens before the place of an error in which its cause may be: `GROUPP BY` is a name first, and fails at `BY`.
const LOOK_BACK: usize = 3;

/// The error, with the keyword that was probably meant near its place.
pub(crate) fn with_keyword(error: SqlError, tokens: &[Token]) -> SqlError {
    let Some(at) = error.location.filter(|_| error.suggestion.is_none()) else { return error };
    let place = tokens.iter().position(|token| token.at == at).unwrap_or(tokens.len());
    if let Some(unit) = wrong_unit(tokens, place) {
        return unit;
    }
    let from = place.saturating_sub(LOOK_BACK);
    let misspelt = tokens[from..tokens.len().min(place + 1)].iter().rev().find_map(|token| {
        let word = token.word()?.to_uppercase();
        let is_right = KEYWORDS.contains(&word.as_str());
        let meant = nearest(&word, KEYWORDS).filter(|_| !is_right && word.len() > 1)?;
        Some((token, meant))
    });
    match misspelt {
        Some((token, meant)) => SqlError {
            location: Some(token.at),
            suggestion: Some(format!("did you mean `{meant}` in place of `{}`?", token.lexeme)),
            ..error
        },
        None => error,
    }
}

/// `INTERVAL '1' FORTNIGHT`.
fn wrong_unit(tokens: &[Token], place: usize) -> Option<SqlError> {
    let (token, before) = (tokens.get(place)?, tokens.get(place.checked_sub(2)?)?);
    let word = token.word().filter(|_| before.is("INTERVAL"))?;
    let units = ["SECOND", "MINUTE", "HOUR", "DAY", "MONTH", "YEAR"];
    let suggestion = match nearest(word, units) {
        Some(unit) => format!("did you mean `{unit}`?"),
        None => format!("use {UNITS}"),
    };
    Some(token.refuse(format!("unknown unit of time `{word}`"), suggestion))
}
