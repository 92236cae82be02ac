//! The columns of a log line: named and typed by a text such as `a TYPE INTEGER START 0 FOR 3, b TYPE TIMESTAMP
//! 'dd/MMM/yyyy:HH:mm:ss'`, or only counted.
//!
//! A name without quotes is in upper case, as everywhere in the dialect.

use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use model::clock::{Clock, SystemClock};

use super::calendar::civil;
use super::cast::{boolean, decimal, double, integer, real};
use super::cast_text::{date, time, timestamp};
use super::time_pattern::Pattern;
use super::time_read::read;
use super::value::{TIME, TIMESTAMP, Value};

/// The most characters of a column that has no type.
pub(super) const UNTYPED_MAX: usize = 1024;
/// The most columns of one line.
const COLUMNS_MAX: usize = 1000;

#[derive(Debug, Clone)]
pub(super) struct LogColumn {
    pub(super) name: String,
    data_type: DataType,
    /// Of text.
    length_max: Option<usize>,
    pattern: Option<Pattern>,
    /// The first character, and how many there are.
    pub(super) start: Option<usize>,
    pub(super) length: Option<usize>,
}

impl LogColumn {
    fn text(name: String) -> LogColumn {
        let data_type = DataType::Utf8;
        LogColumn { name, data_type, length_max: Some(UNTYPED_MAX), pattern: None, start: None, length: None }
    }

    /// The column's value of a text.
    pub(super) fn value(&self, text: &str) -> Result<Value<'static>> {
        let given = Value::text(text);
        let value = match (&self.data_type, &self.pattern) {
            (DataType::Utf8, _) => {
                Ok(Value::text(text.chars().take(self.length_max.unwrap_or(usize::MAX)).collect::<String>()))
            }
            (_, Some(pattern)) => {
                let year_now = civil(SystemClock.now().as_millis())?.year();
                read(pattern, text.trim(), year_now.into()).map(Value::Timestamp)
            }
            (DataType::Boolean, _) => boolean(&given),
            (DataType::Float32, _) => real(&given),
            (DataType::Float64, _) => double(&given),
            (DataType::Decimal128(precision, scale), _) => decimal(&given, (*precision).into(), (*scale).into()),
            (DataType::Date32, _) => date(&given),
            (same, _) if *same == TIMESTAMP => timestamp(&given),
            (same, _) if *same == TIME => time(&given),
            (target, _) => integer(&given, target),
        };
        value.map_err(|error| exec_datafusion_err!("column {} of a log line: {}", self.name, error.strip_backtrace()))
    }
}

/// `COLUMN1` to `COLUMNn`, all of them text.
pub(super) fn counted(count: usize) -> Result<Vec<LogColumn>> {
    if !(1..=COLUMNS_MAX).contains(&count) {
        return exec_err!("a log line cannot have {count} columns; 1 to {COLUMNS_MAX} are possible");
    }
    Ok((1..=count).map(|place| LogColumn::text(format!("COLUMN{place}"))).collect())
}

/// The type of a row value with these columns.
pub(super) fn row_type(columns: &[LogColumn]) -> DataType {
    let field = |column: &LogColumn| Field::new(&column.name, column.data_type.clone(), true);
    DataType::Struct(columns.iter().map(field).collect::<Fields>())
}

/// Reads a list of columns.
pub(super) fn parse(text: &str) -> Result<Vec<LogColumn>> {
    let mut words = words(text)?.into_iter().peekable();
    let mut columns = Vec::new();
    while let Some(name) = words.next() {
        let mut column = LogColumn::text(match name {
            Word::Bare(bare) => bare.to_ascii_uppercase(),
            Word::Quoted(quoted) => quoted,
            other => return unexpected(text, &other),
        });
        while let Some(word) = words.next() {
            match word {
                Word::Sign(',') => break,
                Word::Bare(word) => match word.to_ascii_uppercase().as_str() {
                    "START" => column.start = Some(count(text, words.next())?),
                    "FOR" => column.length = Some(count(text, words.next())?),
                    "TYPE" | "NOT" | "NULL" | "PRECISION" => {}
                    name => type_of(&mut column, name)?,
                },
                Word::Sign('(') => {
                    let first = count(text, words.next())?;
                    let second =
                        if words.next_if_eq(&Word::Sign(',')).is_some() { count(text, words.next())? } else { 0 };
                    limit(&mut column, first, second)?;
                }
                Word::Sign(')') => {}
                Word::Text(pattern) if column.data_type == TIMESTAMP => {
                    column.pattern = Some(Pattern::parse(&pattern)?)
                }
                other => return unexpected(text, &other),
            }
        }
        columns.push(column);
    }
    if columns.is_empty() || columns.len() > COLUMNS_MAX {
        return exec_err!("'{text}' lists {} columns; 1 to {COLUMNS_MAX} are possible", columns.len());
    }
    Ok(columns)
}

fn type_of(column: &mut LogColumn, name: &str) -> Result<()> {
    column.data_type = match name {
        "BOOLEAN" => DataType::Boolean,
        "TINYINT" => DataType::Int8,
        "SMALLINT" => DataType::Int16,
        "INTEGER" | "INT" => DataType::Int32,
        "BIGINT" => DataType::Int64,
        "DECIMAL" | "DEC" | "NUMERIC" => DataType::Decimal128(18, 0),
        "REAL" => DataType::Float32,
        "DOUBLE" | "FLOAT" => DataType::Float64,
        "DATE" => DataType::Date32,
        "TIME" => TIME,
        "TIMESTAMP" => TIMESTAMP,
        "VARCHAR" | "CHAR" => {
            // A type without a length has one character.
            column.length_max = Some(1);
            DataType::Utf8
        }
        other => return exec_err!("{other} is no type of a log column; VARCHAR(n), INTEGER and TIMESTAMP are"),
    };
    Ok(())
}

/// Takes what stands in brackets behind a type.
fn limit(column: &mut LogColumn, first: usize, second: usize) -> Result<()> {
    match column.data_type {
        DataType::Utf8 => column.length_max = Some(first),
        DataType::Decimal128(..) if (1..=38).contains(&first) && second <= first => {
            column.data_type = DataType::Decimal128(first as u8, second as i8);
        }
        _ => return exec_err!("the type of column {} takes no ({first}, {second})", column.name),
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
enum Word {
    Bare(String),
    Quoted(String),
    Text(String),
    Sign(char),
}

fn words(text: &str) -> Result<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            blank if blank.is_whitespace() => {}
            ',' | '(' | ')' => words.push(Word::Sign(character)),
            '\'' | '"' => {
                let quoted: String = rest.by_ref().take_while(|next| *next != character).collect();
                words.push(if character == '"' { Word::Quoted(quoted) } else { Word::Text(quoted) });
            }
            start if start.is_alphanumeric() || start == '_' => {
                let mut word = String::from(start);
                while let Some(next) = rest.next_if(|next| next.is_alphanumeric() || *next == '_') {
                    word.push(next);
                }
                words.push(Word::Bare(word));
            }
            other => return unexpected(text, &Word::Sign(other)),
        }
    }
    Ok(words)
}

fn count(text: &str, word: Option<Word>) -> Result<usize> {
    match word {
        Some(Word::Bare(digits)) if digits.parse::<usize>().is_ok() => Ok(digits.parse().unwrap_or_default()),
        Some(other) => unexpected(text, &other),
        None => exec_err!("the list of columns '{text}' ends where a number should be"),
    }
}

fn unexpected<T>(text: &str, word: &Word) -> Result<T> {
    let word = match word {
        Word::Bare(text) | Word::Quoted(text) | Word::Text(text) => text.clone(),
        Word::Sign(sign) => sign.to_string(),
    };
    exec_err!(
        "the list of columns '{text}' has {word} in a wrong place; write it as: a TYPE INTEGER, b TYPE VARCHAR(9)"
    )
}
