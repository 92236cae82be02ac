//! DataFusion's errors in the words of the query's author.

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use model::query::engine::{SqlError, SqlErrorKind};

use super::rewrite::WindowedSelect;

/// A planning error with the place of the name it is about, and a name that is near.
pub(crate) fn sql_error(error: &DataFusionError, select: &WindowedSelect) -> SqlError {
    const NEAR: f64 = 0.7;
    if let DataFusionError::SchemaError(schema, _) = error.find_root()
        && let SchemaError::FieldNotFound { field, valid_fields } = &**schema
    {
        let names = valid_fields.iter().map(|field| field.name.as_str()).filter(|name| !name.starts_with("__"));
        let nearest = names
            .map(|name| (strsim::jaro(&name.to_lowercase(), &field.name.to_lowercase()), name))
            .filter(|(likeness, _)| *likeness >= NEAR)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        return SqlError {
            location: select.place_of(&field.name),
            suggestion: nearest.map(|(_, name)| format!("did you mean \"{name}\"? Unquoted names are upper case")),
            ..SqlError::new(SqlErrorKind::Invalid, format!("no column `{}` in stream `{}`", field.name, select.source))
        };
    }
    SqlError {
        location: select.tokens.first().map(|token| token.at),
        ..SqlError::new(SqlErrorKind::Invalid, error.strip_backtrace())
    }
}
