//! A query as DataFusion plans it, and the windows that its rows are put into before.
//!
//! ```text
//! SELECT STREAM "Name", ROWTIME, SUM("Distance") FROM "S" GROUP BY FLOOR("S".ROWTIME TO MINUTE), "Name"
//!    ▼
//! SELECT "Name" AS "__c0", "__window_end" AS "__c1", sum("Distance") AS "__c2",   the user's columns
//!        "__window_end" AS "__time", "Name" AS "__key0"                           the time and the keys of a row
//! FROM "S" GROUP BY "__window_start", "__window_end", "Name"                      windows of a minute
//! ```
//!
//! Without GROUP BY a query makes a row of each row: it has no windows, its time is that of the row it is made of, and its
//! key is that row's partition key.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Ident, ObjectNamePart, Query, Select, SelectItem, SetExpr, Spanned, Statement, TableFactor,
    Value,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use model::query::engine::{Location, SqlError, SqlErrorKind};

use crate::error::syntax;
use crate::sql::dialect::Dialect;
use crate::sql::expressions::{Rewriter, Windows, column, is_aggregate, is_rowtime};
use crate::sql::from::{TableWindows, source_of, table_windows};
use crate::sql::hint::with_keyword;
use crate::sql::over::sliding;
use crate::sql::refuse::{check_expression, check_item, only_select};
use crate::sql::respell::respell;
use crate::sql::schema::{PARTITION_KEY, ROWTIME, SYSTEM_COLUMNS, SqlColumn};
use crate::sql::statements::{Script, StreamDeclaration};
use crate::sql::tokens::Token;
use crate::sql::window_call::{WindowCall, aws, flink_group, refuse};
use crate::stack::with_large_stack;
use crate::window::assigner::{WINDOW_END, WINDOW_START};
use crate::window::kind::WindowKind;
use crate::window::sliding::{Frames, ORDER};

/// How deep the parser goes; [`crate::depth`] refuses what nests deeper before.
const RECURSION_MAX: usize = 1000;

/// A query, checked and rewritten.
#[derive(Debug, Clone)]
pub(crate) struct StreamQuery {
    /// How it is written: functions answer as their dialect says.
    pub(crate) dialect: Dialect,
    /// The stream it reads, by its SQL name.
    pub(crate) source: String,
    /// What rows are grouped by; none where each row makes a row.
    pub(crate) windows: Option<WindowKind>,
    /// What rows see of those before them; none where no row sees any.
    pub(crate) sliding: Option<Frames>,
    /// What DataFusion plans: the user's columns, the row's time, the keys.
    pub(crate) statement: Arc<Statement>,
    /// The same as text.
    pub(crate) text: String,
    /// The names of the user's columns.
    pub(crate) names: Vec<String>,
    /// The columns it uses that records have beside their data.
    pub(crate) system_columns: Vec<&'static str>,
    /// Whether it selects all columns and these are not known yet.
    pub(crate) waits_for_columns: bool,
    /// The query's own tokens, to find the place of an error.
    pub(crate) tokens: Vec<Token>,
}

impl StreamQuery {
    /// Checks and rewrites the tokens from `SELECT` on. `columns` are the source's where nothing declares them.
    pub(crate) fn new(
        tokens: &[Token],
        script: &Script,
        columns: Option<&[SqlColumn]>,
    ) -> Result<StreamQuery, SqlError> {
        let read = with_large_stack(|| StreamQuery::read(tokens, script, columns));
        read.map_err(|error| SqlError::new(SqlErrorKind::Failed, format!("a thread for the query: {error}")))?
    }

    fn read(tokens: &[Token], script: &Script, columns: Option<&[SqlColumn]>) -> Result<StreamQuery, SqlError> {
        let mut parser = Parser::new(&GenericDialect {})
            .with_tokens_with_locations(respell(tokens, script.dialect)?)
            .with_recursion_limit(RECURSION_MAX);
        let query = parser.parse_query().map_err(|error| with_keyword(syntax(&error), tokens))?;
        let end = parser.peek_token();
        if end.token != datafusion::sql::sqlparser::tokenizer::Token::EOF {
            let token = tokens
                .iter()
                .find(|token| token.at.line == end.span.start.line && token.at.column == end.span.start.column);
            let at = token.or(tokens.last()).expect("a query has tokens");
            let error = with_keyword(at.refuse(format!("`{}` cannot stand here", at.lexeme), ""), tokens);
            let advice = || "end the statement before it with `;`".to_owned();
            return Err(SqlError { suggestion: Some(error.suggestion.unwrap_or_else(advice)), ..error });
        }
        let select = only_select(*query, tokens)?;
        Lowering::new(tokens, script, columns, &select)?.lower(select)
    }

    /// Where a name stands in the query.
    pub(crate) fn place_of(&self, name: &str) -> Option<Location> {
        self.tokens.iter().find(|token| token.name().as_deref() == Some(name)).map(|token| token.at)
    }
}

/// A query being rewritten.
struct Lowering<'a> {
    tokens: &'a [Token],
    dialect: Dialect,
    source: String,
    declaration: Option<&'a StreamDeclaration>,
    columns: Option<Vec<SqlColumn>>,
    system_columns: Vec<&'static str>,
}

impl<'a> Lowering<'a> {
    fn new(
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
    fn rewriter<'w>(&self, windows: Option<&'w Windows>) -> Rewriter<'w> {
        let times = self.declaration.iter().flat_map(|declaration| &declaration.processing_times);
        let mut names: Vec<(String, Expr)> = times.map(|name| (name.clone(), column(ROWTIME))).collect();
        let computed = self.declaration.iter().flat_map(|declaration| &declaration.computed);
        names.extend(computed.map(|(name, expr)| (name.clone(), Expr::Nested(Box::new(expr.clone())))));
        Rewriter { dialect: self.dialect, windows, names, aggregates: 0 }
    }

    fn lower(self, mut select: Select) -> Result<StreamQuery, SqlError> {
        let made_by_table = take_windows(&mut select)?;
        for item in &select.projection {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                check_item(expr)?;
            }
        }
        let sliding = sliding(&mut select, self.dialect, |time| self.check_time(time).is_ok())?;
        let (kind, keys) = self.grouping(&select, made_by_table.as_ref())?;
        let windows = kind.map(|kind| Windows { kind, are_columns: made_by_table.is_some() });
        let (items, names, waits_for_columns) = self.select_list(&select, windows.as_ref())?;
        if let Some(group) = kind.and(sliding.as_ref()).and(Some(&select.group_by)) {
            return Err(refuse(
                group,
                "OVER and GROUP BY do not stand in one query",
                "write the grouping into a stream of its own, and slide over that stream",
            ));
        }
        let hidden = self.hidden(windows.is_some(), sliding.is_some());
        for table in &mut select.from {
            self.pass_through(&mut table.relation, &hidden)?;
        }
        select.selection = select.selection.map(|filter| self.over_rows(&filter)).transpose()?;
        select.having = select.having.map(|having| self.over_results(&having, &items, windows.as_ref())).transpose()?;
        let rewritten = |expr: &Expr| self.rewriter(windows.as_ref()).rewrite(expr);
        let mut projection = Vec::with_capacity(items.len() + 2);
        for (index, (expr, _)) in items.iter().enumerate() {
            projection.push(aliased(rewritten(expr)?, format!("__c{index}")));
        }
        match &windows {
            Some(_) => {
                projection.push(aliased(column(WINDOW_END), "__time".to_owned()));
                let keyed = keys.iter().enumerate();
                projection.extend(keyed.map(|(index, key)| aliased(key.clone(), format!("__key{index}"))));
                let bounds = [WINDOW_START, WINDOW_END].map(column);
                select.group_by = GroupByExpr::Expressions(bounds.into_iter().chain(keys).collect(), Vec::new());
            }
            None => {
                projection.push(aliased(column(ROWTIME), "__time".to_owned()));
                projection.push(aliased(column(PARTITION_KEY), "__key0".to_owned()));
            }
        }
        if let Some(sliding) = &sliding {
            projection.push(SelectItem::UnnamedExpr(column(ORDER)));
            for (place, rank) in sliding.ranks.iter().enumerate() {
                projection.push(aliased(rewritten(rank)?, format!("__rank{place}")));
            }
        }
        select.projection = projection;
        let mut system_columns = self.system_columns.clone();
        let is_own = self.columns.iter().flatten().any(|column| column.name == PARTITION_KEY);
        if windows.is_none() && !is_own && !system_columns.contains(&PARTITION_KEY) {
            system_columns.push(PARTITION_KEY);
        }
        let statement = Statement::Query(Box::new(query_of(select)));
        Ok(StreamQuery {
            dialect: self.dialect,
            source: self.source,
            windows: windows.map(|windows| windows.kind),
            sliding: sliding.map(|sliding| sliding.frames),
            text: statement.to_string(),
            statement: Arc::new(statement),
            names,
            system_columns,
            waits_for_columns,
            tokens: self.tokens.to_vec(),
        })
    }

    /// An expression over rows.
    fn over_rows(&self, expr: &Expr) -> Result<Expr, SqlError> {
        check_expression(expr)?;
        self.rewriter(None).rewrite(expr)
    }

    /// An expression over results, in which the select list's own names may stand.
    fn over_results(
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

    /// The windows of the query, and its other keys as DataFusion reads them.
    fn grouping(
        &self,
        select: &Select,
        made_by_table: Option<&TableWindows>,
    ) -> Result<(Option<WindowKind>, Vec<Expr>), SqlError> {
        let GroupByExpr::Expressions(group, modifiers) = &select.group_by else {
            return Err(refuse(&select.group_by, "GROUP BY ALL is not supported", "name the columns"));
        };
        if !modifiers.is_empty() {
            return Err(refuse(
                &select.group_by,
                "GROUP BY accepts no ROLLUP or CUBE here",
                "write one query for each",
            ));
        }
        let has_aggregates = select.projection.iter().any(item_aggregates) || select.having.is_some();
        if group.is_empty() && made_by_table.is_none() && !has_aggregates {
            return Ok((None, Vec::new()));
        }
        let mut kind = made_by_table.map(|found| found.windows);
        let (mut keys, mut bounds) = (Vec::new(), Vec::new());
        for item in group {
            check_expression(item)?;
            if matches!(item, Expr::Value(value) if matches!(value.value, Value::Number(..))) {
                return Err(refuse(item, "GROUP BY does not accept column numbers", "write the column's name"));
            }
            match self.window_of(item, made_by_table)? {
                Some(Found::Windows(found)) if kind.replace(found).is_some() => {
                    return Err(refuse(item, "GROUP BY has two windows", "keep one of them"));
                }
                Some(Found::Windows(_)) => {}
                Some(Found::Bound(name)) => bounds.push(name),
                None => keys.push(self.over_rows(item)?),
            }
        }
        match kind {
            Some(_) if made_by_table.is_some() && !bounds_are_keys(&bounds) => {
                let at = select.group_by.span().start;
                let token = self.tokens.iter().find(|token| token.at.line == at.line && token.at.column == at.column);
                let token = token.or(self.tokens.first()).expect("a query has tokens");
                Err(token.refuse("GROUP BY has no window_start and window_end", "add both to GROUP BY"))
            }
            Some(kind) => Ok((Some(kind), keys)),
            None => Err(self.no_window(group.first())),
        }
    }

    /// What a term of GROUP BY says about the window.
    fn window_of(&self, item: &Expr, made_by_table: Option<&TableWindows>) -> Result<Option<Found>, SqlError> {
        if made_by_table.is_some() {
            let name = match item {
                Expr::Identifier(name) => Some(name),
                Expr::CompoundIdentifier(names) => names.last(),
                _ => None,
            };
            let bound = ["window_start", "window_end", "window_time"].into_iter();
            return Ok(bound.into_iter().find(|bound| name.is_some_and(|name| name.value == *bound)).map(Found::Bound));
        }
        match self.dialect {
            Dialect::Aws => {
                let call = aws(item)?.filter(|call| call.time.as_ref().is_none_or(is_rowtime));
                Ok(call.map(|call| Found::Windows(call.windows)))
            }
            Dialect::Flink => match flink_group(item)? {
                Some(WindowCall { windows, time: Some(time), .. }) => {
                    self.check_time(&time)?;
                    Ok(Some(Found::Windows(windows)))
                }
                _ => Ok(None),
            },
        }
    }

    /// Flink's windows are of a time attribute.
    fn check_time(&self, time: &Expr) -> Result<(), SqlError> {
        let name = match time {
            Expr::Identifier(name) => Some(name),
            Expr::CompoundIdentifier(names) => names.last(),
            _ => None,
        };
        let is_time = |name: &Ident| self.declaration.is_none_or(|declared| declared.is_time(&name.value));
        if name.is_some_and(is_time) {
            return Ok(());
        }
        Err(refuse(
            time,
            format!("`{time}` is not a time attribute of table `{}`", self.source),
            "add WATERMARK FOR the column, or `c AS PROCTIME()`, to CREATE TABLE",
        ))
    }

    fn no_window(&self, at: Option<&Expr>) -> SqlError {
        let source = &self.source;
        let suggestion = match self.dialect {
            Dialect::Aws => format!(
                "add FLOOR(\"{source}\".ROWTIME TO MINUTE) or STEP(\"{source}\".ROWTIME BY INTERVAL '10' SECOND) to GROUP BY"
            ),
            Dialect::Flink => {
                "add TUMBLE(ts, INTERVAL '1' MINUTE) to GROUP BY, where ts is a time attribute".to_owned()
            }
        };
        let message = "GROUP BY has no window, so no row would ever be final";
        let error = at.map(|at| refuse(at, message, suggestion.clone()));
        match error.filter(|error| error.location.is_some()) {
            Some(error) => error,
            None => self.tokens.first().expect("a query has tokens").refuse(message, suggestion),
        }
    }

    /// The select list's expressions with their aliases, the names of its columns, and whether these are not known yet.
    #[expect(clippy::type_complexity, reason = "three parts of one list")]
    fn select_list(
        &self,
        select: &Select,
        windows: Option<&Windows>,
    ) -> Result<(Vec<(Expr, Option<String>)>, Vec<String>, bool), SqlError> {
        let (mut items, mut names, mut waits) = (Vec::new(), Vec::new(), false);
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    names.push(name_of_column(expr).unwrap_or_else(|| format!("EXPR${}", items.len())));
                    items.push((expr.clone(), None));
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    names.push(alias.value.clone());
                    items.push((expr.clone(), Some(alias.value.clone())));
                }
                SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) if windows.is_some() => {
                    return Err(refuse(item, "`*` is not supported with GROUP BY", "name the columns"));
                }
                SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => match self.all_columns(select) {
                    Some(all) => {
                        items.extend(all.iter().map(|name| (column(name), None)));
                        names.extend(all);
                    }
                    None => waits = true,
                },
                SelectItem::ExprWithAliases { .. } => {
                    return Err(refuse(item, "an expression has one alias", "write AS and one name"));
                }
            }
        }
        Ok((items, names, waits))
    }

    /// What `*` stands for, if that is known.
    fn all_columns(&self, select: &Select) -> Option<Vec<String>> {
        if let Some(TableFactor::Derived { subquery, .. }) = select.from.first().map(|table| &table.relation)
            && let SetExpr::Select(inner) = subquery.body.as_ref()
        {
            let (_, names, waits) = self.select_list(inner, None).ok()?;
            return (!waits).then_some(names);
        }
        let columns = self.columns.as_ref()?;
        let times = self.declaration.iter().flat_map(|declaration| declaration.processing_times.iter().cloned());
        Some(columns.iter().map(|column| column.name.clone()).filter(|name| name != ROWTIME).chain(times).collect())
    }

    /// Columns that sub-queries pass on though nobody selects them.
    fn hidden(&self, is_windowed: bool, is_sliding: bool) -> Vec<&'static str> {
        let own: &[&str] = match (is_windowed, is_sliding) {
            (true, _) => &[ROWTIME, WINDOW_START, WINDOW_END],
            (false, true) => &[ROWTIME, PARTITION_KEY, ORDER],
            (false, false) => &[ROWTIME, PARTITION_KEY],
        };
        let mut hidden = own.to_vec();
        hidden.extend(self.system_columns.iter().filter(|name| !own.contains(*name)));
        hidden
    }

    /// Makes a sub-query pass on the hidden columns of its rows.
    fn pass_through(&self, relation: &mut TableFactor, hidden: &[&'static str]) -> Result<(), SqlError> {
        let TableFactor::Derived { subquery, .. } = relation else { return Ok(()) };
        let mut select = only_select((**subquery).clone(), self.tokens)?;
        let GroupByExpr::Expressions(group, _) = &select.group_by else { return Err(self.no_window(None)) };
        if !group.is_empty() || select.projection.iter().any(item_aggregates) {
            return Err(refuse(
                &select,
                "a sub-query cannot aggregate",
                "write the inner query into a stream of its own, and read that stream",
            ));
        }
        for table in &mut select.from {
            self.pass_through(&mut table.relation, hidden)?;
        }
        select.selection = select.selection.map(|filter| self.over_rows(&filter)).transpose()?;
        let mut projection = Vec::new();
        let mut has_all = false;
        for item in &select.projection {
            projection.push(match item {
                SelectItem::UnnamedExpr(expr) => match name_of_column(expr) {
                    Some(name) => aliased(self.over_rows(expr)?, name),
                    None => aliased(self.over_rows(expr)?, format!("EXPR${}", projection.len())),
                },
                SelectItem::ExprWithAlias { expr, alias } => aliased(self.over_rows(expr)?, alias.value.clone()),
                other => {
                    has_all |= matches!(other, SelectItem::Wildcard(_));
                    other.clone()
                }
            });
        }
        let named: Vec<String> = projection.iter().filter_map(alias_of).collect();
        let missing = hidden.iter().filter(|name| !has_all && !named.iter().any(|known| known == *name));
        projection.extend(missing.map(|name| SelectItem::UnnamedExpr(column(name))));
        select.projection = projection;
        **subquery = query_of(select);
        Ok(())
    }
}

fn bounds_are_keys(bounds: &[&str]) -> bool {
    ["window_start", "window_end"].iter().all(|name| bounds.contains(name))
}

/// What a term of GROUP BY is.
enum Found {
    Windows(WindowKind),
    /// One of the columns that a table function adds.
    Bound(&'static str),
}

/// Takes a table function out of FROM, also of a sub-query's.
fn take_windows(select: &mut Select) -> Result<Option<TableWindows>, SqlError> {
    let Some(table) = select.from.first_mut() else { return Ok(None) };
    if let TableFactor::Derived { subquery, .. } = &mut table.relation {
        return match subquery.body.as_mut() {
            SetExpr::Select(inner) => take_windows(inner),
            _ => Ok(None),
        };
    }
    table_windows(&mut table.relation)
}

fn item_aggregates(item: &SelectItem) -> bool {
    use std::ops::ControlFlow;

    use datafusion::sql::sqlparser::ast::visit_expressions;
    let found = visit_expressions(item, |expr: &Expr| match is_aggregate(expr) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// The name of a column that is selected as it is.
fn name_of_column(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(name.value.clone()),
        Expr::CompoundIdentifier(names) => names.last().map(|name| name.value.clone()),
        _ => None,
    }
}

fn aliased(expr: Expr, name: String) -> SelectItem {
    SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', name) }
}

fn alias_of(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        _ => None,
    }
}

/// A query of nothing but this.
fn query_of(select: Select) -> Query {
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
