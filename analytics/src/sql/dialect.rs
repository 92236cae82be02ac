//! The two dialects of continuous queries.

/// How a query is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// As Kinesis Data Analytics has it: `CREATE STREAM`, `CREATE PUMP`, `ROWTIME`. Unquoted names are upper case.
    Aws,
    /// As Apache Flink has it: `CREATE TABLE .. WITH`, `INSERT INTO`, `TUMBLE(..)`. Names keep their case.
    Flink,
}

impl Dialect {
    /// The name that an unquoted word stands for.
    pub(crate) fn fold(self, word: &str) -> String {
        match self {
            Dialect::Aws => word.to_uppercase(),
            Dialect::Flink => word.to_owned(),
        }
    }
}
