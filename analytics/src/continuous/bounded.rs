//! The same queries over a file: rows with a time of their own in, results out, and the end closes
//! all windows.

use std::fmt;
use std::io::{BufRead, Write};
use std::time::Duration;

use datafusion::error::DataFusionError;
use model::clock::{Clock, SystemClock, Timestamp};
use model::query::engine::{SqlError, SqlErrorKind};

use crate::continuous::decode::discover::discover;
use crate::continuous::decode::field::{FieldNames, Fields};
use crate::continuous::decode::json::{objects, time_of};
use crate::continuous::definition::Definition;
use crate::continuous::driver::{Driver, LateRows, Taken};
use crate::sql::schema::ROWTIME;

/// Columns that are not declared are found in this many first lines.
const SAMPLE_LINES_MAX: usize = 1000;

/// Where a row's time comes from.
#[derive(Debug, Clone, Default)]
pub struct BoundedOptions {
    /// The field with a row's time: `yyyy-MM-dd HH:mm:ss[.SSS]`, RFC 3339, or milliseconds since
    /// the epoch. Without it, `ROWTIME` where a row has one, else the time of reading.
    pub time_field: Option<String>,
    /// A window stays open for rows that are this much out of order.
    pub delay: Duration,
}

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunReport {
    /// Lines read.
    pub records: u64,
    /// Rows written.
    pub rows: u64,
    /// Records whose window had closed.
    pub late: u64,
    /// Records and rows that the query could not use.
    pub left_out: u64,
}

impl fmt::Display for RunReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read {} records, {} rows, {} late, {} left out", self.records, self.rows, self.late, self.left_out)
    }
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum BoundedError {
    /// The query is wrong.
    #[error("the query is not valid")]
    Sql(#[from] SqlError),
    /// Input or output failed.
    #[error("input or output failed")]
    Io(#[from] std::io::Error),
    /// The engine failed.
    #[error("the query could not be computed")]
    Engine(#[from] DataFusionError),
}

/// Runs the query's one pump over lines of JSON; writes lines of JSON.
pub fn run(
    sql: &str,
    input: impl BufRead,
    output: &mut impl Write,
    options: BoundedOptions,
) -> Result<RunReport, BoundedError> {
    let mut definitions = Definition::parse(sql)?;
    let definition = definitions.pop().expect("a script has a pump");
    if !definitions.is_empty() {
        return Err(
            SqlError::new(SqlErrorKind::Refused, "a file can be read by one pump, but the query has several").into()
        );
    }
    let mut lines = input.split(b'\n');
    let mut sample: Vec<Vec<u8>> = Vec::new();
    let columns = match &definition.columns {
        Some(columns) => columns.clone(),
        None => {
            for line in lines.by_ref().take(SAMPLE_LINES_MAX) {
                sample.push(line?);
            }
            let first: Vec<_> = sample.iter().filter_map(|line| objects(line).ok()).flatten().collect();
            discover(&first)
        }
    };
    let operator = definition.operator(&columns)?;
    let mut fields = operator.fields().clone();
    let time = fields.add_exactly(options.time_field.as_deref().unwrap_or(ROWTIME));
    let driver = Driver::new(operator, LateRows::Drop, Timestamp::MIN);
    let mut run = Run { driver, fields, time, options, report: RunReport::default(), output };
    for line in sample.into_iter().map(Ok).chain(lines) {
        run.line(&line?)?;
    }
    run.close(Timestamp::MAX)?;
    run.output.flush()?;
    Ok(run.report)
}

struct Run<'a, W> {
    driver: Driver,
    /// The columns' fields, and the time.
    fields: FieldNames,
    /// The place of the time.
    time: usize,
    options: BoundedOptions,
    report: RunReport,
    output: &'a mut W,
}

impl<W: Write> Run<'_, W> {
    fn line(&mut self, line: &[u8]) -> Result<(), BoundedError> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        self.report.records += 1;
        match self.fields.read(line) {
            Ok(objects) => objects.into_iter().try_for_each(|fields| self.row(fields)),
            Err(_) => {
                self.report.left_out += 1;
                Ok(())
            }
        }
    }

    fn row(&mut self, fields: Fields<'_>) -> Result<(), BoundedError> {
        let at = match &fields[self.time] {
            Some(field) => time_of(field).map(Timestamp::from_millis),
            None => self.options.time_field.is_none().then(|| SystemClock.now()),
        };
        let Some(at) = at else {
            self.report.left_out += 1;
            return Ok(());
        };
        match self.driver.push_fields(fields, at) {
            Ok(Taken::InTime) => {}
            Ok(Taken::Late) => {
                self.report.late += 1;
                return Ok(());
            }
            Err(_) => {
                self.report.left_out += 1;
                return Ok(());
            }
        }
        self.driver.operator_mut().settle()?;
        self.close(at - self.options.delay)
    }

    fn close(&mut self, until: Timestamp) -> Result<(), BoundedError> {
        let rows = self.driver.close(until)?;
        self.report.rows += rows.len() as u64;
        self.report.left_out += self.driver.operator_mut().take_left_out().count;
        for row in rows {
            self.output.write_all(row.json.as_bytes())?;
            self.output.write_all(b"\n")?;
        }
        Ok(())
    }
}
