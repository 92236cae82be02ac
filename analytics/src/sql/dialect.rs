//! The two dialects of continuous queries.

use crate::sql::tokens::Token;

/// How a query is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// As Kinesis Data Analytics has it: `CREATE STREAM`, `CREATE PUMP`, `ROWTIME`. Unquoted names are upper case.
    Aws,
    /// As Apache Flink has it: `CREATE TABLE .. WITH`, `INSERT INTO`, `TUMBLE(..)`. Names keep their case.
    Flink,
}

impl Dialect {
    /// The dialect that a text is written in, told by its first statement.
    pub(crate) fn of(tokens: &[Token]) -> Dialect {
        let second = tokens.get(1);
        let first_is = |word| tokens.first().is_some_and(|token| token.is(word));
        let third_is_if = tokens.get(2).is_some_and(|token| token.is("IF"));
        let is_flink = first_is("INSERT")
            || first_is("EXECUTE")
            || (first_is("DROP") && third_is_if)
            || (first_is("CREATE")
                && second.is_some_and(|token| ["TABLE", "TEMPORARY", "VIEW"].iter().any(|word| token.is(word))));
        if is_flink { Dialect::Flink } else { Dialect::Aws }
    }

    /// The name that an unquoted word stands for.
    pub(crate) fn fold(self, word: &str) -> String {
        match self {
            Dialect::Aws => word.to_uppercase(),
            Dialect::Flink => word.to_owned(),
        }
    }
}
