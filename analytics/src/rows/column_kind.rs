//! What a column's values are, found by looking at all of them.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use model::datagram::columns::SensorColumn;
use model::datagram::schema::{FieldKind, TIME};
use serde::{Deserialize, Serialize};

use crate::rows::json_row::JsonRow;
use crate::rows::number_kind::NumberKind;

/// The narrowest type that holds every value seen, exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ColumnKind {
    /// Nothing but nulls.
    Null,
    /// Truth values.
    Bool,
    /// Numbers.
    Number(NumberKind),
    /// Integers of 64 bits without sign; only objects and tails of columns have such.
    Unsigned,
    /// Times; only objects and tails of columns have such.
    Time,
    /// Strings, objects, arrays, numbers beyond all types, or a mixture: the text as it is written.
    Text,
}

impl ColumnKind {
    /// The kind of one JSON value as it is written, so that text keeps every digit.
    pub(crate) fn of(raw: &str) -> ColumnKind {
        match raw.as_bytes().first() {
            Some(b'n') => ColumnKind::Null,
            Some(b't' | b'f') => ColumnKind::Bool,
            Some(b'-' | b'0'..=b'9') => NumberKind::of(raw).map_or(ColumnKind::Text, ColumnKind::Number),
            _ => ColumnKind::Text,
        }
    }

    /// The kind of a column whose values have a type already; none where there is no kind for them.
    pub(crate) fn of_arrow(data_type: &DataType) -> Option<ColumnKind> {
        Some(match data_type {
            DataType::Null => ColumnKind::Null,
            DataType::Boolean => ColumnKind::Bool,
            DataType::UInt64 => ColumnKind::Unsigned,
            DataType::Int64 => ColumnKind::Number(NumberKind::any_integers()),
            integer if integer.is_integer() => ColumnKind::Number(NumberKind::small_integers()),
            number if number.is_floating() => ColumnKind::Number(NumberKind::doubles()),
            DataType::Decimal128(precision, scale) => ColumnKind::Number(NumberKind::decimals(*precision, *scale)),
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
            FieldKind::F32 | FieldKind::F64 => ColumnKind::Number(NumberKind::doubles()),
            FieldKind::Text(_) => ColumnKind::Text,
            FieldKind::I64 => ColumnKind::Number(NumberKind::any_integers()),
            _ => ColumnKind::Number(NumberKind::small_integers()),
        }
    }

    /// The kind that holds values of both.
    #[must_use]
    pub(crate) fn merge(self, other: ColumnKind) -> ColumnKind {
        match (self, other) {
            (one, another) if one == another => one,
            (ColumnKind::Null, kind) | (kind, ColumnKind::Null) => kind,
            (ColumnKind::Number(one), ColumnKind::Number(other)) => ColumnKind::Number(one.merge(other)),
            // A stream whose archive was lines once: numbers of both fit, or the query says which does not.
            (ColumnKind::Number(number), ColumnKind::Unsigned) | (ColumnKind::Unsigned, ColumnKind::Number(number)) => {
                ColumnKind::Number(number.merge(NumberKind::unsigned_integers()))
            }
            _ => ColumnKind::Text,
        }
    }

    fn data_type(self) -> DataType {
        match self {
            ColumnKind::Bool => DataType::Boolean,
            ColumnKind::Number(numbers) => numbers.number_type().arrow(),
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
        typed.observe_kinds(columns);
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

    /// Takes the kinds of an object's values into account.
    pub(crate) fn observe_kinds<'n>(&mut self, kinds: impl IntoIterator<Item = (&'n str, ColumnKind)>) {
        for (i, (key, kind)) in kinds.into_iter().enumerate() {
            self.widen(i, key, kind);
        }
    }

    /// Takes a row into account.
    pub(crate) fn observe(&mut self, row: &JsonRow<'_>) {
        self.observe_kinds(row.0.iter().map(|(key, raw)| (key.as_ref(), ColumnKind::of(raw))));
    }

    /// Takes other records into account.
    pub(crate) fn merge(&mut self, other: &Columns) {
        self.observe_kinds(other.iter());
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
        let field = |(name, kind): (&str, ColumnKind)| Field::new(name, kind.data_type(), true);
        Arc::new(Schema::new(self.iter().map(field).collect::<Vec<_>>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raws: &[&str], expected: &DataType) {
        let kind = raws.iter().map(|raw| ColumnKind::of(raw)).reduce(ColumnKind::merge);
        assert_eq!(kind.map(ColumnKind::data_type).as_ref(), Some(expected), "{raws:?}");
    }

    #[test]
    fn columns_come_back_from_their_text() {
        let number = ColumnKind::of("9007199254740993.5");
        let columns = Columns::typed([("a \"b\"", number), ("é", ColumnKind::Text), ("t", ColumnKind::Time)]);
        let back = Columns::of_text(&columns.to_text()).unwrap();
        assert!(back.iter().eq(columns.iter()));
        for unknown in ["[[1,2]]", r#"[["n","Int"]]"#] {
            assert!(Columns::of_text(unknown).is_none());
        }
    }

    #[test]
    fn a_column_holds_every_value_exactly() {
        check(&["1", "null", "-9223372036854775808"], &DataType::Int64);
        check(&["1", "2.5"], &DataType::Float64);
        check(&["1e3"], &DataType::Float64);
        check(&["9007199254740993", "1.5", "null"], &DataType::Decimal128(38, 1));
        check(&["18446744073709551615"], &DataType::Decimal128(38, 0));
        check(&["1", "\"one\""], &DataType::Utf8);
        check(&["true", "1"], &DataType::Utf8);
        check(&["1e999"], &DataType::Utf8);
        check(&["{}", "null"], &DataType::Utf8);
        check(&["null", "null"], &DataType::Utf8);
    }
}
