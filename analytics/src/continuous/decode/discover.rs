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

fn type_of(kind: ColumnKind) -> SqlType {
    match kind {
        ColumnKind::Bool => SqlType::Boolean,
        ColumnKind::Int => SqlType::BigInt,
        ColumnKind::Double => SqlType::Double,
        _ => SqlType::Varchar(None),
    }
}
