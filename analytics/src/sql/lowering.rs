//! A tree of a dialect on its way to one that DataFusion plans: what its names mean.

use datafusion::sql::sqlparser::ast::{Expr, ObjectNamePart, Query, Select, SetExpr};
use model::query::engine::SqlError;

use crate::sql::declarations::StreamDeclaration;
use crate::sql::dialect::Dialect;
use crate::sql::expressions::{Rewriter, Windows};
use crate::sql::from::{source_of, take_windows};
use crate::sql::refuse::check_expression;
use crate::sql::schema::{ROWTIME, SYSTEM_COLUMNS, SqlColumn};
use crate::sql::script::Script;
use crate::sql::tokens::Token;
use crate::sql::tree::column;

/// A query being rewritten.
pub(super) struct Lowering<'a> {
    pub(super) tokens: &'a [Token],
    pub(super) dialect: Dialect,
    pub(super) source: String,
    pub(super) declaration: Option<&'a StreamDeclaration>,
    pub(super) columns: Option<Vec<SqlColumn>>,
    pub(super) system_columns: Vec<&'static str>,
}

impl<'a> Lowering<'a> {
    pub(super) fn new(
        tokens: &'a [Token],
        script: &'a Script,
        columns: Option<&[SqlColumn]>,
        select: &Select,
    ) -> Result<Lowering<'a>, SqlError> {
        let mut inner = select.clone();
        take_windows(&mut inner)?;
        let end = || tokens.last().expect("a query has tokens");
        let source = source_of(&inner.from).and_then(|name| name.0.last()).and_then(ObjectNamePart::as_ident);
        let source = source
            .map(|name| name.value.clone())
            .ok_or_else(|| end().refuse("the query reads no stream", "write FROM and the stream's name"))?;
        let declaration = script.stream(&source);
        if script.dialect == Dialect::Flink && declaration.is_none() {
            let at = tokens.iter().find(|token| token.name().as_deref() == Some(&source)).unwrap_or_else(end);
            return Err(at.refuse(format!("table `{source}` is not created"), "write CREATE TABLE before the query"));
        }
        let declared = declaration.map(|declaration| declaration.columns.as_slice());
        let columns = declared.or(columns).map(<[SqlColumn]>::to_vec);
        let is_named = |name: &str| tokens.iter().any(|token| token.name().as_deref() == Some(name));
        let is_own = |name: &str| columns.iter().flatten().any(|column| column.name == name);
        let system_columns = SYSTEM_COLUMNS.into_iter().filter(|name| is_named(name) && !is_own(name)).collect();
        Ok(Lowering { tokens, dialect: script.dialect, source, declaration, columns, system_columns })
    }

    /// Expressions over rows, or over the results of windows.
    pub(super) fn rewriter<'w>(&self, windows: Option<&'w Windows>) -> Rewriter<'w> {
        let times = self.declaration.iter().flat_map(|declaration| &declaration.processing_times);
        let mut names: Vec<(String, Expr)> = times.map(|name| (name.clone(), column(ROWTIME))).collect();
        let computed = self.declaration.iter().flat_map(|declaration| &declaration.computed);
        names.extend(computed.map(|(name, expr)| (name.clone(), Expr::Nested(Box::new(expr.clone())))));
        Rewriter { dialect: self.dialect, windows, names, aggregates: 0 }
    }

    /// An expression over rows.
    pub(super) fn over_rows(&self, expr: &Expr) -> Result<Expr, SqlError> {
        check_expression(expr)?;
        self.rewriter(None).rewrite(expr)
    }

    /// An expression over results, in which the select list's own names may stand.
    pub(super) fn over_results(
        &self,
        expr: &Expr,
        items: &[(Expr, Option<String>)],
        windows: Option<&Windows>,
    ) -> Result<Expr, SqlError> {
        check_expression(expr)?;
        let mut rewriter = self.rewriter(windows);
        let is_own = |name: &str| self.columns.iter().flatten().any(|column| column.name == name);
        let named = items.iter().filter_map(|(expr, alias)| Some((alias.clone()?, expr.clone())));
        rewriter.names.extend(named.filter(|(name, _)| !is_own(name)));
        rewriter.rewrite(expr)
    }
}

/// A query of nothing but this.
pub(super) fn query_of(select: Select) -> Query {
    Query {
        with: None,
        body: Box::new(SetExpr::Select(Box::new(select))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}
