//! What a query's text says: the query, and the columns of the streams it reads and writes where they are declared.

use std::sync::Arc;

use model::query::engine::SqlError;

use crate::continuous::operator::Operator;
use crate::sql::declarations::Pump;
use crate::sql::dialect::Dialect;
use crate::sql::error::sql_error;
use crate::sql::query::StreamQuery;
use crate::sql::schema::SqlColumn;
use crate::sql::script::Script;
use crate::window::calendar::Tumbling;
use crate::window::kind::{Aligned, WindowKind};

/// The time that rows count under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RowTime {
    /// When their record arrived.
    Arrival,
    /// What a column says; rows may be so many milliseconds out of order.
    Column { name: String, delay: i64 },
}

/// The declared columns of a stream that is written, each with the place of its value in the select list.
pub(crate) type Target = Vec<(SqlColumn, Option<usize>)>;

/// What one query of a text says.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    pub(crate) pump: String,
    pub(crate) into: String,
    pub(crate) select: StreamQuery,
    /// The source's columns where they are declared.
    pub(crate) columns: Option<Vec<SqlColumn>>,
    pub(crate) time: RowTime,
    source: Named,
    output: Named,
    text: Arc<Text>,
    place: usize,
}

/// The stream that a name in the text stands for, where the text says so.
#[derive(Debug, Clone)]
struct Named(Option<String>);

/// The whole text, which several queries share.
#[derive(Debug)]
struct Text(Script);

impl Definition {
    /// Reads and checks all queries of a text. Without a dialect, it is that of the first statement.
    pub(crate) fn parse(sql: &str, dialect: Option<Dialect>) -> Result<Vec<Definition>, SqlError> {
        let text = Arc::new(Text(Script::parse(sql, dialect)?));
        (0..text.0.pumps.len()).map(|place| Definition::of(&text, place)).collect()
    }

    fn of(text: &Arc<Text>, place: usize) -> Result<Definition, SqlError> {
        let (script, pump) = (&text.0, &text.0.pumps[place]);
        let select = StreamQuery::new(&pump.query, script, None)?;
        if select.source == pump.into {
            return Err(pump.into_at.refuse("a query cannot read the stream it writes", "insert into another stream"));
        }
        let source = script.stream(&select.source);
        let columns = source.map(|declared| declared.columns.clone());
        let time = source.and_then(|declared| declared.watermark.clone());
        let time = time.map_or(RowTime::Arrival, |(name, delay)| RowTime::Column { name, delay });
        let stream_of = |name: &str| Named(script.stream(name).and_then(|declared| declared.stream.clone()));
        let definition = Definition {
            pump: pump.name.clone(),
            into: pump.into.clone(),
            source: stream_of(&select.source),
            output: stream_of(&pump.into),
            select,
            columns,
            time,
            text: Arc::clone(text),
            place,
        };
        if script.dialect == Dialect::Flink && script.stream(&pump.into).is_none() {
            let message = format!("table `{}` is not created", pump.into);
            return Err(pump.into_at.refuse(message, "write CREATE TABLE before the query"));
        }
        match &definition.columns {
            Some(columns) => drop(definition.operator(columns)?),
            None if definition.select.waits_for_columns => {}
            None => drop(definition.target(&definition.select)?),
        }
        Ok(definition)
    }

    fn script(&self) -> &Script {
        &self.text.0
    }

    fn pump(&self) -> &Pump {
        &self.text.0.pumps[self.place]
    }

    /// How the text is written.
    pub(crate) fn dialect(&self) -> Dialect {
        self.script().dialect
    }

    /// The name of the stream it reads.
    pub(crate) fn source(&self) -> &str {
        self.source.0.as_deref().unwrap_or(&self.select.source)
    }

    /// The name of the stream it writes.
    pub(crate) fn output(&self) -> &str {
        self.output.0.as_deref().unwrap_or(&self.into)
    }

    /// Plans the query over a source with these columns.
    pub(crate) fn operator(&self, columns: &[SqlColumn]) -> Result<Operator, SqlError> {
        let planned = match self.select.waits_for_columns {
            true => StreamQuery::new(&self.pump().query, self.script(), Some(columns))?,
            false => self.select.clone(),
        };
        let target = self.target(&planned)?;
        Operator::new(&planned, columns, target.as_deref(), self.dialect())
            .map_err(|error| sql_error(&error, &self.select))
    }

    /// The declared columns of the stream it writes, if they are declared.
    fn target(&self, select: &StreamQuery) -> Result<Option<Target>, SqlError> {
        let declared = self.script().stream(&self.into);
        declared.map(|declared| target(self.pump(), &declared.columns, select.names.len())).transpose()
    }

    /// The error of a query whose source is not declared: first records may lack a column that later ones have.
    pub(crate) fn advised(&self, error: SqlError) -> SqlError {
        let advice = || format!("declare the columns: CREATE OR REPLACE STREAM \"{}\" (..)", self.select.source);
        match self.columns {
            Some(_) => error,
            None => SqlError { suggestion: Some(error.suggestion.unwrap_or_else(advice)), ..error },
        }
    }

    /// The query as text: equal for texts that differ in blanks and comments only.
    pub(crate) fn fingerprint(&self) -> String {
        let StreamQuery { text, windows, .. } = &self.select;
        format!("2 {text} {windows:?} {:?} {}", self.time, self.streams())
    }

    fn streams(&self) -> String {
        let target = self.target(&self.select).ok().flatten();
        format!("{:?} {target:?} {:?}", self.columns, self.into)
    }

    /// Whether a fingerprint is this query's, also one of earlier versions: these had the rewritten query's text in it, of
    /// which only the windows and the streams are compared.
    pub(crate) fn is_fingerprint(&self, fingerprint: &str) -> bool {
        let windows = match self.select.windows {
            Some(WindowKind::Aligned(Aligned::Tumbling(Tumbling::Months(1)))) => "Month".to_owned(),
            Some(WindowKind::Aligned(Aligned::Tumbling(Tumbling::Months(12)))) => "Year".to_owned(),
            Some(WindowKind::Aligned(Aligned::Tumbling(tumbling))) => format!("{tumbling:?}"),
            _ => return fingerprint == self.fingerprint(),
        };
        let of_earlier = format!(" {windows} {}", self.streams());
        fingerprint == self.fingerprint() || (fingerprint.starts_with("SELECT ") && fingerprint.ends_with(&of_earlier))
    }
}

/// Which value of the select list each declared column takes.
fn target(pump: &Pump, declared: &[SqlColumn], values: usize) -> Result<Target, SqlError> {
    let named: Vec<&str> = match &pump.columns {
        None => declared.iter().map(|column| column.name.as_str()).collect(),
        Some(names) => {
            if let Some((name, at)) = names.iter().find(|(name, _)| declared.iter().all(|c| c.name != *name)) {
                let message = format!("stream `{}` has no column `{name}`", pump.into);
                return Err(at.refuse(message, "name a column that is declared above, with its quotes"));
            }
            names.iter().map(|(name, _)| name.as_str()).collect()
        }
    };
    if named.len() != values {
        let message = format!("{} columns of stream `{}` are given {values} values", named.len(), pump.into);
        return Err(pump.into_at.refuse(message, "select one value per column, in the order of the columns"));
    }
    let place = |column: &SqlColumn| named.iter().position(|name| *name == column.name);
    Ok(declared.iter().map(|column| (column.clone(), place(column))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_goes_on_with_the_checkpoint_of_an_earlier_version() {
        let sql = |unit: &str| {
            format!(
                "CREATE STREAM \"S\" (\"k\" VARCHAR(4)); CREATE STREAM \"o\" (\"n\" BIGINT);
                 CREATE PUMP p AS INSERT INTO \"o\" SELECT STREAM COUNT(*) FROM \"S\" GROUP BY FLOOR(\"S\".ROWTIME TO {unit})"
            )
        };
        let fits = |unit: &str, kept: &str| Definition::parse(&sql(unit), None).unwrap()[0].is_fingerprint(kept);
        let earlier = |windows: &str| {
            format!(
                "SELECT count ( * ) AS \"__c0\", \"__window_end\" AS \"__end\" FROM \"S\" GROUP BY \"__window_start\", \
                 \"__window_end\" {windows} Some([SqlColumn {{ name: \"k\", sql_type: Varchar(Some(4)) }}]) \
                 Some([(SqlColumn {{ name: \"n\", sql_type: BigInt }}, Some(0))]) \"o\""
            )
        };
        assert!(fits("MINUTE", &earlier("Millis(60000)")) && fits("MONTH", &earlier("Month")));
        assert!(!fits("HOUR", &earlier("Millis(60000)")) && !fits("MINUTE", &earlier("Month")));
        let own = Definition::parse(&sql("MINUTE"), None).unwrap()[0].fingerprint();
        assert!(fits("MINUTE", &own) && !fits("HOUR", &own));
    }
}
