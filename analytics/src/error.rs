//! From what DataFusion says to what a user reads. The only file that knows what kinds of errors DataFusion has.

use datafusion::arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use model::query::engine::{Location, SqlError, SqlErrorKind};
use model::text::nearest::nearest;

use crate::place::Place;

/// Carries one of our errors through DataFusion.
pub(crate) fn through(error: SqlError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The data could not be read.
pub(crate) fn failed(doing: impl std::fmt::Display, cause: &dyn std::error::Error) -> SqlError {
    SqlError::new(SqlErrorKind::Failed, format!("{doing}: {cause}"))
}

/// Our own error if `error` carries one, else that `doing` failed.
pub(crate) fn carried_or_failed(doing: String, error: &DataFusionError) -> SqlError {
    carried(error).unwrap_or_else(|| failed(doing, error))
}

/// A name that a query uses and no table has.
pub(crate) struct MissingColumn<'a> {
    pub(crate) name: &'a str,
    /// The columns that there are.
    pub(crate) known: Vec<&'a str>,
}

impl MissingColumn<'_> {
    /// What `error` says is missing, if that is what it says.
    pub(crate) fn of(error: &DataFusionError) -> Option<MissingColumn<'_>> {
        let DataFusionError::SchemaError(schema, _) = error.find_root() else { return None };
        let SchemaError::FieldNotFound { field, valid_fields } = schema.as_ref() else { return None };
        Some(MissingColumn {
            name: &field.name,
            known: valid_fields.iter().map(|column| column.name.as_str()).collect(),
        })
    }
}

/// Translates an error of DataFusion. `locate` finds where a name stands in the query's text.
pub(crate) fn translate(error: &DataFusionError, locate: impl Fn(&str) -> Option<Place>) -> SqlError {
    if let Some(ours) = carried(error) {
        return ours;
    }
    let invalid = |message: String| SqlError::new(SqlErrorKind::Invalid, message);
    if let Some(missing) = MissingColumn::of(error) {
        let place = locate(missing.name);
        let spelling = place.as_ref().map_or(missing.name, |place| &place.spelling);
        let mut error = invalid(format!("column `{spelling}` does not exist"));
        error.location = place.map(|place| place.location);
        error.suggestion = suggestion(missing.name, missing.known.into_iter());
        return error;
    }
    match error.find_root() {
        DataFusionError::SQL(parser, _) => syntax(parser),
        DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
            SchemaError::AmbiguousReference { field } => {
                let mut error = invalid(format!("column `{}` is in more than one table", field.name));
                error.location = locate(&field.name).map(|place| place.location);
                error.suggestion = Some("put the table's name before it".to_owned());
                error
            }
            other => invalid(other.to_string()),
        },
        DataFusionError::ResourcesExhausted(message) => SqlError::new(SqlErrorKind::LimitExceeded, first_line(message)),
        DataFusionError::Plan(message)
        | DataFusionError::NotImplemented(message)
        | DataFusionError::Execution(message)
        | DataFusionError::Configuration(message) => {
            SqlError { suggestion: offered(message), ..invalid(first_line(message)) }
        }
        DataFusionError::ArrowError(arrow, _) => match arrow.as_ref() {
            ArrowError::ExternalError(_) | ArrowError::IoError(..) | ArrowError::MemoryError(_) => {
                SqlError::new(SqlErrorKind::Failed, arrow.to_string())
            }
            wrong => invalid(wrong.to_string()),
        },
        other => SqlError::new(SqlErrorKind::Failed, first_line(&other.strip_backtrace())),
    }
}

/// Our own error, however deep DataFusion has wrapped it.
fn carried(error: &DataFusionError) -> Option<SqlError> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(ours) = error.downcast_ref::<SqlError>() {
            return Some(ours.clone());
        }
        if let Some(DataFusionError::External(inner)) = error.downcast_ref::<DataFusionError>()
            && let Some(ours) = inner.downcast_ref::<SqlError>()
        {
            return Some(ours.clone());
        }
        if let Some(DataFusionError::Shared(inner)) = error.downcast_ref::<DataFusionError>() {
            return carried(inner);
        }
        next = error.source();
    }
    None
}

/// The closest of `names`, as advice; the list of them when nothing is close and they are few.
pub(crate) fn suggestion<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    /// Names that fit into an error.
    const NAMES_SHOWN_MAX: usize = 20;
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    match nearest(wanted, names.iter().copied()) {
        Some(name) => Some(format!("did you mean `{name}`?")),
        None if (1..=NAMES_SHOWN_MAX).contains(&names.len()) => {
            Some(format!("the columns are `{}`", names.join("`, `")))
        }
        None => None,
    }
}

/// How deep the parser goes; it says so by an error that has no text.
const PARSER_LEVELS_MAX: usize = 50;

/// A parser's error; it carries its place as text: `.. at Line: 1, Column: 8`.
pub(crate) fn syntax(error: &ParserError) -> SqlError {
    let (ParserError::TokenizerError(text) | ParserError::ParserError(text)) = error else {
        let message = format!("the query is nested more than {PARSER_LEVELS_MAX} levels deep");
        return SqlError::new(SqlErrorKind::LimitExceeded, message);
    };
    let (message, place) = match text.rsplit_once(" at Line: ") {
        Some((message, place)) => (message, Some(place)),
        None => (text.as_str(), None),
    };
    let location = place.and_then(|place| place.split_once(", Column: ")).and_then(|(line, column)| {
        Some(Location { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? })
    });
    SqlError { location, ..SqlError::new(SqlErrorKind::Invalid, fragment(message)) }
}

/// What DataFusion suggests on the line after its message: `Did you mean 'sum'?`.
fn offered(message: &str) -> Option<String> {
    let line = message.lines().nth(1).filter(|line| line.starts_with("Did you mean "))?;
    Some(fragment(line).replace('\'', "`"))
}

fn first_line(message: &str) -> String {
    fragment(message.lines().next().unwrap_or_default())
}

/// As our messages are: a lowercase beginning unless it is a name in capitals.
fn fragment(message: &str) -> String {
    let mut chars = message.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => message.to_owned(),
    }
}
