//! What a column's values are, found by looking at all of them.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use model::datagram::columns::SensorColumn;
use model::datagram::schema::{FieldKind, TIME};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::rows::json_row::JsonRow;

/// The narrowest type that holds every value seen, exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ColumnKind {
    /// Nothing but nulls.
    Null,
    /// Truth values.
    Bool,
    /// Integers of 64 bits.
    Int,
    /// Numbers with a fraction or an exponent, maybe integers among them.
    Double,
    /// Integers of 64 bits without sign; only objects and tails of columns have such.
    Unsigned,
    /// Times; only objects and tails of columns have such.
    Time,
    /// Strings, objects, arrays, integers over 64 bits, or a mixture: the text as it is written.
    Text,
}

impl ColumnKind {
    /// The kind of one JSON value as it is written, so that text keeps every digit.
    pub(crate) fn of(raw: &str) -> ColumnKind {
        match raw.as_bytes().first() {
            Some(b'n') => ColumnKind::Null,
            Some(b't' | b'f') => ColumnKind::Bool,
            Some(b'-' | b'0'..=b'9') => {
                if raw.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
                    let finite = raw.parse::<f64>().is_ok_and(f64::is_finite);
                    if finite { ColumnKind::Double } else { ColumnKind::Text }
                } else if raw.parse::<i64>().is_ok() {
                    ColumnKind::Int
                } else {
                    ColumnKind::Text
                }
            }
            _ => ColumnKind::Text,
        }
    }

    /// The kind of one JSON value that was read already. Here integers over 64 bits are numbers with a fraction: a
    /// query that runs on computes with them, and does not show them digit by digit.
    pub(crate) fn of_value(value: &Value) -> ColumnKind {
        match value {
            Value::Null => ColumnKind::Null,
            Value::Bool(_) => ColumnKind::Bool,
            Value::Number(number) if number.is_i64() => ColumnKind::Int,
            Value::Number(_) => ColumnKind::Double,
            _ => ColumnKind::Text,
        }
    }

    /// The kind of a column whose values have a type already; none where there is no kind for them.
    pub(crate) fn of_arrow(data_type: &DataType) -> Option<ColumnKind> {
        Some(match data_type {
            DataType::Null => ColumnKind::Null,
            DataType::Boolean => ColumnKind::Bool,
            DataType::UInt64 => ColumnKind::Unsigned,
            integer if integer.is_integer() => ColumnKind::Int,
            number if number.is_floating() => ColumnKind::Double,
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => ColumnKind::Time,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ColumnKind::Text,
            decimal if decimal.is_decimal() => ColumnKind::Text,
            DataType::Dictionary(_, values) => return ColumnKind::of_arrow(values),
            _ => return None,
        })
    }

    /// The kind of a sensor record's column.
    pub(crate) fn of_sensor(column: &SensorColumn) -> ColumnKind {
        match column.kind {
            FieldKind::U64 if column.name == TIME => ColumnKind::Time,
            FieldKind::U64 => ColumnKind::Unsigned,
            FieldKind::F32 | FieldKind::F64 => ColumnKind::Double,
            FieldKind::Text(_) => ColumnKind::Text,
            _ => ColumnKind::Int,
        }
    }

    /// The kind that holds values of both.
    #[must_use]
    pub(crate) fn merge(self, other: ColumnKind) -> ColumnKind {
        match (self, other) {
            (one, another) if one == another => one,
            (ColumnKind::Null, kind) | (kind, ColumnKind::Null) => kind,
            (ColumnKind::Int, ColumnKind::Double) | (ColumnKind::Double, ColumnKind::Int) => ColumnKind::Double,
            // A stream whose archive was lines once: numbers of both fit, or the query says which does not.
            (ColumnKind::Int, ColumnKind::Unsigned) | (ColumnKind::Unsigned, ColumnKind::Int) => ColumnKind::Int,
            _ => ColumnKind::Text,
        }
    }

    fn data_type(self) -> DataType {
        match self {
            ColumnKind::Bool => DataType::Boolean,
            ColumnKind::Int => DataType::Int64,
            ColumnKind::Double => DataType::Float64,
            ColumnKind::Unsigned => DataType::UInt64,
            ColumnKind::Time => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            ColumnKind::Null | ColumnKind::Text => DataType::Utf8,
        }
    }
}

/// The columns of some records, in order of first appearance, and how many rows they make.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns {
    columns: Vec<(Arc<str>, ColumnKind)>,
    places: HashMap<Arc<str>, usize>,
}

impl Columns {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.columns.len()
    }

    /// The columns of rows that have types already.
    pub(crate) fn typed<'n>(columns: impl IntoIterator<Item = (&'n str, ColumnKind)>) -> Columns {
        let mut typed = Columns::default();
        for (place, (name, kind)) in columns.into_iter().enumerate() {
            typed.widen(place, name, kind);
        }
        typed
    }

    /// As text, for [`Columns::of_text`].
    pub(crate) fn to_text(&self) -> String {
        let columns: Vec<(&str, ColumnKind)> = self.iter().collect();
        serde_json::to_string(&columns).expect("names and kinds are JSON")
    }

    /// The columns that [`Columns::to_text`] wrote.
    pub(crate) fn of_text(text: &str) -> Option<Columns> {
        let columns: Vec<(String, ColumnKind)> = serde_json::from_str(text).ok()?;
        Some(Columns::typed(columns.iter().map(|(name, kind)| (name.as_str(), *kind))))
    }

    /// Each column with its kind.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, ColumnKind)> {
        self.columns.iter().map(|(name, kind)| (name.as_ref(), *kind))
    }

    /// Takes an object that was read already into account.
    pub(crate) fn observe_object(&mut self, object: &Map<String, Value>) {
        for (i, (key, value)) in object.iter().enumerate() {
            self.widen(i, key, ColumnKind::of_value(value));
        }
    }

    /// Takes a row into account.
    pub(crate) fn observe(&mut self, row: &JsonRow<'_>) {
        for (i, (key, raw)) in row.0.iter().enumerate() {
            self.widen(i, key, ColumnKind::of(raw));
        }
    }

    /// Takes other records into account.
    pub(crate) fn merge(&mut self, other: &Columns) {
        for (i, (name, kind)) in other.columns.iter().enumerate() {
            self.widen(i, name, *kind);
        }
    }

    /// `guess` is where the column probably stands: records of one writer have their keys in one order.
    fn widen(&mut self, guess: usize, name: &str, kind: ColumnKind) {
        let place = match self.columns.get(guess) {
            Some((there, _)) if **there == *name => guess,
            _ => match self.places.get(name) {
                Some(place) => *place,
                None => {
                    let name: Arc<str> = name.into();
                    self.places.insert(Arc::clone(&name), self.columns.len());
                    self.columns.push((name, kind));
                    return;
                }
            },
        };
        let known = &mut self.columns[place].1;
        *known = known.merge(kind);
    }

    /// The columns as a table's schema.
    pub(crate) fn schema(&self) -> SchemaRef {
        let field = |(name, kind): &(Arc<str>, ColumnKind)| Field::new(name.as_ref(), kind.data_type(), true);
        Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raws: &[&str], expected: ColumnKind) {
        let kind = raws.iter().map(|raw| ColumnKind::of(raw)).reduce(ColumnKind::merge);
        assert_eq!(kind, Some(expected), "{raws:?}");
    }

    #[test]
    fn columns_come_back_from_their_text() {
        let columns = Columns::typed([("a \"b\"", ColumnKind::Int), ("é", ColumnKind::Text), ("t", ColumnKind::Time)]);
        let back = Columns::of_text(&columns.to_text()).unwrap();
        assert!(back.iter().eq(columns.iter()));
        assert!(Columns::of_text("[[1,2]]").is_none());
    }

    #[test]
    fn a_kind_holds_every_value_exactly() {
        check(&["1", "null", "-9223372036854775808"], ColumnKind::Int);
        check(&["1", "2.5"], ColumnKind::Double);
        check(&["1e3"], ColumnKind::Double);
        check(&["18446744073709551615"], ColumnKind::Text);
        check(&["1", "\"one\""], ColumnKind::Text);
        check(&["true", "1"], ColumnKind::Text);
        check(&["1e999"], ColumnKind::Text);
        check(&["{}", "null"], ColumnKind::Text);
        check(&["null", "null"], ColumnKind::Null);
    }
}
