//! Functions of numbers. What has no value, such as the logarithm of 0, is an error of the row and not NULL.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_datafusion_err, exec_err, internal_err, plan_err};
use datafusion::prelude::SessionContext;

use super::exact::{DIGITS_MAX, decimal_text, power_of_ten};
use super::function::{Arguments, Function, Kind, as_first};
use super::value::{Value, sql_name};

pub(super) fn register(context: &SessionContext) {
    let functions = [
        Function::new("ceil", "CEIL", &[Kind::Number], DataType::Null, |row| whole(&row[0], Toward::Up))
            .alias("ceiling")
            .result(whole_type),
        Function::new("floor", "FLOOR", &[Kind::Number], DataType::Null, |row| whole(&row[0], Toward::Down))
            .result(whole_type),
        Function::new("abs", "ABS", &[Kind::Any], DataType::Null, |row| abs(&row[0])).result(abs_type),
        Function::new("mod", "MOD", &[Kind::Number, Kind::Number], DataType::Null, modulo).result(modulo_type),
        Function::new("power", "POWER", &[Kind::Double, Kind::Double], DataType::Float64, power).alias("pow"),
        Function::new("exp", "EXP", &[Kind::Double], DataType::Float64, |row| {
            let x = row[0].as_double()?;
            finite(x.exp(), || format!("EXP({x})"))
        }),
        Function::new("ln", "LN", &[Kind::Double], DataType::Float64, |row| logarithm("LN", &row[0], f64::ln)),
        Function::new("log10", "LOG10", &[Kind::Double], DataType::Float64, |row| {
            logarithm("LOG10", &row[0], f64::log10)
        }),
        Function::new("aws_divide", "/", &[Kind::Double, Kind::Double], DataType::Float64, divide),
    ];
    functions.into_iter().for_each(|function| context.register_udf(function.udf()));
}

#[derive(Clone, Copy)]
enum Toward {
    Down,
    Up,
}

/// The nearest whole number in one direction. An integer is one already.
fn whole(value: &Value<'_>, toward: Toward) -> Result<Value<'static>> {
    Ok(match (value, toward) {
        (Value::Integer(integer), _) => Value::Integer(*integer),
        (Value::Real(real), Toward::Down) => Value::Real(real.floor()),
        (Value::Real(real), Toward::Up) => Value::Real(real.ceil()),
        (Value::Double(double), Toward::Down) => Value::Double(double.floor()),
        (Value::Double(double), Toward::Up) => Value::Double(double.ceil()),
        (Value::Decimal(digits, scale), _) => {
            let Some(one) = power_of_ten((*scale).into()) else { return internal_err!("a scale of {scale}") };
            let down = digits.div_euclid(one);
            let is_between = matches!(toward, Toward::Up) && digits.rem_euclid(one) != 0;
            Value::Decimal(down + i128::from(is_between), 0)
        }
        (other, _) => return internal_err!("{other:?} is no number"),
    })
}

/// A decimal loses its fraction, and may gain a digit before it.
fn whole_type(arguments: &Arguments<'_>) -> Result<DataType> {
    Ok(match &arguments.types[0] {
        DataType::Decimal128(precision, scale) if *scale > 0 => {
            let whole_digits = precision.saturating_sub(scale.unsigned_abs());
            DataType::Decimal128((whole_digits + 1).min(DIGITS_MAX), 0)
        }
        other => other.clone(),
    })
}

fn abs(value: &Value<'_>) -> Result<Value<'static>> {
    Ok(match value {
        Value::Integer(integer) => Value::Integer(
            integer.checked_abs().ok_or_else(|| exec_datafusion_err!("ABS({integer}) does not fit BIGINT"))?,
        ),
        Value::Decimal(digits, scale) => Value::Decimal(digits.abs(), *scale),
        Value::Real(real) => Value::Real(real.abs()),
        Value::Double(double) => Value::Double(double.abs()),
        Value::Interval(span) => Value::Interval(span.map(i64::checked_abs)?),
        other => return internal_err!("{other:?} has no absolute value"),
    })
}

fn abs_type(arguments: &Arguments<'_>) -> Result<DataType> {
    match &arguments.types[0] {
        DataType::Interval(_) | DataType::Null => {}
        number if number.is_numeric() => {}
        other => return plan_err!("ABS takes a number or an interval, but its argument is {}", sql_name(other)),
    }
    as_first(arguments)
}

/// The remainder, with the sign of the dividend.
fn modulo(row: &[Value<'_>]) -> Result<Value<'static>> {
    let wide = |value: &Value<'_>| match value {
        Value::Integer(integer) => Ok(i128::from(*integer)),
        Value::Decimal(digits, 0) => Ok(*digits),
        other => internal_err!("{other:?} is no whole number"),
    };
    let (dividend, divisor) = (wide(&row[0])?, wide(&row[1])?);
    let rest = dividend.checked_rem(divisor).ok_or_else(|| {
        exec_datafusion_err!(
            "MOD({dividend}, 0) has no value, because the divisor is 0; leave such rows out with WHERE"
        )
    })?;
    Ok(match (&row[0], &row[1]) {
        // A remainder is nearer to 0 than the dividend, so it fits what the dividend fits.
        (Value::Integer(_), Value::Integer(_)) => Value::Integer(rest as i64),
        _ => Value::Decimal(rest, 0),
    })
}

fn modulo_type(arguments: &Arguments<'_>) -> Result<DataType> {
    let digits = |data_type: &DataType| match data_type {
        DataType::Decimal128(precision, 0) => Some(*precision),
        integer if integer.is_integer() => Some(19),
        DataType::Null => Some(0),
        _ => None,
    };
    let (left, right) = (&arguments.types[0], &arguments.types[1]);
    match (digits(left), digits(right)) {
        _ if left.is_integer() && right.is_integer() => {
            Ok(if left.primitive_width() < right.primitive_width() { right.clone() } else { left.clone() })
        }
        (Some(left), Some(right)) => Ok(DataType::Decimal128(left.max(right).max(1), 0)),
        _ => plan_err!(
            "MOD takes whole numbers only, and here it has {} and {}; round them with CAST(x AS BIGINT)",
            sql_name(left),
            sql_name(right)
        ),
    }
}

fn power(row: &[Value<'_>]) -> Result<Value<'static>> {
    let (base, exponent) = (row[0].as_double()?, row[1].as_double()?);
    if base == 0.0 && exponent < 0.0 {
        return exec_err!("POWER(0, {exponent}) has no value: 0 cannot be raised to a negative power");
    }
    if base < 0.0 && exponent.fract() != 0.0 {
        return exec_err!("POWER({base}, {exponent}) has no value: a negative number needs a whole power");
    }
    finite(base.powf(exponent), || format!("POWER({base}, {exponent})"))
}

fn logarithm(name: &str, value: &Value<'_>, compute: impl Fn(f64) -> f64) -> Result<Value<'static>> {
    let x = value.as_double()?;
    if x <= 0.0 {
        return exec_err!("{name}({x}) has no value: only numbers above 0 have a logarithm");
    }
    Ok(Value::Double(compute(x)))
}

fn divide(row: &[Value<'_>]) -> Result<Value<'static>> {
    let (dividend, divisor) = (row[0].as_double()?, row[1].as_double()?);
    if divisor == 0.0 {
        return exec_err!("{dividend} / 0 has no value, because the divisor is 0; leave such rows out with WHERE");
    }
    finite(dividend / divisor, || format!("{dividend} / {divisor}"))
}

fn finite(result: f64, call: impl Fn() -> String) -> Result<Value<'static>> {
    if result.is_infinite() {
        return exec_err!("{} is too large for a DOUBLE, which ends at 1.8E308", call());
    }
    Ok(Value::Double(result))
}

/// A number as people write it, for messages.
pub(super) fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Integer(integer) => integer.to_string(),
        Value::Decimal(digits, scale) => decimal_text(*digits, *scale),
        Value::Real(real) => real.to_string(),
        Value::Double(double) => double.to_string(),
        Value::Text(text) => format!("'{text}'"),
        other => format!("{other:?}"),
    }
}
