//! How queries run over files, and what a run did.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, Write};
use std::time::Duration;

use datafusion::error::DataFusionError;
use model::query::engine::SqlError;

use crate::sql::dialect::Dialect;

/// A file that is read, and the stream that it stands for; none where there is only one to read.
pub type Input<'a> = (Option<String>, Box<dyn BufRead + 'a>);
/// A file that is written, and the stream that goes there; none where there is only one that no query reads.
pub type Output<'a> = (Option<String>, Box<dyn Write + 'a>);

/// Where a row's time comes from.
#[derive(Debug, Clone, Default)]
pub struct BoundedOptions {
    /// The field with a row's time: `yyyy-MM-dd HH:mm:ss[.SSS]`, RFC 3339, or milliseconds since the epoch. Without it, the
    /// column that the query names, or `ROWTIME` where a row has one, else the time of reading.
    pub time_field: Option<String>,
    /// The same for a stream apart.
    pub time_fields: BTreeMap<String, String>,
    /// A window stays open for rows that are this much out of order.
    pub delay: Duration,
    /// How the text is written; without it, its first statement tells.
    pub dialect: Option<Dialect>,
}

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunReport {
    /// Lines read.
    pub records: u64,
    /// Rows written.
    pub rows: u64,
    /// Rows whose windows had closed.
    pub late: u64,
    /// Records and rows that a query could not use.
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
    /// A query is wrong.
    #[error("the query is not valid")]
    Sql(#[from] SqlError),
    /// Files and streams do not fit each other.
    #[error("{0}")]
    Streams(String),
    /// Input or output failed.
    #[error("input or output failed")]
    Io(#[from] std::io::Error),
    /// The engine failed.
    #[error("the query could not be computed")]
    Engine(#[from] DataFusionError),
}
