//! Log lines whose columns have fixed places, or a delimiter between them. A line that does not fit is an error of the
//! row.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::prelude::SessionContext;

use super::function::{Arguments, Function, Kind};
use super::log_columns::{LogColumn, counted, parse, row_type};
use super::memo::Memo;
use super::value::Value;

pub(super) fn register(context: &SessionContext) {
    [fixed_column_log_parse(), variable_column_log_parse()]
        .into_iter()
        .for_each(|function| context.register_udf(function.udf()));
}

fn fixed_column_log_parse() -> Function {
    let lists = Memo::new(parse);
    Function::new(
        "fixed_column_log_parse",
        "FIXED_COLUMN_LOG_PARSE",
        &[Kind::Text, Kind::Text],
        DataType::Null,
        move |row| {
            let line = row[0].as_text()?;
            let columns = lists.get(row[1].as_text()?)?;
            Ok(Value::Row(columns.iter().map(|column| fixed(line, column)).collect::<Result<_>>()?))
        },
    )
    .result(|arguments| {
        let columns = parse(arguments.literal_text(1)?)?;
        if let Some(column) = columns.iter().find(|column| column.start.is_none()) {
            return plan_err!(
                "column {} of FIXED_COLUMN_LOG_PARSE has no START; write START 0 for the first",
                column.name
            );
        }
        Ok(row_type(&columns))
    })
}

/// A column's characters; to the end of the line where there is no length.
fn fixed(line: &str, column: &LogColumn) -> Result<Value<'static>> {
    let from = line.chars().skip(column.start.unwrap_or(0));
    column.value(&from.take(column.length.unwrap_or(usize::MAX)).collect::<String>())
}

const VARIABLE: &[Kind] = &[Kind::Text, Kind::Any, Kind::Text, Kind::Text, Kind::Text];

fn variable_column_log_parse() -> Function {
    let lists = Memo::new(parse);
    Function::new("variable_column_log_parse", "VARIABLE_COLUMN_LOG_PARSE", VARIABLE, DataType::Null, move |row| {
        let marks = Marks::of(row)?;
        let line = row[0].as_text()?;
        let fields = marks.split(line);
        let values = match &row[1] {
            Value::Text(list) => typed(line, &fields, &lists.get(list)?)?,
            count => typed(line, &fields, &counted(usize::try_from(count.as_integer()?).unwrap_or(0))?)?,
        };
        Ok(Value::Row(values))
    })
    .required(3)
    .result(variable_type)
}

fn variable_type(arguments: &Arguments<'_>) -> Result<DataType> {
    let columns = match &arguments.types[1] {
        DataType::Utf8 => parse(arguments.literal_text(1)?)?,
        _ => counted(usize::try_from(arguments.literal_integer(1)?).unwrap_or(0))?,
    };
    Ok(row_type(&columns))
}

fn typed(line: &str, fields: &[String], columns: &[LogColumn]) -> Result<Vec<Value<'static>>> {
    if fields.len() != columns.len() {
        return exec_err!(
            "VARIABLE_COLUMN_LOG_PARSE: '{line}' has {} fields, but {} columns are listed",
            fields.len(),
            columns.len()
        );
    }
    columns.iter().zip(fields).map(|(column, field)| column.value(field)).collect()
}

/// What parts fields, and what hides that.
struct Marks<'a> {
    delimiter: &'a str,
    /// Empty where there is none.
    escape: &'a str,
    quotes: Option<(char, char)>,
}

impl<'a> Marks<'a> {
    fn of(row: &'a [Value<'_>]) -> Result<Marks<'a>> {
        let text = |place: usize| row.get(place).map_or(Ok(""), Value::as_text);
        let mut quotes = text(4)?.chars();
        let begin = quotes.next();
        let end = quotes.next().or(begin);
        let marks = Marks { delimiter: text(2)?, escape: text(3)?, quotes: begin.zip(end) };
        if marks.delimiter.is_empty() || quotes.next().is_some() {
            return exec_err!("VARIABLE_COLUMN_LOG_PARSE needs a delimiter, and takes at most two quote characters");
        }
        Ok(marks)
    }

    fn split(&self, line: &str) -> Vec<String> {
        let mut fields = vec![String::new()];
        let mut rest = line;
        let mut closing = None;
        while let Some(character) = rest.chars().next() {
            let field = fields.last_mut().expect("a line has a first field");
            if !self.escape.is_empty()
                && let Some(escaped) = rest.strip_prefix(self.escape)
            {
                // The escape hides what follows: a delimiter, or one character.
                let length = match escaped.chars().next() {
                    Some(_) if escaped.starts_with(self.delimiter) => self.delimiter.len(),
                    Some(character) => character.len_utf8(),
                    None => 0,
                };
                field.push_str(&escaped[..length]);
                rest = &escaped[length..];
                continue;
            }
            match (closing, self.quotes) {
                (Some(end), _) if end == character => closing = None,
                (None, Some((begin, end))) if begin == character => closing = Some(end),
                (None, _) if rest.starts_with(self.delimiter) => {
                    fields.push(String::new());
                    rest = &rest[self.delimiter.len()..];
                    continue;
                }
                _ => field.push(character),
            }
            rest = &rest[character.len_utf8()..];
        }
        fields
    }
}
