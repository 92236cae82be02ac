//! Where a name stands in a query's text.

use datafusion::sql::sqlparser::ast::Ident;
use model::query::engine::Location;

/// A name as the text has it, and where.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Its spelling.
    pub(super) spelling: String,
    /// Its first letter.
    pub(super) location: Location,
}

/// Where a name stands, if the parser knows.
pub(super) fn location_of(ident: &Ident) -> Option<Location> {
    let start = ident.span.start;
    (0 < start.line).then_some(Location { line: start.line, column: start.column })
}
