//! Log lines taken apart by regular expressions: each group is a column of the result, which is one row value.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::prelude::SessionContext;
use regex::{Captures, Regex};

use super::function::{Arguments, Function, Kind};
use super::log_columns::{LogColumn, UNTYPED_MAX, counted, parse, row_type};
use super::memo::Memo;
use super::time_pattern::Pattern;
use super::time_read::read;
use super::value::{TIMESTAMP, Value};
use super::{fast_regex, java_regex, web_log};

const TWO: &[Kind] = &[Kind::Text, Kind::Text];

pub(super) fn register(context: &SessionContext) {
    let functions = [regex_log_parse(), fast_regex_log_parse(), w3c_log_parse(), sys_log_parse()];
    functions.into_iter().for_each(|function| context.register_udf(function.udf()));
}

/// A line that does not match gives NULL.
fn regex_log_parse() -> Function {
    let (regexes, lists) = (Memo::new(java_regex::compile_whole), Memo::new(parse));
    Function::new(
        "regex_log_parse",
        "REGEX_LOG_PARSE",
        &[Kind::Text, Kind::Text, Kind::Text],
        DataType::Null,
        move |row| {
            let regex = regexes.get(row[1].as_text()?)?;
            let Some(captures) = regex.captures(row[0].as_text()?) else { return Ok(Value::Null) };
            match row.get(2) {
                Some(list) => typed(&captures, &lists.get(list.as_text()?)?),
                None => Ok(untyped(&captures)),
            }
        },
    )
    .required(2)
    .result(|arguments| {
        let groups = groups(arguments, java_regex::compile_whole)?;
        if arguments.types.len() < 3 {
            return Ok(row_type(&counted(groups)?));
        }
        let columns = parse(arguments.literal_text(2)?)?;
        if columns.len() != groups {
            return exec_err!("REGEX_LOG_PARSE has {groups} groups and {} columns; give each group one", columns.len());
        }
        Ok(row_type(&columns))
    })
}

fn fast_regex_log_parse() -> Function {
    let regexes = Memo::new(fast_regex::compile);
    Function::new("fast_regex_log_parse", "FAST_REGEX_LOG_PARSE", TWO, DataType::Null, move |row| {
        matched("FAST_REGEX_LOG_PARSE", &*regexes.get(row[1].as_text()?)?, row)
    })
    .alias("fast_regex_log_parser")
    .result(|arguments| Ok(row_type(&counted(groups(arguments, fast_regex::compile)?)?)))
}

fn w3c_log_parse() -> Function {
    let regexes = Memo::new(web_log::compile);
    Function::new("w3c_log_parse", "W3C_LOG_PARSE", TWO, DataType::Null, move |row| {
        matched("W3C_LOG_PARSE", &*regexes.get(row[1].as_text()?)?, row)
    })
    .result(|arguments| Ok(row_type(&counted(groups(arguments, web_log::compile)?)?)))
}

/// The time and the rest of a line of the system's log. Such a line has no year, so the year is 1970.
fn sys_log_parse() -> Function {
    let lines = Memo::new(java_regex::compile);
    let times = Memo::new(Pattern::parse);
    let columns = DataType::Struct(
        [("COLUMN1", TIMESTAMP), ("COLUMN2", DataType::Utf8)]
            .map(|(name, data_type)| datafusion::arrow::datatypes::Field::new(name, data_type, true))
            .into_iter()
            .collect(),
    );
    Function::new("sys_log_parse", "SYS_LOG_PARSE", &[Kind::Text], columns, move |row| {
        let line = row[0].as_text()?;
        let regex = lines.get(r"^(?:<\d{1,3}>)?([A-Za-z]{3} +\d{1,2} \d\d:\d\d:\d\d) ?(.*)")?;
        let Some(captures) = regex.captures(line) else {
            return exec_err!("SYS_LOG_PARSE: '{line}' does not begin with a time such as Jun 18 21:05:59");
        };
        let at = read(&*times.get("MMM dd HH:mm:ss")?, &captures[1], 1970)?;
        Ok(Value::Row(vec![Value::Timestamp(at), cut(&captures[2])]))
    })
}

/// How many groups the expression has that is written as the second argument.
fn groups(arguments: &Arguments<'_>, compile: fn(&str) -> Result<Regex>) -> Result<usize> {
    let groups = compile(arguments.literal_text(1)?)?.captures_len() - 1;
    if groups == 0 {
        return exec_err!("{} makes a column of each group (..), and its pattern has none", arguments.shown);
    }
    Ok(groups)
}

fn matched(name: &str, regex: &Regex, row: &[Value<'_>]) -> Result<Value<'static>> {
    let line = row[0].as_text()?;
    let captures = regex.captures(line).ok_or_else(|| {
        exec_datafusion_err!("{name}: '{line}' does not fit '{}'", row[1].as_text().unwrap_or_default())
    })?;
    Ok(untyped(&captures))
}

fn untyped(captures: &Captures<'_>) -> Value<'static> {
    let groups = captures.iter().skip(1);
    Value::Row(groups.map(|group| group.map_or(Value::Null, |group| cut(group.as_str()))).collect())
}

fn typed(captures: &Captures<'_>, columns: &[LogColumn]) -> Result<Value<'static>> {
    let groups = captures.iter().skip(1).zip(columns);
    let values = groups.map(|(group, column)| group.map_or(Ok(Value::Null), |group| column.value(group.as_str())));
    Ok(Value::Row(values.collect::<Result<_>>()?))
}

fn cut(text: &str) -> Value<'static> {
    Value::text(text.chars().take(UNTYPED_MAX).collect::<String>())
}
