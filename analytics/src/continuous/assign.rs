//! Results assigned to declared columns. Numbers are assigned among each other exactly: rounded half away from zero, and
//! refused where the column has no room for them. Nothing goes through a double that was none before.

use std::fmt::Write;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, StringArray,
    TimestampMillisecondArray, UInt64Array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, DecimalType};
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::error::DataFusionError;

use crate::rows::number::{Number, fits, rescale};
use crate::sql::dialect::Dialect;
use crate::sql::schema::{SqlType, timestamp_millis};

/// The values of a result column on their way into a column of a type.
pub(crate) struct Assigned {
    source: ArrayRef,
    sql_type: SqlType,
    dialect: Dialect,
    values: Values,
}

enum Values {
    Boolean(BooleanArray),
    Number(Numbers),
    Text(StringArray),
    Time(TimestampMillisecondArray),
}

/// Numbers as the engine computed them.
enum Numbers {
    Integers(Int64Array),
    Unsigned(UInt64Array),
    Decimals(Decimal128Array),
    Doubles(Float64Array),
    /// Of any other type, by their text.
    Texts(StringArray),
}

impl Assigned {
    /// The values of a result column for a column of this type, written as the dialect does.
    pub(crate) fn new(source: &ArrayRef, sql_type: SqlType, dialect: Dialect) -> Result<Assigned, DataFusionError> {
        let values = match sql_type {
            SqlType::Boolean => Values::Boolean(cast(source, &DataType::Boolean)?.as_boolean().clone()),
            SqlType::Varchar(_) => Values::Text(text_of(source)?),
            SqlType::Timestamp => Values::Time(cast(source, &timestamp_millis())?.as_primitive().clone()),
            _ => Values::Number(Numbers::of(source)?),
        };
        Ok(Assigned { source: ArrayRef::clone(source), sql_type, dialect, values })
    }

    /// Writes a value as JSON. False where the column cannot hold it.
    pub(crate) fn write(&self, row: usize, json: &mut String) -> bool {
        if self.source.is_null(row) {
            json.push_str("null");
            return true;
        }
        match &self.values {
            Values::Boolean(array) if array.is_valid(row) => write(json, array.value(row)),
            Values::Text(array) => write_text(array.value(row), self.sql_type, json),
            Values::Time(array) if array.is_valid(row) => write_time(array.value(row), self.dialect, json),
            Values::Number(numbers) => numbers.write(row, self.sql_type, json),
            // The cast found no value for it.
            Values::Boolean(_) | Values::Time(_) => false,
        }
    }

    /// A value as it was computed.
    pub(crate) fn shown(&self, row: usize) -> String {
        array_value_to_string(&self.source, row).unwrap_or_else(|_| "its value".to_owned())
    }
}

impl Numbers {
    fn of(source: &ArrayRef) -> Result<Numbers, DataFusionError> {
        Ok(match source.data_type() {
            DataType::UInt64 => Numbers::Unsigned(source.as_primitive().clone()),
            DataType::Decimal128(..) => Numbers::Decimals(source.as_primitive().clone()),
            number if number.is_floating() => {
                Numbers::Doubles(cast(source, &DataType::Float64)?.as_primitive().clone())
            }
            number if number.is_integer() || *number == DataType::Boolean => {
                Numbers::Integers(cast(source, &DataType::Int64)?.as_primitive().clone())
            }
            _ => Numbers::Texts(text_of(source)?),
        })
    }

    fn write(&self, row: usize, sql_type: SqlType, json: &mut String) -> bool {
        match sql_type {
            SqlType::Double => self.double(row).is_some_and(|value| {
                // JSON has no infinity: serde_json writes null.
                json.push_str(&serde_json::to_string(&value).expect("a number is JSON"));
                true
            }),
            SqlType::Decimal(precision, scale) => {
                let value = self.unscaled(row, scale).filter(|value| fits(*value, precision));
                value.is_some_and(|value| write(json, Decimal128Type::format_decimal(value, precision, scale)))
            }
            _ => {
                let (lowest, highest) = sql_type.integer_range().unwrap_or((i64::MIN, i64::MAX));
                let value = self.unscaled(row, 0).and_then(|value| i64::try_from(value).ok());
                value.filter(|value| (lowest..=highest).contains(value)).is_some_and(|value| write(json, value))
            }
        }
    }

    /// The value times 10^`scale`, rounded half away from zero.
    fn unscaled(&self, row: usize, scale: i8) -> Option<i128> {
        let read = |text: &str| Number::parse(text)?.unscaled(scale.max(0).unsigned_abs());
        match self {
            Numbers::Integers(array) => rescale(i128::from(array.value(row)), 0, scale),
            Numbers::Unsigned(array) => rescale(i128::from(array.value(row)), 0, scale),
            Numbers::Decimals(array) => rescale(array.value(row), array.scale(), scale),
            // A double is the number that it is written as.
            Numbers::Doubles(array) => read(&format!("{:e}", array.value(row))),
            Numbers::Texts(array) => read(array.value(row).trim()),
        }
    }

    fn double(&self, row: usize) -> Option<f64> {
        let nearest = |text: &str| text.parse::<f64>().ok().filter(|value| value.is_finite());
        match self {
            Numbers::Integers(array) => Some(array.value(row) as f64),
            Numbers::Unsigned(array) => Some(array.value(row) as f64),
            Numbers::Decimals(array) => nearest(&array.value_as_string(row)),
            Numbers::Doubles(array) => Some(array.value(row)),
            Numbers::Texts(array) => {
                let text = array.value(row).trim();
                Number::parse(text).and_then(|_| nearest(text))
            }
        }
    }
}

fn write(json: &mut String, value: impl std::fmt::Display) -> bool {
    write!(json, "{value}").is_ok()
}

fn write_text(text: &str, sql_type: SqlType, json: &mut String) -> bool {
    let end = match sql_type {
        SqlType::Varchar(Some(length)) => text.char_indices().nth(length as usize).map(|(end, _)| end),
        _ => None,
    };
    let text = &text[..end.unwrap_or(text.len())];
    json.push_str(&serde_json::to_string(text).expect("text is JSON"));
    true
}

fn write_time(millis: i64, dialect: Dialect, json: &mut String) -> bool {
    let Ok(at) = jiff::Timestamp::from_millisecond(millis) else { return false };
    // Flink writes a fraction only where there is one.
    let format = match dialect {
        Dialect::Flink if millis % 1000 == 0 => "%Y-%m-%d %H:%M:%S",
        _ => "%Y-%m-%d %H:%M:%S%.3f",
    };
    write(json, format_args!("\"{}\"", at.strftime(format)))
}

/// The values as text.
pub(crate) fn text_of(array: &ArrayRef) -> Result<StringArray, DataFusionError> {
    Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// What is written of each value of a column; `-` where its type cannot hold it.
    fn check(source: impl Array + 'static, sql_type: SqlType, expected: &[&str]) {
        let source: ArrayRef = Arc::new(source);
        let assigned = Assigned::new(&source, sql_type, Dialect::Aws).unwrap();
        let write = |row| {
            let mut json = String::new();
            if assigned.write(row, &mut json) { json } else { "-".to_owned() }
        };
        assert_eq!((0..source.len()).map(write).collect::<Vec<_>>(), expected, "{sql_type:?}");
    }

    fn decimals(values: &[i128], precision: u8, scale: i8) -> Decimal128Array {
        Decimal128Array::from(values.to_vec()).with_precision_and_scale(precision, scale).unwrap()
    }

    #[test]
    fn numbers_are_rounded_half_away_from_zero_and_refused_where_they_do_not_fit() {
        let halves = || decimals(&[5, -5, 4, 15, i128::from(i64::MAX) * 10 + 4, i128::from(i64::MAX) * 10 + 5], 38, 1);
        check(halves(), SqlType::BigInt, &["1", "-1", "0", "2", "9223372036854775807", "-"]);
        check(halves(), SqlType::TinyInt, &["1", "-1", "0", "2", "-", "-"]);
        check(decimals(&[125, -125, 99_995], 10, 3), SqlType::Decimal(4, 2), &["0.13", "-0.13", "-"]);
        check(decimals(&[7], 10, 0), SqlType::Decimal(4, 2), &["7.00"]);
        check(decimals(&[900_719_925_474_099_300, 10], 20, 2), SqlType::Double, &["9007199254740992.0", "0.1"]);
        let doubles = || Float64Array::from(vec![2.5, -2.5, 0.145, 1e19, f64::NAN]);
        check(doubles(), SqlType::BigInt, &["3", "-3", "0", "-", "-"]);
        check(doubles(), SqlType::Decimal(18, 2), &["2.50", "-2.50", "0.15", "-", "-"]);
        check(UInt64Array::from(vec![u64::MAX]), SqlType::BigInt, &["-"]);
        check(UInt64Array::from(vec![u64::MAX]), SqlType::Decimal(20, 0), &["18446744073709551615"]);
        check(Int64Array::from(vec![Some((1 << 53) + 1), None]), SqlType::BigInt, &["9007199254740993", "null"]);
        check(Int64Array::from(vec![(1 << 53) + 1]), SqlType::Decimal(18, 2), &["9007199254740993.00"]);
    }

    #[test]
    fn text_is_cut_and_is_a_number_or_a_time_only_where_it_says_so() {
        let texts = || StringArray::from(vec!["12.5", " 1e2", "x"]);
        check(texts(), SqlType::BigInt, &["13", "100", "-"]);
        check(texts(), SqlType::Double, &["12.5", "100.0", "-"]);
        check(texts(), SqlType::Varchar(Some(2)), &["\"12\"", "\" 1\"", "\"x\""]);
        check(StringArray::from(vec!["2024-05-01", "soon"]), SqlType::Timestamp, &["\"2024-05-01 00:00:00.000\"", "-"]);
    }
}
