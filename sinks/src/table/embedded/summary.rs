//! What a file of tables holds, looked at without changing it.

use std::path::Path;

use model::name::TableName;
use model::table::store::TableSchema;
use redb::{ReadOnlyDatabase, ReadableDatabase, ReadableTable};

use super::rows::{ItemsDefinition, SCHEMAS, TableForm, items_name};
use super::store::OpenTablesError;

/// A table of the file.
#[derive(Debug)]
pub struct TableSummary {
    /// Its keys.
    pub schema: TableSchema,
    /// Items in it.
    pub items: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

/// Every table of the file at `path`, each read whole. Error: somebody has it open to write, it was not closed and waits to be
/// repaired by the next start, or it is damaged.
pub fn summary(path: &Path) -> Result<Vec<TableSummary>, OpenTablesError> {
    read(path).map_err(|source| OpenTablesError { path: path.to_owned(), source })
}

fn read(path: &Path) -> Result<Vec<TableSummary>, redb::Error> {
    let transaction = ReadOnlyDatabase::open(path)?.begin_read()?;
    let mut tables = Vec::new();
    for entry in transaction.open_table(SCHEMAS)?.iter()? {
        let (name, schema) = entry?;
        let damaged = |what: String| redb::Error::Corrupted(format!("table `{}`: {what}", name.value()));
        let form = TableForm::from_json(schema.value())
            .map_err(|error| damaged(format!("its keys cannot be read: {error}")))?;
        let name = TableName::new(name.value()).map_err(|error| damaged(error.to_string()))?;
        let (mut items, mut bytes) = (0, 0);
        for item in transaction.open_table(ItemsDefinition::new(&items_name(&name)))?.iter()? {
            let (key, value) = item?;
            items += 1;
            bytes += (key.value().len() + value.value().len()) as u64;
        }
        tables.push(TableSummary { schema: form.schema, items, bytes });
    }
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::table::store::{KeyAttribute, KeyType, TableStore};

    use super::*;
    use crate::table::embedded::store::EmbeddedTables;

    #[tokio::test]
    async fn a_closed_file_is_read_and_an_open_one_is_told() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("tables.redb");
        let tables = Arc::new(EmbeddedTables::open(&file).expect("a new file"));
        let partition_key = KeyAttribute { name: "Name".to_owned(), key_type: KeyType::String };
        let name = TableName::new("Rides").expect("a name");
        let schema = TableSchema { name: name.clone(), partition_key, sort_key: None };
        tables.create(schema.clone()).await.expect("created");
        let item = model::table::json::read_item(br#"{"Name": "Shadowfax"}"#).expect("an object");
        let versioned = model::table::store::VersionedItem { item, version: 7 };
        tables.put(&name, vec![versioned]).await.expect("put");
        assert!(summary(&file).is_err(), "it is open to write");
        drop(tables);
        let before = std::fs::read(&file).expect("readable");
        let found = summary(&file).expect("it reads");
        assert_eq!((found.len(), &found[0].schema, found[0].items), (1, &schema, 1));
        assert!(std::fs::read(&file).expect("readable") == before, "nothing was written");
    }
}
