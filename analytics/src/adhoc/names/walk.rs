//! One walk over a parsed statement, shared by all that look at its names.
//!
//! sqlparser's walk is generic over the visitor, and each visitor would get a copy of the code for every kind of
//! node. Here the visitor is behind a pointer, so that code is compiled once.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Query, Select, Statement, TableFactor, VisitMut, VisitorMut};
use model::query::engine::SqlError;

/// What wants to see the parts of a statement. Each part is seen before what is inside it; the first error ends the
/// walk.
pub(crate) trait Walker {
    /// A query or subquery.
    fn query(&mut self, _query: &mut Query) -> Result<(), SqlError> {
        Ok(())
    }

    /// One SELECT of a query.
    fn select(&mut self, _select: &mut Select) -> Result<(), SqlError> {
        Ok(())
    }

    /// A table, subquery or function in FROM.
    fn table_factor(&mut self, _factor: &mut TableFactor) -> Result<(), SqlError> {
        Ok(())
    }

    /// An expression.
    fn expr(&mut self, _expr: &mut Expr) -> Result<(), SqlError> {
        Ok(())
    }
}

/// Shows `walker` all parts of `statement`.
pub(crate) fn walk(statement: &mut Statement, walker: &mut dyn Walker) -> Result<(), SqlError> {
    match statement.visit(&mut Visit(walker)) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Visit<'a>(&'a mut dyn Walker);

impl VisitorMut for Visit<'_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        flow(self.0.query(query))
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        flow(self.0.select(select))
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        flow(self.0.table_factor(factor))
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        flow(self.0.expr(expr))
    }
}

fn flow(result: Result<(), SqlError>) -> ControlFlow<SqlError> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}
