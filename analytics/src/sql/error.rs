//! DataFusion's errors in the words of the query's author.

use datafusion::error::DataFusionError;
use model::query::engine::{SqlError, SqlErrorKind};
use model::text::nearest::nearest;

use crate::error::{MissingColumn, translate};
use crate::sql::query::StreamQuery;

/// A planning error with the place of the name it is about, and a name that is near.
pub(crate) fn sql_error(error: &DataFusionError, select: &StreamQuery) -> SqlError {
    if let Some(missing) = MissingColumn::of(error) {
        let names = missing.known.into_iter().filter(|name| !name.starts_with("__"));
        return SqlError {
            location: select.place_of(missing.name),
            suggestion: nearest(missing.name, names)
                .map(|name| format!("did you mean \"{name}\"? Unquoted names are upper case")),
            ..SqlError::new(
                SqlErrorKind::Invalid,
                format!("no column `{}` in stream `{}`", missing.name, select.source),
            )
        };
    }
    if let DataFusionError::Plan(message) = error.find_root()
        && let Some(rest) = message.strip_prefix("Invalid function '")
        && let Some((name, _)) = rest.split_once('\'')
    {
        return unknown_function(name, message, select);
    }
    let translated = translate(error, |_| None);
    SqlError { location: translated.location.or(select.tokens.first().map(|token| token.at)), ..translated }
}

/// A function that the engine does not know, at its place, as the text spells it.
fn unknown_function(name: &str, message: &str, select: &StreamQuery) -> SqlError {
    let token = select.tokens.iter().find(|token| token.word().is_some_and(|word| word.eq_ignore_ascii_case(name)));
    let is_upper = token.and_then(|token| token.word()).is_some_and(|word| word.chars().all(|c| !c.is_lowercase()));
    let spelt = |name: &str| if is_upper { name.to_uppercase() } else { name.to_owned() };
    let near = message.split_once("Did you mean '").and_then(|(_, rest)| rest.split_once('\''));
    SqlError {
        location: token.or(select.tokens.first()).map(|token| token.at),
        suggestion: near.map(|(near, _)| format!("did you mean `{}`?", spelt(near))),
        ..SqlError::new(SqlErrorKind::Invalid, format!("function `{}` does not exist", spelt(name)))
    }
}
