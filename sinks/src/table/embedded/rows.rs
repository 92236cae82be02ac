//! What stands in the file: schemas and items as bytes, and how a page of them is read.

use model::name::TableName;
use model::table::store::{Page, TableError, TableSchema, VersionedItem};
use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};

use super::failure::Failure;

/// The table of schemas.
pub(super) const SCHEMAS: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("schemas");

/// The table of items of one table.
pub(super) type ItemsDefinition<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;

/// The same, opened to read.
pub(super) type ItemsTable = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

pub(super) fn items_name(table: &TableName) -> String {
    format!("items/{table}")
}

pub(super) fn schema_from(bytes: &[u8], table: &TableName) -> Result<TableSchema, TableError> {
    serde_json::from_slice(bytes).map_err(|source| damaged(table, "reading its keys", source))
}

/// The error of an item or a schema that is not what it should be.
pub(super) fn damaged(table: &TableName, doing: &str, source: serde_json::Error) -> TableError {
    TableError::Backend { table: table.clone(), doing: doing.to_owned(), source: source.into() }
}

pub(super) fn schema_in_read(transaction: &ReadTransaction, table: &TableName) -> Result<TableSchema, Failure> {
    let schemas = transaction.open_table(SCHEMAS)?;
    let bytes = schemas.get(table.as_str())?.ok_or_else(|| TableError::NotFound(table.clone()))?;
    Ok(schema_from(bytes.value(), table)?)
}

pub(super) fn schema_in_write(transaction: &WriteTransaction, table: &TableName) -> Result<TableSchema, Failure> {
    let schemas = transaction.open_table(SCHEMAS)?;
    let bytes = schemas.get(table.as_str())?.ok_or_else(|| TableError::NotFound(table.clone()))?;
    Ok(schema_from(bytes.value(), table)?)
}

pub(super) fn open_items(transaction: &ReadTransaction, table: &TableName) -> Result<ItemsTable, Failure> {
    let name = items_name(table);
    Ok(transaction.open_table(ItemsDefinition::new(&name))?)
}

pub(super) fn encode(versioned: &VersionedItem, table: &TableName) -> Result<Vec<u8>, TableError> {
    let mut bytes = versioned.version.to_be_bytes().to_vec();
    serde_json::to_writer(&mut bytes, &versioned.item).map_err(|source| damaged(table, "writing an item", source))?;
    Ok(bytes)
}

pub(super) fn decode(bytes: &[u8], table: &TableName) -> Result<VersionedItem, TableError> {
    let (version, json) = split(bytes);
    let item = serde_json::from_slice(json).map_err(|source| damaged(table, "reading an item", source))?;
    Ok(VersionedItem { item, version })
}

pub(super) fn split(value: &[u8]) -> (u64, &[u8]) {
    let (version, json) = value.split_first_chunk::<8>().expect("every value begins with its version");
    (u64::from_be_bytes(*version), json)
}

/// Takes up to `limit` items; the key of the last one goes along when there are more.
pub(super) fn page<'a>(
    schema: &TableSchema,
    mut found: impl Iterator<
        Item = Result<(redb::AccessGuard<'a, &'static [u8]>, redb::AccessGuard<'a, &'static [u8]>), redb::StorageError>,
    >,
    limit: usize,
) -> Result<Page, Failure> {
    let mut items = Vec::new();
    for entry in found.by_ref().take(limit) {
        items.push(decode(entry?.1.value(), &schema.name)?.item);
    }
    let more = found.next().transpose()?.is_some();
    let next = if more { items.last().map(|item| schema.key_of(item)).transpose()? } else { None };
    Ok(Page { items, next })
}
