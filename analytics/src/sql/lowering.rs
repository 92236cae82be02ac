//! A tree of the dialect becomes one that DataFusion plans.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Expr, ObjectNamePart, Query, Select, SelectItem, SetExpr, Statement};
use model::query::engine::SqlError;

use crate::sql::dialect::Dialect;
use crate::sql::expressions::{Rewriter, Windows, column};
use crate::sql::from::source_of;
use crate::sql::over::sliding;
use crate::sql::query::StreamQuery;
use crate::sql::refuse::check_expression;
use crate::sql::results::{Results, take_windows};
use crate::sql::schema::{PARTITION_KEY, ROWTIME, SYSTEM_COLUMNS, SqlColumn};
use crate::sql::select_list::{SelectList, aliased};
use crate::sql::statements::{Script, StreamDeclaration};
use crate::sql::tokens::Token;
use crate::window::kind::WindowKind;
use crate::window::sliding::{Frames, ORDER};

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

    /// The query that DataFusion plans.
    pub(super) fn lower(self, select: Select) -> Result<StreamQuery, SqlError> {
        match self.results(select.clone())? {
            Some(results) => Ok(self.of_windows(results)),
            None => self.of_rows(select),
        }
    }

    /// A query that groups rows by windows.
    fn of_windows(self, results: Results) -> StreamQuery {
        let (kind, names) = (results.windows.kind, results.names.clone());
        let system_columns = self.system_columns.clone();
        self.query(results.outermost(), Some(kind), None, system_columns, names, false)
    }

    /// A query that makes a row of each row.
    fn of_rows(self, mut select: Select) -> Result<StreamQuery, SqlError> {
        let sliding = sliding(&mut select, self.dialect, |time| self.check_time(time).is_ok())?;
        let SelectList { items, names, waits_for_columns } = self.select_list(&select, true)?;
        let hidden = self.hidden(false, sliding.is_some());
        for table in &mut select.from {
            self.pass_through(&mut table.relation, &hidden)?;
        }
        select.selection = select.selection.map(|filter| self.over_rows(&filter)).transpose()?;
        let rewritten = |expr: &Expr| self.rewriter(None).rewrite(expr);
        let mut projection = Vec::with_capacity(items.len() + 2);
        for (index, (expr, _)) in items.iter().enumerate() {
            projection.push(aliased(rewritten(expr)?, format!("__c{index}")));
        }
        projection.push(aliased(column(ROWTIME), "__time".to_owned()));
        projection.push(aliased(column(PARTITION_KEY), "__key0".to_owned()));
        if let Some(sliding) = &sliding {
            projection.push(SelectItem::UnnamedExpr(column(ORDER)));
            for (place, rank) in sliding.ranks.iter().enumerate() {
                projection.push(aliased(rewritten(rank)?, format!("__rank{place}")));
            }
        }
        select.projection = projection;
        let mut system_columns = self.system_columns.clone();
        let is_own = self.columns.iter().flatten().any(|column| column.name == PARTITION_KEY);
        if !is_own && !system_columns.contains(&PARTITION_KEY) {
            system_columns.push(PARTITION_KEY);
        }
        let frames = sliding.map(|sliding| sliding.frames);
        Ok(self.query(select, None, frames, system_columns, names, waits_for_columns))
    }

    fn query(
        self,
        select: Select,
        windows: Option<WindowKind>,
        sliding: Option<Frames>,
        system_columns: Vec<&'static str>,
        names: Vec<String>,
        waits_for_columns: bool,
    ) -> StreamQuery {
        let statement = Statement::Query(Box::new(query_of(select)));
        StreamQuery {
            dialect: self.dialect,
            source: self.source,
            windows,
            sliding,
            text: statement.to_string(),
            statement: Arc::new(statement),
            names,
            system_columns,
            waits_for_columns,
            tokens: self.tokens.to_vec(),
        }
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
