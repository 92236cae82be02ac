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

use datafusion::sql::sqlparser::ast::{Expr, Select, SelectItem, Statement};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token as Lexeme;
use model::query::engine::{Location, SqlError, SqlErrorKind};

use crate::error::syntax;
use crate::sql::dialect::Dialect;
use crate::sql::hint::with_keyword;
use crate::sql::lowering::{Lowering, query_of};
use crate::sql::over::sliding;
use crate::sql::refuse::only_select;
use crate::sql::respell::respell;
use crate::sql::results::Results;
use crate::sql::schema::{PARTITION_KEY, ROWTIME, SqlColumn};
use crate::sql::script::Script;
use crate::sql::select_list::{SelectList, aliased};
use crate::sql::tokens::Token;
use crate::sql::tree::column;
use crate::stack::with_large_stack;
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
        if end.token != Lexeme::EOF {
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

impl Lowering<'_> {
    /// The query that DataFusion plans.
    fn lower(self, select: Select) -> Result<StreamQuery, SqlError> {
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
}
