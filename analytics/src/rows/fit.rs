//! Columns that have types already, as a query's schema wants them.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::SchemaRef;
use model::query::engine::SqlError;

use crate::error::failed;

/// A batch of `schema` whose columns `find` knows by name; those it does not know are null. Error: a value that its
/// column cannot hold, which is never a silent NULL.
pub(crate) fn fit(
    schema: &SchemaRef,
    rows: usize,
    find: impl Fn(&str) -> Option<ArrayRef>,
) -> Result<RecordBatch, SqlError> {
    let exact = CastOptions { safe: false, ..CastOptions::default() };
    let columns = schema.fields().iter().map(|field| match find(field.name()) {
        Some(array) if array.data_type() == field.data_type() => Ok(array),
        Some(array) => cast_with_options(&array, field.data_type(), &exact)
            .map_err(|error| failed(format!("reading column `{}` as {}", field.name(), field.data_type()), &error)),
        None => Ok(new_null_array(field.data_type(), rows)),
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options);
    Ok(batch.expect("every column has one value a row, of its own type"))
}
