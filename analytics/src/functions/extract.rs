//! `EXTRACT(field FROM t)`: one field of a time or of an interval.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::prelude::SessionContext;

use super::calendar::civil;
use super::function::{Arguments, Function, Kind};
use super::span::{DAY, HOUR, MINUTE, SECOND, Span};
use super::time::{Unit, milliseconds};
use super::value::{Value, sql_name};

/// The field SECOND has milliseconds after the point.
const SECONDS: DataType = DataType::Decimal128(5, 3);

const FIELDS: [(&str, Unit); 6] = [
    ("aws_extract_year", Unit::Year),
    ("aws_extract_month", Unit::Month),
    ("aws_extract_day", Unit::Day),
    ("aws_extract_hour", Unit::Hour),
    ("aws_extract_minute", Unit::Minute),
    ("aws_extract_second", Unit::Second),
];

pub(super) fn register(context: &SessionContext) {
    for (name, unit) in FIELDS {
        let function = Function::new(name, "EXTRACT", &[Kind::Any], DataType::Null, move |row| {
            let field = match &row[0] {
                Value::Interval(span) => of_interval(*span, unit),
                Value::Time(_) if matches!(unit, Unit::Year | Unit::Month | Unit::Day) => {
                    return exec_err!("EXTRACT: a TIME has no {unit:?}; it has HOUR, MINUTE and SECOND");
                }
                time => of_time(milliseconds(time)?, unit)?,
            };
            Ok(if unit == Unit::Second { Value::Decimal(field.into(), 3) } else { Value::Integer(field) })
        });
        context.register_udf(function.result(move |arguments| extract_type(arguments, unit)).udf());
    }
}

fn extract_type(arguments: &Arguments<'_>, unit: Unit) -> Result<DataType> {
    match &arguments.types[0] {
        DataType::Null => {}
        time if time.is_temporal() => {}
        other => return plan_err!("EXTRACT takes a time or an interval, but here is {}", sql_name(other)),
    }
    Ok(if unit == Unit::Second { SECONDS } else { DataType::Int64 })
}

/// A field of a time; seconds in thousandths.
fn of_time(at: i64, unit: Unit) -> Result<i64> {
    let civil = civil(at)?;
    Ok(match unit {
        Unit::Year => civil.year().into(),
        Unit::Month => civil.month().into(),
        Unit::Day => civil.day().into(),
        Unit::Hour => civil.hour().into(),
        Unit::Minute => civil.minute().into(),
        Unit::Second => at.rem_euclid(MINUTE),
    })
}

/// A field of an interval, with its sign; seconds in thousandths.
fn of_interval(span: Span, unit: Unit) -> i64 {
    match unit {
        Unit::Year => span.months / 12,
        Unit::Month => span.months % 12,
        Unit::Day => span.milliseconds / DAY,
        Unit::Hour => span.milliseconds % DAY / HOUR,
        Unit::Minute => span.milliseconds % HOUR / MINUTE,
        Unit::Second => span.milliseconds % (60 * SECOND),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_falls_apart_into_its_fields() {
        let span = Span::milliseconds(-(2 * DAY + 3 * HOUR + 4 * MINUTE + 5_678));
        let fields = FIELDS.map(|(_, unit)| of_interval(span, unit));
        assert_eq!(fields, [0, 0, -2, -3, -4, -5_678]);
        assert!(internal(of_time(i64::MAX, Unit::Year)));
    }

    fn internal<T>(result: Result<T>) -> bool {
        matches!(result, Err(error) if error.to_string().contains("no time of the years"))
    }
}
