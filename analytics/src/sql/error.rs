//! DataFusion's errors in the words of the query's author.

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use model::query::engine::{SqlError, SqlErrorKind};
use model::text::nearest::nearest;

use crate::sql::rewrite::WindowedSelect;

/// A planning error with the place of the name it is about, and a name that is near.
pub(crate) fn sql_error(error: &DataFusionError, select: &WindowedSelect) -> SqlError {
    if let DataFusionError::SchemaError(schema, _) = error.find_root()
        && let SchemaError::FieldNotFound { field, valid_fields } = &**schema
    {
        let names = valid_fields.iter().map(|field| field.name.as_str()).filter(|name| !name.starts_with("__"));
        return SqlError {
            location: select.place_of(&field.name),
            suggestion: nearest(&field.name, names)
                .map(|name| format!("did you mean \"{name}\"? Unquoted names are upper case")),
            ..SqlError::new(SqlErrorKind::Invalid, format!("no column `{}` in stream `{}`", field.name, select.source))
        };
    }
    SqlError {
        location: select.tokens.first().map(|token| token.at),
        ..SqlError::new(SqlErrorKind::Invalid, error.strip_backtrace())
    }
}
