//! The columns of a stream that declares none, from its first records.

use serde_json::{Map, Value};

use crate::rows::column_kind::{ColumnKind, Columns};
use crate::sql::schema::{ROWTIME, SqlColumn, SqlType};

/// Columns that fit all of `objects`: `BIGINT`, `DOUBLE`, `BOOLEAN`, and `VARCHAR` for all else, in order of appearance.
pub(crate) fn discover<'a>(objects: impl IntoIterator<Item = &'a Map<String, Value>>) -> Vec<SqlColumn> {
    let mut columns = Columns::default();
    objects.into_iter().for_each(|object| columns.observe_object(object));
    let own = columns.iter().filter(|(name, _)| *name != ROWTIME);
    own.map(|(name, kind)| SqlColumn { name: name.to_owned(), sql_type: type_of(kind) }).collect()
}

/// Columns that fit most values of each column in `objects`. Those of other kinds do not fit.
pub(crate) fn discover_usual<'a>(objects: impl IntoIterator<Item = &'a Map<String, Value>> + Clone) -> Vec<SqlColumn> {
    let mut columns = discover(objects.clone());
    for column in &mut columns {
        let mut counts: Vec<(ColumnKind, usize)> = Vec::new();
        for kind in objects.clone().into_iter().filter_map(|object| object.get(&column.name)).map(ColumnKind::of_value)
        {
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
        ColumnKind::Int => SqlType::BigInt,
        ColumnKind::Double => SqlType::Double,
        _ => SqlType::Varchar(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_odd_values_do_not_change_the_usual_type() {
        let objects = [r#"{"k":"a","v":"odd"}"#, r#"{"k":7,"v":1}"#, r#"{"k":"b","v":2.5}"#, r#"{"k":null,"v":true}"#];
        let objects = objects.map(|text| serde_json::from_str(text).unwrap());
        let types = |columns: Vec<SqlColumn>| columns.into_iter().map(|column| column.sql_type).collect::<Vec<_>>();
        assert_eq!(types(discover(&objects)), [SqlType::Varchar(None), SqlType::Varchar(None)]);
        assert_eq!(types(discover_usual(&objects)), [SqlType::Varchar(None), SqlType::Double]);
    }
}
