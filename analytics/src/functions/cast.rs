//! `CAST` to numbers and to BOOLEAN.
//!
//! A number is rounded half away from zero where the target has fewer digits after the point, and decimals stay exact.
//! A number that does not fit, or text that is no number, is an error of the row. What the dialect does not convert at
//! all, such as BOOLEAN to INTEGER, is refused when the query is planned.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_datafusion_err, exec_err, internal_err, plan_err};
use datafusion::prelude::SessionContext;

use super::exact::{DIGITS_MAX, Exact, power_of_ten, rescale};
use super::function::{Arguments, Function, Kind};
use super::numbers::shown;
use super::value::{Value, sql_name};

const INTEGERS: [(&str, DataType); 4] = [
    ("aws_cast_tinyint", DataType::Int8),
    ("aws_cast_smallint", DataType::Int16),
    ("aws_cast_integer", DataType::Int32),
    ("aws_cast_bigint", DataType::Int64),
];

pub(super) fn register(context: &SessionContext) {
    for (name, target) in INTEGERS {
        let to = target.clone();
        let function = Function::new(name, "CAST", &[Kind::Any], DataType::Null, move |row| integer(&row[0], &to));
        context.register_udf(function.result(move |arguments| from_number(arguments, &target)).udf());
    }
    let functions = [
        Function::new("aws_cast_decimal", "CAST", &[Kind::Any, Kind::Integer, Kind::Integer], DataType::Null, |row| {
            decimal(&row[0], row[1].as_integer()?, row[2].as_integer()?)
        })
        .result(decimal_type),
        Function::new("aws_cast_real", "CAST", &[Kind::Any], DataType::Null, |row| real(&row[0]))
            .result(|arguments| from_number(arguments, &DataType::Float32)),
        Function::new("aws_cast_double", "CAST", &[Kind::Any], DataType::Null, |row| double(&row[0]))
            .result(|arguments| from_number(arguments, &DataType::Float64)),
        Function::new("aws_cast_boolean", "CAST", &[Kind::Any], DataType::Null, |row| boolean(&row[0]))
            .result(boolean_type),
    ];
    functions.into_iter().for_each(|function| context.register_udf(function.udf()));
}

/// The nearest integer of a type.
pub(super) fn integer(value: &Value<'_>, target: &DataType) -> Result<Value<'static>> {
    let (least, greatest) = match target {
        DataType::Int8 => (i8::MIN.into(), i8::MAX.into()),
        DataType::Int16 => (i16::MIN.into(), i16::MAX.into()),
        DataType::Int32 => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN, i64::MAX),
    };
    let fits = nearest(value, 0)?.and_then(|whole| i64::try_from(whole).ok());
    match fits.filter(|whole| (least..=greatest).contains(whole)) {
        Some(whole) => Ok(Value::Integer(whole)),
        None => exec_err!(
            "CAST: {} does not fit {}, which goes from {least} to {greatest}; cast it to a wider type",
            shown(value),
            sql_name(target)
        ),
    }
}

/// The nearest whole number of 10^-scale; none where it is too large.
fn nearest(value: &Value<'_>, scale: u8) -> Result<Option<i128>> {
    Ok(match value {
        Value::Integer(integer) => rescale((*integer).into(), 0, scale),
        Value::Decimal(digits, from) => rescale(*digits, *from, scale),
        Value::Real(real) => Exact::parse(&format!("{real:e}")).and_then(|exact| exact.rounded(scale)),
        Value::Double(double) => Exact::of_double(*double).and_then(|exact| exact.rounded(scale)),
        Value::Text(text) => number(text)?.rounded(scale),
        other => return internal_err!("{other:?} is no number"),
    })
}

/// The number that a text says; blanks around it do not count.
fn number(text: &str) -> Result<Exact> {
    Exact::parse(text.trim_matches(' ')).ok_or_else(|| {
        exec_datafusion_err!(
            "CAST: '{text}' is not a number; a number has digits, and may have a sign, a point and an exponent"
        )
    })
}

/// The nearest decimal of `precision` digits, `scale` of them after the point.
pub(super) fn decimal(value: &Value<'_>, precision: i64, scale: i64) -> Result<Value<'static>> {
    let digits = u8::try_from(scale).ok().map(|scale| nearest(value, scale)).transpose()?.flatten();
    let limit = u32::try_from(precision).ok().and_then(power_of_ten);
    match (digits, limit) {
        (Some(digits), Some(limit)) if digits.abs() < limit => Ok(Value::Decimal(digits, scale as u8)),
        _ => exec_err!(
            "CAST: {} does not fit DECIMAL({precision}, {scale}), which has {} digits before the point",
            shown(value),
            precision - scale
        ),
    }
}

fn decimal_type(arguments: &Arguments<'_>) -> Result<DataType> {
    let (precision, scale) = (arguments.literal_integer(1)?, arguments.literal_integer(2)?);
    if !(1..=DIGITS_MAX.into()).contains(&precision) || !(0..=precision).contains(&scale) {
        return plan_err!(
            "DECIMAL({precision}, {scale}) is no type: a DECIMAL has 1 to {DIGITS_MAX} digits, and at most all of them \
             after the point"
        );
    }
    from_number(arguments, &DataType::Decimal128(precision as u8, scale as i8))
}

pub(super) fn double(value: &Value<'_>) -> Result<Value<'static>> {
    let double = match value {
        Value::Integer(integer) => *integer as f64,
        Value::Real(real) => f64::from(*real),
        Value::Double(double) => *double,
        Value::Decimal(digits, scale) => float(&format!("{digits}e-{scale}"))?,
        Value::Text(text) => number(text).and_then(|_| float(text.trim_matches(' ')))?,
        other => return internal_err!("{other:?} is no number"),
    };
    fits(value, double.is_finite(), "DOUBLE, which ends at 1.8E308")?;
    Ok(Value::Double(double))
}

pub(super) fn real(value: &Value<'_>) -> Result<Value<'static>> {
    let real = match value {
        Value::Integer(integer) => *integer as f32,
        Value::Real(real) => *real,
        Value::Double(double) => *double as f32,
        Value::Decimal(digits, scale) => float(&format!("{digits}e-{scale}"))?,
        Value::Text(text) => number(text).and_then(|_| float(text.trim_matches(' ')))?,
        other => return internal_err!("{other:?} is no number"),
    };
    fits(value, real.is_finite(), "REAL, which ends at 3.4E38")?;
    Ok(Value::Real(real))
}

fn float<T: std::str::FromStr<Err = std::num::ParseFloatError>>(text: &str) -> Result<T> {
    text.parse().map_err(|error| exec_datafusion_err!("CAST: '{text}' is not a number: {error}"))
}

fn fits(value: &Value<'_>, is_finite: bool, target: &str) -> Result<()> {
    if is_finite { Ok(()) } else { exec_err!("CAST: {} does not fit {target}", shown(value)) }
}

/// The target where the source is a number or text.
fn from_number(arguments: &Arguments<'_>, target: &DataType) -> Result<DataType> {
    match &arguments.types[0] {
        DataType::Utf8 | DataType::Null => Ok(target.clone()),
        number if number.is_numeric() => Ok(target.clone()),
        DataType::Boolean => {
            plan_err!("a BOOLEAN does not convert to {}; write CASE WHEN x THEN 1 ELSE 0 END", sql_name(target))
        }
        other => plan_err!("{} does not convert to {}", sql_name(other), sql_name(target)),
    }
}

pub(super) fn boolean(value: &Value<'_>) -> Result<Value<'static>> {
    match value {
        Value::Boolean(boolean) => Ok(Value::Boolean(*boolean)),
        Value::Text(text) if text.trim_matches(' ').eq_ignore_ascii_case("true") => Ok(Value::Boolean(true)),
        Value::Text(text) if text.trim_matches(' ').eq_ignore_ascii_case("false") => Ok(Value::Boolean(false)),
        other => exec_err!("CAST: {} is not a BOOLEAN; write 'true' or 'false'", shown(other)),
    }
}

fn boolean_type(arguments: &Arguments<'_>) -> Result<DataType> {
    match &arguments.types[0] {
        DataType::Boolean | DataType::Utf8 | DataType::Null => Ok(DataType::Boolean),
        other => plan_err!("{} does not convert to BOOLEAN; compare it, as in x <> 0", sql_name(other)),
    }
}
