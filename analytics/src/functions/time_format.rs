//! Functions that read and write times by a pattern. The pattern is the first argument.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::prelude::SessionContext;
use model::clock::{Clock, SystemClock};

use super::calendar::{civil, day_of, time_of_day};
use super::function::{Function, Kind};
use super::memo::Memo;
use super::time::milliseconds;
use super::time_pattern::Pattern;
use super::time_print::print;
use super::time_read::read;
use super::value::{TIME, TIMESTAMP, Value};

pub(super) fn register(context: &SessionContext) {
    let functions = [
        reading("char_to_timestamp", "CHAR_TO_TIMESTAMP", TIMESTAMP, |at| Ok(Value::Timestamp(at))),
        reading("char_to_date", "CHAR_TO_DATE", DataType::Date32, |at| day_of(at).map(Value::Date)),
        reading("char_to_time", "CHAR_TO_TIME", TIME, |at| Ok(Value::Time(time_of_day(at)))),
        // A NULL is written as the text null.
        printing("timestamp_to_char", "TIMESTAMP_TO_CHAR").sees_null(),
        printing("date_to_char", "DATE_TO_CHAR"),
        printing("time_to_char", "TIME_TO_CHAR"),
    ];
    functions.into_iter().for_each(|function| context.register_udf(function.udf()));
}

fn reading(
    name: &'static str,
    shown: &'static str,
    result: DataType,
    of_instant: fn(i64) -> Result<Value<'static>>,
) -> Function {
    let patterns = Memo::new(Pattern::parse);
    Function::new(name, shown, &[Kind::Text, Kind::Text], result, move |row| {
        let year_now = civil(SystemClock.now().as_millis())?.year();
        let pattern = patterns.get(row[0].as_text()?)?;
        read(&pattern, row[1].as_text()?, year_now.into()).and_then(of_instant)
    })
}

fn printing(name: &'static str, shown: &'static str) -> Function {
    let patterns = Memo::new(Pattern::parse);
    Function::new(name, shown, &[Kind::Text, Kind::Time], DataType::Utf8, move |row| match row {
        [Value::Null, _] => Ok(Value::Null),
        [_, Value::Null] => Ok(Value::text("null")),
        _ => Ok(Value::text(print(&*patterns.get(row[0].as_text()?)?, milliseconds(&row[1])?)?)),
    })
}
