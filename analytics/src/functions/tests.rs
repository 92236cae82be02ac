//! What each function answers, as a query asks it.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::SessionConfig;
use proptest::prelude::*;

use super::*;
use crate::integers::check_integers;

mod aggregates;
mod casts;
mod logs;
mod texts;
mod times;

/// A session as continuous queries have it.
fn session() -> SessionContext {
    let config =
        SessionConfig::new().with_target_partitions(2).set_bool("datafusion.sql_parser.parse_float_as_decimal", true);
    let context = SessionContext::new_with_config(config);
    check_integers(&context);
    register(&context);
    context
}

/// All rows of the first column as text, or what the query fails with.
fn rows(context: &SessionContext, sql: &str) -> Result<Vec<String>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let batches: Result<Vec<RecordBatch>, _> = runtime.block_on(async { context.sql(sql).await?.collect().await });
    let batches = batches.map_err(|error| error.to_string())?;
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in &batches {
        let formatter = ArrayFormatter::try_new(batch.column(0), &options).unwrap();
        rows.extend((0..batch.num_rows()).map(|row| formatter.value(row).to_string()));
    }
    Ok(rows)
}

/// Each expression and what it gives: text, `NULL`, or `!` and a part of the error.
fn check_all(cases: &[(&str, &str)]) {
    let context = session();
    let mut wrong = Vec::new();
    for (expression, expected) in cases {
        let given = rows(&context, &format!("SELECT {expression}"));
        let is_right = match (&given, expected.strip_prefix('!')) {
            (Ok(rows), None) => rows.len() == 1 && rows[0] == *expected,
            (Err(error), Some(part)) => error.contains(part),
            _ => false,
        };
        if !is_right {
            wrong.push(format!("{expression}\n  should be {expected}\n  and is    {given:?}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn numbers() {
    check_all(&[
        ("abs(-3)", "3"),
        ("abs(-2.5)", "2.5"),
        ("abs(arrow_cast(-128, 'Int8'))", "!128 does not fit TINYINT"),
        ("abs('x')", "!ABS takes a number or an interval"),
        ("ceil(3.1)", "4"),
        ("ceiling(-3.3)", "-3"),
        ("CEIL(7)", "7"),
        ("floor(-3.3)", "-4"),
        ("FLOOR(3.9)", "3"),
        ("floor(99.9)", "99"),
        ("ceil(99.9)", "100"),
        ("floor(aws_cast_double(2.5))", "2.0"),
        ("floor(NULL)", "NULL"),
        ("mod(4, 2)", "0"),
        ("mod(5, 3)", "2"),
        ("mod(-4, 3)", "-1"),
        ("mod(5, 0)", "!MOD(5, 0) has no value"),
        ("mod(5.5, 2)", "!MOD takes whole numbers only"),
        ("mod(NULL, 2)", "NULL"),
        ("power(3, 2)", "9.0"),
        ("power(-2, 3)", "-8.0"),
        ("power(0, -1)", "!0 cannot be raised to a negative power"),
        ("power(-2, 0.5)", "!a negative number needs a whole power"),
        ("power(10, 999)", "!too large for a DOUBLE"),
        ("power('a', 2)", "!argument 1 of POWER must be a number, but it is VARCHAR"),
        ("exp(0)", "1.0"),
        ("exp(1000)", "!EXP(1000)"),
        ("ln(1)", "0.0"),
        ("ln(0)", "!LN(0) has no value"),
        ("log10(1000)", "3.0"),
        ("log10(-1)", "!LOG10(-1) has no value"),
        ("aws_divide(1, 4)", "0.25"),
        ("aws_divide(1, 0)", "!the divisor is 0"),
        ("ln(1, 2)", "!LN takes 1 arguments, and here it has 2"),
    ]);
}

#[test]
fn a_column_is_computed_row_by_row() {
    let context = session();
    let sql = "SELECT timestamp_to_char('yyyy', char_to_timestamp('M-d-y', x)) FROM (VALUES ('1-2-2003'), (NULL), ('3-4-5')) AS t(x)";
    assert_eq!(rows(&context, sql), Ok(["2003", "null", "0005"].map(str::to_owned).to_vec()));
    let wrong = "SELECT aws_cast_integer(x) FROM (VALUES ('1'), ('one')) AS t(x)";
    assert!(rows(&context, wrong).unwrap_err().contains("'one' is not a number"));
}
