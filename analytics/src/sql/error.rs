//! DataFusion's errors in the words of the query's author.

use datafusion::error::DataFusionError;
use model::query::engine::{SqlError, SqlErrorKind};
use model::text::nearest::nearest;

use crate::error::{MissingColumn, translate};
use crate::sql::rewrite::WindowedSelect;

/// A planning error with the place of the name it is about, and a name that is near.
pub(crate) fn sql_error(error: &DataFusionError, select: &WindowedSelect) -> SqlError {
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
    let translated = translate(error, |_| None);
    SqlError { location: translated.location.or(select.tokens.first().map(|token| token.at)), ..translated }
}
