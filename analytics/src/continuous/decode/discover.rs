//! The columns of a stream that declares none, from its first records.

use crate::continuous::decode::json::Kinds;
use crate::rows::column_kind::{ColumnKind, Columns};
use crate::rows::number::DIGITS_MAX;
use crate::rows::number_kind::NumberType;
use crate::sql::schema::{ROWTIME, SqlColumn, SqlType};

/// Columns that fit all of `objects`: `BIGINT`, `DOUBLE`, `DECIMAL` where neither keeps all numbers, `BOOLEAN`, and `VARCHAR`
/// for all else, in order of appearance.
pub(crate) fn discover<'a>(objects: impl IntoIterator<Item = &'a Kinds>) -> Vec<SqlColumn> {
    let mut columns = Columns::default();
    for object in objects {
        columns.observe_kinds(object.iter().map(|(name, kind)| (name.as_str(), *kind)));
    }
    let own = columns.iter().filter(|(name, _)| *name != ROWTIME);
    own.map(|(name, kind)| SqlColumn { name: name.to_owned(), sql_type: type_of(kind) }).collect()
}

/// Columns that fit most values of each column in `objects`. Those of other kinds do not fit.
pub(crate) fn discover_usual<'a>(objects: impl IntoIterator<Item = &'a Kinds> + Clone) -> Vec<SqlColumn> {
    let mut columns = discover(objects.clone());
    for column in &mut columns {
        let mut counts: Vec<(ColumnKind, usize)> = Vec::new();
        let of_column = |object: &'a Kinds| object.iter().rev().find(|(name, _)| *name == column.name);
        for (_, kind) in objects.clone().into_iter().filter_map(of_column) {
            let kind = *kind;
            // Integers fit a column of numbers.
            let of_family = |known: ColumnKind| known.merge(kind) != ColumnKind::Text || known == kind;
            match counts.iter_mut().find(|(known, _)| kind != ColumnKind::Null && of_family(*known)) {
                Some((known, count)) => (*known, *count) = (known.merge(kind), *count + 1),
                None if kind == ColumnKind::Null => {}
                None => counts.push((kind, 1)),
            }
        }
        if let Some((usual, _)) = counts.into_iter().max_by_key(|(_, count)| *count) {
            column.sql_type = type_of(usual);
        }
    }
    columns
}

fn type_of(kind: ColumnKind) -> SqlType {
    match kind {
        ColumnKind::Bool => SqlType::Boolean,
        ColumnKind::Number(numbers) => match numbers.number_type() {
            NumberType::Integer => SqlType::BigInt,
            NumberType::Double => SqlType::Double,
            NumberType::Decimal(scale) => SqlType::Decimal(DIGITS_MAX, scale.cast_signed()),
            NumberType::Text => SqlType::Varchar(None),
        },
        _ => SqlType::Varchar(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::continuous::decode::json::objects;

    fn types(find: impl Fn(&[Kinds]) -> Vec<SqlColumn>, texts: &[&str]) -> Vec<SqlType> {
        let kinds: Vec<Kinds> = texts.iter().flat_map(|text| objects(text.as_bytes()).unwrap()).collect();
        find(&kinds).into_iter().map(|column| column.sql_type).collect()
    }

    #[test]
    fn a_few_odd_values_do_not_change_the_usual_type() {
        let texts = [r#"{"k":"a","v":"odd"}"#, r#"{"k":7,"v":1}"#, r#"{"k":"b","v":2.5}"#, r#"{"k":null,"v":true}"#];
        let text = SqlType::Varchar(None);
        assert_eq!(types(|kinds| discover(kinds), &texts), [text, text]);
        assert_eq!(types(|kinds| discover_usual(kinds), &texts), [text, SqlType::Double]);
    }

    #[test]
    fn numbers_get_a_type_that_keeps_them() {
        let types = |texts| types(|kinds| discover(kinds), texts);
        assert_eq!(types(&[r#"{"v":9007199254740993} {"v":2}"#]), [SqlType::BigInt]);
        assert_eq!(types(&[r#"{"v":9007199254740993}"#, r#"{"v":1.5}"#]), [SqlType::Decimal(38, 1)]);
        assert_eq!(types(&[r#"{"v":18446744073709551616}"#]), [SqlType::Decimal(38, 0)]);
        assert_eq!(types(&[r#"{"v":1e400}"#]), [SqlType::Varchar(None)]);
    }
}
