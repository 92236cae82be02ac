//! Forms of the AWS dialect that are no plain calls, as calls of [`crate::functions`].

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, CeilFloorKind, CharacterLength, DataType, DateTimeField, ExactNumberInfo, Expr,
    TrimWhereField, UnaryOperator, Value,
};
use model::query::engine::SqlError;

use crate::sql::interval::Unit;
use crate::sql::tree::call;
use crate::sql::window_call::{arguments, name_of, refuse};

/// The call that a form stands for; none where the expression is no such form.
pub(crate) fn aws_call(expr: &Expr) -> Result<Option<Expr>, SqlError> {
    Ok(Some(match expr {
        Expr::Cast { kind: CastKind::Cast, expr: value, data_type, .. } => {
            return cast(expr, value, data_type).map(Some);
        }
        Expr::Floor { expr: time, field: CeilFloorKind::DateTimeField(field) } if is_unit(field) => {
            call("aws_floor_time", vec![(**time).clone(), unit(field)])
        }
        Expr::Ceil { expr: time, field: CeilFloorKind::DateTimeField(field) } if is_unit(field) => {
            call("aws_ceil_time", vec![(**time).clone(), unit(field)])
        }
        Expr::Extract { field, expr: time, .. } => match Unit::of(field) {
            Some(unit) => call(&format!("aws_extract_{}", format!("{unit:?}").to_lowercase()), vec![(**time).clone()]),
            None => return Err(refuse(expr, format!("EXTRACT has no field `{field}`"), "use YEAR to SECOND")),
        },
        Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
            call("aws_overlay", all([Some(expr), Some(overlay_what), Some(overlay_from), overlay_for.as_deref()]))
        }
        Expr::Position { expr, r#in } => call("aws_position", all([Some(expr), Some(r#in)])),
        Expr::Substring { expr, substring_from: Some(from), substring_for: None, special: false, .. }
            if is_text(from) =>
        {
            call("aws_substring_regex", all([Some(expr), Some(from)]))
        }
        Expr::Substring { expr, substring_from, substring_for, special, .. } => {
            let name = if *special { "aws_substring" } else { "aws_substring_from" };
            call(name, all([Some(expr), substring_from.as_deref(), substring_for.as_deref()]))
        }
        Expr::Trim { trim_where, trim_what, expr, trim_characters: None } => {
            let side = match trim_where {
                Some(TrimWhereField::Leading) => "LEADING",
                Some(TrimWhereField::Trailing) => "TRAILING",
                Some(TrimWhereField::Both) | None => "BOTH",
            };
            let blank = Box::new(text(" "));
            let what = trim_what.as_ref().unwrap_or(&blank);
            call("aws_trim", vec![text(side), (**what).clone(), (**expr).clone()])
        }
        Expr::SimilarTo { negated, expr, pattern, escape_char } => {
            let mut given = vec![(**expr).clone(), (**pattern).clone()];
            given.extend(escape_char.clone().map(Expr::Value));
            let similar = call("aws_similar_to", given);
            match negated {
                true => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(similar) },
                false => similar,
            }
        }
        Expr::Function(function) if name_of(function) == "STEP" => match arguments(function).as_deref() {
            Some([value, step]) => call("aws_step", vec![(*value).clone(), (*step).clone()]),
            _ => return Ok(None),
        },
        Expr::BinaryOp { left, op: BinaryOperator::Multiply, right } if is_interval(left) || is_interval(right) => {
            let (interval, number) = if is_interval(left) { (left, right) } else { (right, left) };
            call("aws_interval_times", vec![(**interval).clone(), (**number).clone()])
        }
        _ => return Ok(None),
    }))
}

fn is_unit(field: &DateTimeField) -> bool {
    Unit::of(field).is_some()
}

fn unit(field: &DateTimeField) -> Expr {
    text(&Unit::of(field).map_or_else(|| field.to_string(), |unit| format!("{unit:?}").to_uppercase()))
}

fn text(text: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(text.to_owned()))
}

fn number(number: u64) -> Expr {
    Expr::value(Value::Number(number.to_string(), false))
}

fn is_text(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)))
}

fn is_interval(expr: &Expr) -> bool {
    match expr {
        Expr::Interval(_) => true,
        Expr::Nested(inner) => is_interval(inner),
        _ => false,
    }
}

fn all<const N: usize>(given: [Option<&Expr>; N]) -> Vec<Expr> {
    given.into_iter().flatten().cloned().collect()
}

/// `CAST(value AS type)`.
fn cast(at: &Expr, value: &Expr, data_type: &DataType) -> Result<Expr, SqlError> {
    let value = value.clone();
    let plain = |name: &str| Ok(call(&format!("aws_cast_{name}"), vec![value.clone()]));
    let sized = |name: &str, length: &Option<CharacterLength>| match length {
        Some(CharacterLength::IntegerLength { length, .. }) => call(name, vec![value.clone(), number(*length)]),
        _ => call(name, vec![value.clone()]),
    };
    match data_type {
        DataType::TinyInt(_) => plain("tinyint"),
        DataType::SmallInt(_) => plain("smallint"),
        DataType::Int(_) | DataType::Integer(_) => plain("integer"),
        DataType::BigInt(_) => plain("bigint"),
        DataType::Real => plain("real"),
        DataType::Double(_) | DataType::DoublePrecision | DataType::Float(_) => plain("double"),
        DataType::Boolean | DataType::Bool => plain("boolean"),
        DataType::Date => plain("date"),
        DataType::Time(..) => plain("time"),
        DataType::Timestamp(..) => plain("timestamp"),
        DataType::Decimal(size) | DataType::Numeric(size) | DataType::Dec(size) => {
            let (precision, scale) = match size {
                ExactNumberInfo::None => (18, 0),
                ExactNumberInfo::Precision(precision) => (*precision, 0),
                ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
            };
            let scale = u64::try_from(scale).unwrap_or_default();
            Ok(call("aws_cast_decimal", vec![value, number(precision), number(scale)]))
        }
        DataType::Varchar(length) | DataType::CharVarying(length) | DataType::CharacterVarying(length) => {
            Ok(sized("aws_cast_varchar", length))
        }
        DataType::Char(length) | DataType::Character(length) => Ok(match length {
            Some(_) => sized("aws_cast_char", length),
            None => call("aws_cast_char", vec![value, number(1)]),
        }),
        other => Err(refuse(
            at,
            format!("CAST to {other} is not supported"),
            "use INTEGER, BIGINT, DECIMAL, DOUBLE, VARCHAR, BOOLEAN, TIMESTAMP or another type of CREATE STREAM",
        )),
    }
}
