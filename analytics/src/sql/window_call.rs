//! The functions that make windows, in both dialects.
//!
//! ```text
//! AWS     FLOOR(t TO MINUTE)   STEP(t, INTERVAL ..)   STAGGER(INTERVAL ..)
//! Flink   TUMBLE(t, size)   HOP(t, slide, size)   SESSION(t, gap), and the same over tables:
//!         TUMBLE(table, DESCRIPTOR(t), size, offset)   HOP(..)   CUMULATE(table, DESCRIPTOR(t), step, size, offset)
//! ```

use datafusion::sql::sqlparser::ast::{
    CeilFloorKind, DateTimeField, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned,
};
use model::query::engine::{Location, SqlError, SqlErrorKind};

use crate::place::location_of;
use crate::sql::interval::{Length, UNITS, Unit, length};
use crate::window::calendar::Tumbling;
use crate::window::cumulating::Cumulating;
use crate::window::hopping::Hopping;
use crate::window::kind::{Aligned, Keyed, WindowKind};

/// The longest window.
const WIDTH_MAX: i64 = 366 * 86_400_000;
/// Windows of one length that begin while one of them lasts: a row may be in so many.
const OVERLAPS_MAX: i64 = 100_000;

/// What a call says about a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Start,
    End,
    /// The last millisecond in it.
    RowTime,
}

/// A call that makes windows, or that names one's bounds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WindowCall {
    pub(crate) windows: WindowKind,
    /// What they are windows of; none where the query's time is meant.
    pub(crate) time: Option<Expr>,
    pub(crate) part: Part,
}

/// Where an expression stands.
pub(crate) fn location(expr: &impl Spanned) -> Option<Location> {
    let start = expr.span().start;
    (0 < start.line).then_some(Location { line: start.line, column: start.column })
}

/// An error at an expression.
pub(crate) fn refuse(at: &impl Spanned, message: impl Into<String>, suggestion: impl Into<String>) -> SqlError {
    refuse_at(location(at), message, suggestion)
}

/// An error at a place.
fn refuse_at(location: Option<Location>, message: impl Into<String>, suggestion: impl Into<String>) -> SqlError {
    let suggestion = Some(suggestion.into()).filter(|text| !text.is_empty());
    SqlError { location, suggestion, ..SqlError::new(SqlErrorKind::Invalid, message) }
}

/// The name of a function in upper case.
pub(crate) fn name_of(function: &Function) -> String {
    function.name.0.last().map(|part| part.to_string().trim_matches('"').to_uppercase()).unwrap_or_default()
}

/// A function's arguments, if all are plain expressions.
pub(crate) fn arguments(function: &Function) -> Option<Vec<&Expr>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    list.args
        .iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
            _ => None,
        })
        .collect()
}

/// The window that `FLOOR(t TO unit)` or `STEP(t, INTERVAL ..)` makes, or `STAGGER(INTERVAL ..)`.
pub(crate) fn aws(expr: &Expr) -> Result<Option<WindowCall>, SqlError> {
    let tumbling = |windows, time: &Expr| {
        let windows = WindowKind::Aligned(Aligned::Tumbling(windows));
        Ok(Some(WindowCall { windows, time: Some(time.clone()), part: Part::Start }))
    };
    match expr {
        Expr::Floor { expr: time, field: CeilFloorKind::DateTimeField(field) }
            if *field != DateTimeField::NoDateTime =>
        {
            tumbling(unit_windows(field, expr)?, time)
        }
        Expr::Function(function) if name_of(function) == "STEP" => {
            let form = "write STEP(ROWTIME BY INTERVAL '10' SECOND)";
            match arguments(function).as_deref() {
                Some([time, interval @ Expr::Interval(_)]) => tumbling(tumbling_of(interval)?, time),
                // STEP of a number is a function like any other.
                Some([_, _]) => Ok(None),
                _ => Err(refuse(expr, "STEP takes a time and an interval", form)),
            }
        }
        Expr::Function(function) if name_of(function) == "STAGGER" => {
            let form = "write RANGE INTERVAL '1' MINUTE";
            match arguments(function).as_deref() {
                Some([interval]) => {
                    let windows = WindowKind::Keyed(Keyed::Stagger { width: millis(interval)? });
                    Ok(Some(WindowCall { windows, time: None, part: Part::Start }))
                }
                _ => Err(refuse(expr, "a stagger window lasts for an interval", form)),
            }
        }
        _ => Ok(None),
    }
}

/// `TUMBLE(t, size)`, `HOP(t, slide, size)`, `SESSION(t, gap)`, or one of the functions that name their bounds.
pub(crate) fn flink_group(expr: &Expr) -> Result<Option<WindowCall>, SqlError> {
    let Expr::Function(function) = expr else { return Ok(None) };
    let name = name_of(function);
    let (kind, part) = match name.split_once('_') {
        None => (name.as_str(), Part::Start),
        Some((kind, "START")) => (kind, Part::Start),
        Some((kind, "END")) => (kind, Part::End),
        Some((kind, "ROWTIME" | "PROCTIME")) => (kind, Part::RowTime),
        Some(_) => return Ok(None),
    };
    if !["TUMBLE", "HOP", "SESSION"].contains(&kind) {
        return Ok(None);
    }
    let arguments = arguments(function).unwrap_or_default();
    let [time, lengths @ ..] = arguments.as_slice() else {
        return Err(refuse(expr, format!("{name} has no time column"), form(kind)));
    };
    let windows = windows_of(kind, lengths, None, expr)?;
    Ok(Some(WindowCall { windows, time: Some((*time).clone()), part }))
}

/// The windows of a Flink function with these lengths.
pub(crate) fn windows_of(
    kind: &str,
    lengths: &[&Expr],
    offset: Option<&Expr>,
    at: &impl Spanned,
) -> Result<WindowKind, SqlError> {
    let offset = offset.map_or(Ok(0), offset_millis)?;
    let aligned = |windows| Ok(WindowKind::Aligned(windows));
    match (kind, lengths) {
        ("TUMBLE", [size]) => aligned(Aligned::Tumbling(Tumbling::shifted(millis(size)?, offset))),
        ("HOP", [slide, size]) => {
            let hopping = Hopping { slide: millis(slide)?, width: millis(size)?, offset };
            if hopping.width / hopping.slide > OVERLAPS_MAX {
                let message = format!("a row would be in more than {OVERLAPS_MAX} windows");
                return Err(refuse(*slide, message, "write a longer slide or a shorter window; the slide comes first"));
            }
            aligned(Aligned::Hopping(hopping))
        }
        ("CUMULATE", [step, size]) => {
            let cumulating = Cumulating { step: millis(step)?, width: millis(size)?, offset };
            if cumulating.width % cumulating.step != 0 {
                let message = "the size of a cumulating window is not a multiple of its step";
                return Err(refuse(
                    *size,
                    message,
                    "the step comes first, then the size, such as '1' MINUTE, '1' HOUR",
                ));
            }
            aligned(Aligned::Cumulating(cumulating))
        }
        ("SESSION", [gap]) => Ok(WindowKind::Keyed(Keyed::Session { gap: millis(gap)? })),
        _ => Err(refuse(at, format!("{kind} has {} lengths", lengths.len()), form(kind))),
    }
}

/// How a call of this kind is written.
fn form(kind: &str) -> String {
    match kind {
        "HOP" => "write HOP(t, slide, size), such as HOP(ts, INTERVAL '10' SECOND, INTERVAL '1' MINUTE)".to_owned(),
        "CUMULATE" => "write CUMULATE(TABLE t, DESCRIPTOR(ts), step, size)".to_owned(),
        kind => format!("write {kind}(t, interval), such as {kind}(ts, INTERVAL '1' MINUTE)"),
    }
}

fn unit_windows(field: &DateTimeField, at: &Expr) -> Result<Tumbling, SqlError> {
    let unit = Unit::of(field).ok_or_else(|| {
        let place = match field {
            DateTimeField::Custom(name) => location_of(name),
            _ => location(at),
        };
        refuse_at(place, format!("unknown unit of time `{field}`"), format!("use {UNITS}"))
    })?;
    Ok(match unit.length() {
        Length::Millis(millis) => Tumbling::Millis(millis),
        Length::Months(months) => Tumbling::Months(months),
    })
}

fn tumbling_of(interval: &Expr) -> Result<Tumbling, SqlError> {
    match interval_length(interval)? {
        Length::Months(months) if 0 < months => Ok(Tumbling::Months(months)),
        _ => millis(interval).map(Tumbling::Millis),
    }
}

fn interval_length(expr: &Expr) -> Result<Length, SqlError> {
    let wrong =
        || refuse(expr, "this is not the length of a window", "write an interval, such as INTERVAL '10' SECOND");
    let Expr::Interval(interval) = expr else { return Err(wrong()) };
    if let Some(DateTimeField::Custom(name)) = &interval.leading_field {
        return Err(refuse_at(location_of(name), format!("unknown unit of time `{name}`"), format!("use {UNITS}")));
    }
    length(interval).ok_or_else(|| match &interval.leading_field {
        Some(_) => wrong(),
        None => refuse(expr, "the interval has no unit of time", format!("use {UNITS}")),
    })
}

/// A length in milliseconds.
fn millis(expr: &Expr) -> Result<i64, SqlError> {
    match interval_length(expr)? {
        Length::Months(_) => Err(refuse(
            expr,
            "months and years have no fixed length",
            "use STEP or FLOOR for calendar months and years",
        )),
        Length::Millis(millis) if (1..=WIDTH_MAX).contains(&millis) => Ok(millis),
        Length::Millis(_) => Err(refuse(
            expr,
            "a window must last from a millisecond to a year",
            "write a length such as INTERVAL '10' SECOND",
        )),
    }
}

fn offset_millis(expr: &Expr) -> Result<i64, SqlError> {
    let (expr, sign) = match expr {
        Expr::UnaryOp { op: datafusion::sql::sqlparser::ast::UnaryOperator::Minus, expr } => (expr.as_ref(), -1),
        other => (other, 1),
    };
    match interval_length(expr)? {
        Length::Millis(millis) => Ok(sign * millis),
        Length::Months(_) => {
            Err(refuse(expr, "months and years have no fixed length", "write the offset in days or hours"))
        }
    }
}
