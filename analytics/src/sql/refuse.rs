//! What neither dialect can have in a continuous query, or this engine has not: each is refused by name, with what to write
//! instead.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Query, Select, SetExpr, Visit, Visitor};
use model::query::engine::SqlError;

use crate::sql::tokens::Token;
use crate::sql::window_call::{name_of, refuse};

/// Aggregates whose state depends on how rows came.
const NOT_MERGEABLE: [&str; 3] = ["APPROX_MEDIAN", "APPROX_PERCENTILE_CONT", "APPROX_PERCENTILE_CONT_WITH_WEIGHT"];

/// The one SELECT of a query.
pub(crate) fn only_select(query: Query, tokens: &[Token]) -> Result<Select, SqlError> {
    let at = |words: &[&str]| {
        let token = tokens.iter().find(|token| words.iter().any(|word| token.is(word))).or(tokens.first());
        token.expect("a query has tokens").clone()
    };
    if query.with.is_some() {
        return Err(at(&["WITH"])
            .refuse("WITH is not supported", "write the named query as a query of its own, into a stream of its own"));
    }
    if query.order_by.is_some() {
        return Err(at(&["ORDER"]).refuse("ORDER BY is not supported", "rows are ordered by window, then by key"));
    }
    if query.limit_clause.is_some() || query.fetch.is_some() {
        return Err(at(&["LIMIT", "OFFSET", "FETCH"])
            .refuse("LIMIT is not supported: a stream has no end", "filter with HAVING"));
    }
    match *query.body {
        SetExpr::Select(select) => {
            plain(&select, tokens)?;
            Ok(*select)
        }
        SetExpr::Query(inner) => only_select(*inner, tokens),
        SetExpr::SetOperation { .. } => Err(at(&["UNION", "EXCEPT", "INTERSECT"])
            .refuse("set operations are not supported", "write one query per part, all into the same stream")),
        _ => Err(at(&["VALUES"]).refuse("a continuous query reads a stream", "write SELECT .. FROM a stream")),
    }
}

/// Refuses clauses and functions that are missing.
fn plain(select: &Select, tokens: &[Token]) -> Result<(), SqlError> {
    let at = |words: &[&str]| {
        let token = tokens.iter().find(|token| words.iter().any(|word| token.is(word))).or(tokens.first());
        token.expect("a query has tokens").clone()
    };
    if select.distinct.is_some() {
        return Err(at(&["DISTINCT"]).refuse("SELECT DISTINCT is not supported", "name the columns in GROUP BY"));
    }
    let joined = select.from.iter().any(|table| !table.joins.is_empty());
    if joined || select.from.len() > 1 {
        let place = if joined { at(&["JOIN"]) } else { comma_of_from(tokens).unwrap_or_else(|| at(&["FROM"])) };
        return Err(place.refuse(
            "JOIN is not supported",
            "name one stream after FROM: write one query per stream, and join their outputs with ad hoc SQL",
        ));
    }
    let others = [
        (select.qualify.is_some(), "QUALIFY"),
        (select.into.is_some(), "INTO"),
        (select.top.is_some(), "TOP"),
        (!select.lateral_views.is_empty(), "LATERAL"),
        (select.prewhere.is_some(), "PREWHERE"),
        (!select.connect_by.is_empty(), "CONNECT"),
        (!select.cluster_by.is_empty(), "CLUSTER"),
        (!select.distribute_by.is_empty(), "DISTRIBUTE"),
        (!select.sort_by.is_empty(), "SORT"),
    ];
    if let Some((_, word)) = others.into_iter().find(|(is_there, _)| *is_there) {
        return Err(at(&[word]).refuse(format!("{word} is not supported"), "leave it out"));
    }
    Ok(())
}

fn comma_of_from(tokens: &[Token]) -> Option<Token> {
    use datafusion::sql::sqlparser::tokenizer::Token as Lexeme;
    let from = tokens.iter().position(|token| token.is("FROM"))?;
    tokens[from..].iter().find(|token| token.lexeme == Lexeme::Comma).cloned()
}

/// Refuses expressions that are missing: sub-queries, OVER, aggregates that cannot be kept in a checkpoint.
pub(crate) fn check_expression(expr: &Expr) -> Result<(), SqlError> {
    check(expr, false)
}

/// The same for the select list, where OVER may stand.
pub(crate) fn check_item(expr: &Expr) -> Result<(), SqlError> {
    check(expr, true)
}

fn check(expr: &Expr, over_is_allowed: bool) -> Result<(), SqlError> {
    struct Missing {
        over_is_allowed: bool,
    }
    impl Visitor for Missing {
        type Break = SqlError;

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<SqlError> {
            match expr {
                Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. } => ControlFlow::Break(refuse(
                    expr,
                    "sub-queries are supported in FROM only",
                    "write the inner query into a stream of its own",
                )),
                Expr::Function(function) if function.over.is_some() && !self.over_is_allowed => {
                    ControlFlow::Break(refuse(
                        expr,
                        "sliding windows (OVER) stand in the select list only",
                        "compute it in a query of its own, and filter its stream",
                    ))
                }
                Expr::Function(function) if NOT_MERGEABLE.contains(&name_of(function).as_str()) => {
                    ControlFlow::Break(refuse(
                        expr,
                        "this aggregate is not supported: its state does not fit into a checkpoint",
                        "use median(..), or min, max and avg",
                    ))
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    match expr.visit(&mut Missing { over_is_allowed }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}
