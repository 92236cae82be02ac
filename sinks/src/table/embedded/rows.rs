//! What stands in the file: schemas and items as bytes, and how a page of them is read.

use model::name::TableName;
use model::table::page::PageBuilder;
use model::table::store::{ItemKey, Page, TableError, TableSchema, VersionedItem};
use model::table::value::Item;
use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::item_bytes;
use crate::table::key_bytes::{KeyNumbers, TooLongForTable};

/// The table of schemas.
pub(super) const SCHEMAS: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("schemas");

/// The table of items of one table.
pub(super) type ItemsDefinition<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;

/// The same, opened to read.
pub(super) type ItemsTable = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

pub(super) fn items_name(table: &TableName) -> String {
    format!("items/{table}")
}

/// A table's keys, and how they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableForm {
    pub(super) schema: TableSchema,
    pub(super) numbers: KeyNumbers,
}

/// The same as JSON. Older versions kept the schema alone, and their tables keep the numbers of that time. They cannot
/// read the new form, so they never write keys of the old one beside keys of the new one.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredForm {
    WithNumbers { schema: TableSchema, numbers: KeyNumbers },
    Alone(TableSchema),
}

impl TableForm {
    /// Of a table that is created now.
    pub(super) fn new(schema: TableSchema) -> Self {
        TableForm { schema, numbers: KeyNumbers::Exact }
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>, TableError> {
        let TableForm { schema, numbers } = self.clone();
        let name = schema.name.clone();
        let stored = StoredForm::WithNumbers { schema, numbers };
        serde_json::to_vec(&stored).map_err(|source| damaged(&name, "writing its keys", source))
    }

    pub(super) fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        Ok(match serde_json::from_slice(json)? {
            StoredForm::WithNumbers { schema, numbers } => TableForm { schema, numbers },
            StoredForm::Alone(schema) => TableForm { schema, numbers: KeyNumbers::Bits64 },
        })
    }

    /// The stored key of an item. Error: [`TableError::InvalidItem`].
    pub(super) fn key_of(&self, item: &Item) -> Result<Vec<u8>, TableError> {
        let key = self.schema.check_item(item)?;
        let invalid = |error: TooLongForTable| TableError::InvalidItem {
            table: self.schema.name.clone(),
            reason: error.to_string(),
        };
        self.numbers.key(&key).map_err(invalid)
    }

    /// The stored form of a key. Error: [`TableError::InvalidKey`].
    pub(super) fn key(&self, key: &ItemKey) -> Result<Vec<u8>, TableError> {
        self.schema.check_key(key)?;
        self.numbers.key(key).map_err(|error| self.invalid_key(&error))
    }

    pub(super) fn invalid_key(&self, error: &TooLongForTable) -> TableError {
        TableError::InvalidKey { table: self.schema.name.clone(), reason: error.to_string() }
    }
}

pub(super) fn form_from(bytes: &[u8], table: &TableName) -> Result<TableForm, TableError> {
    TableForm::from_json(bytes).map_err(|source| damaged(table, "reading its keys", source))
}

/// The error of an item or a schema that is not what it should be.
pub(super) fn damaged(
    table: &TableName,
    doing: &str,
    source: impl std::error::Error + Send + Sync + 'static,
) -> TableError {
    TableError::Backend { table: table.clone(), doing: doing.to_owned(), source: source.into() }
}

pub(super) fn form_in_read(transaction: &ReadTransaction, table: &TableName) -> Result<TableForm, Failure> {
    let schemas = transaction.open_table(SCHEMAS)?;
    let bytes = schemas.get(table.as_str())?.ok_or_else(|| TableError::NotFound(table.clone()))?;
    Ok(form_from(bytes.value(), table)?)
}

pub(super) fn form_in_write(transaction: &WriteTransaction, table: &TableName) -> Result<TableForm, Failure> {
    let schemas = transaction.open_table(SCHEMAS)?;
    let bytes = schemas.get(table.as_str())?.ok_or_else(|| TableError::NotFound(table.clone()))?;
    Ok(form_from(bytes.value(), table)?)
}

pub(super) fn open_items(transaction: &ReadTransaction, table: &TableName) -> Result<ItemsTable, Failure> {
    let name = items_name(table);
    Ok(transaction.open_table(ItemsDefinition::new(&name))?)
}

pub(super) fn row_from(bytes: &[u8], table: &TableName) -> Result<VersionedItem, TableError> {
    item_bytes::decode(bytes).map_err(|source| damaged(table, "reading an item", source))
}

pub(super) fn version_from(bytes: &[u8], table: &TableName) -> Result<u64, TableError> {
    item_bytes::version_of(bytes).map_err(|source| damaged(table, "reading an item", source))
}

/// Takes items until the page is full; the key of the last one goes along when there are more.
pub(super) fn page<'a>(
    schema: &TableSchema,
    found: impl Iterator<
        Item = Result<(redb::AccessGuard<'a, &'static [u8]>, redb::AccessGuard<'a, &'static [u8]>), redb::StorageError>,
    >,
    limit: usize,
) -> Result<Page, Failure> {
    let mut page = PageBuilder::new(limit);
    for entry in found {
        if !page.push(row_from(entry?.1.value(), &schema.name)?.item) {
            break;
        }
    }
    Ok(page.finish(|item| schema.key_of(item))?)
}

#[cfg(test)]
mod tests {
    use model::table::store::{KeyAttribute, KeyType};

    use super::*;

    #[test]
    fn schemas_of_older_versions_are_read_and_theirs_do_not_read_ours() {
        let old = r#"{"name":"t","partition_key":{"name":"id","key_type":"number"},"sort_key":null}"#;
        let schema = TableSchema {
            name: TableName::new("t").unwrap(),
            partition_key: KeyAttribute { name: "id".into(), key_type: KeyType::Number },
            sort_key: None,
        };
        let form = TableForm::from_json(old.as_bytes()).unwrap();
        assert_eq!(form, TableForm { schema: schema.clone(), numbers: KeyNumbers::Bits64 });
        let new = TableForm::new(schema);
        let json = new.to_json().unwrap();
        assert_eq!(TableForm::from_json(&json).unwrap(), new);
        assert!(serde_json::from_slice::<TableSchema>(&json).is_err());
        assert!(TableForm::from_json(b"{}").is_err());
    }
}
