//! An error in SQL as people need it: the line, a caret under the place, and what to write instead.

use model::query::engine::{Location, SqlError, SqlErrorKind};

use crate::failure::{Failure, Kind};

/// The failure of a query that stands in `file`, or was typed.
pub fn failure(error: &SqlError, sql: &str, file: Option<&str>) -> Failure {
    let kind = match error.kind {
        SqlErrorKind::Invalid => Kind::Usage,
        SqlErrorKind::Refused | SqlErrorKind::Denied => Kind::Refused,
        SqlErrorKind::LimitExceeded => Kind::Limit,
        SqlErrorKind::Failed => Kind::Failed,
    };
    let failure = Failure::new(kind, &error.message);
    let failure = match error.location.and_then(|at| excerpt(sql, at, file.unwrap_or("query"))) {
        Some(excerpt) => failure.excerpt(excerpt),
        None => failure,
    };
    let why = match (error.kind, error.location) {
        (_, Some(Location { line, column })) => format!("the error is at line {line}, column {column}"),
        (SqlErrorKind::Invalid, None) => "the query does not match the streams and columns that exist".to_owned(),
        (SqlErrorKind::Refused, None) => "a query may only read, and only within its limits".to_owned(),
        (SqlErrorKind::Denied, None) => "the policies do not allow you to read this stream".to_owned(),
        (SqlErrorKind::LimitExceeded, None) => "the query reached a limit on time, memory, rows or files".to_owned(),
        (SqlErrorKind::Failed, None) => "the query engine failed".to_owned(),
    };
    let fix = match (&error.suggestion, error.kind) {
        (Some(meant), _) => meant.clone(),
        (None, SqlErrorKind::LimitExceeded) => "ask for less: a WHERE, a LIMIT, fewer days".to_owned(),
        (None, SqlErrorKind::Refused) => {
            "use a SELECT; `gallop stream` and the settings change streams and tables".to_owned()
        }
        (None, SqlErrorKind::Denied) => "ask whoever runs the server to allow gallop:Sql on the stream".to_owned(),
        (None, SqlErrorKind::Failed) => "look at the server's log".to_owned(),
        (None, SqlErrorKind::Invalid) if file.is_some() => {
            "correct the file, and try it with `gallop run FILE`".to_owned()
        }
        (None, SqlErrorKind::Invalid) => "SHOW TABLES lists streams, DESCRIBE NAME their columns".to_owned(),
    };
    failure.why(why).fix(fix)
}

/// The line and a caret under the word that begins there.
fn excerpt(sql: &str, at: Location, name: &str) -> Option<String> {
    let line = sql.lines().nth(usize::try_from(at.line.checked_sub(1)?).ok()?)?;
    let skip = usize::try_from(at.column.checked_sub(1)?).ok()?;
    let word = line.chars().skip(skip).take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '"' | '.')).count();
    let number = at.line.to_string();
    let margin = " ".repeat(number.len());
    let (pad, carets) = (" ".repeat(skip), "^".repeat(word.max(1)));
    let line = line.replace('\t', " ");
    Some(format!("{margin} ┌─ {name}:{number}:{}\n{number} │ {line}\n{margin} │ {pad}{carets}\n", at.column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_stands_under_the_word() {
        let error = SqlError {
            kind: SqlErrorKind::Invalid,
            message: "column `helthpoints` not found".into(),
            location: Some(Location { line: 2, column: 7 }),
            suggestion: Some("did you mean `HealthPoints`?".into()),
        };
        let told = failure(&error, "SELECT\n  min(helthpoints) AS worst", Some("q.sql")).to_string();
        assert_eq!(
            told,
            "error: column `helthpoints` not found\n  ┌─ q.sql:2:7\n2 │   min(helthpoints) AS worst\n  │       ^^^^^^^^^^^\n  \
             why: the error is at line 2, column 7\n  fix: did you mean `HealthPoints`?\n"
        );
        let nowhere = SqlError::new(SqlErrorKind::LimitExceeded, "too many rows");
        assert!(failure(&nowhere, "SELECT 1", None).to_string().contains("fix: ask for less"));
    }
}
