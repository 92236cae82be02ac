//! Where a name stands in a query's text.

use datafusion::sql::sqlparser::ast::Ident;
use model::query::engine::Location;

/// A name as the text has it, and where.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) spelling: String,
    /// Its first letter.
    pub(crate) location: Location,
}

/// Where a name stands, if the parser knows.
pub(crate) fn location_of(ident: &Ident) -> Option<Location> {
    let start = ident.span.start;
    (0 < start.line).then_some(Location { line: start.line, column: start.column })
}
