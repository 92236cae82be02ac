//! Tables in one file of this process, kept by redb.
//!
//! Every put is one transaction: all or none of its items, on disk when it returns. One writer at a time; readers
//! never wait. A full disk refuses puts until there is room (`file.rs`). Schemas stand in the table `schemas` as JSON, the items of table `t` in `items/t`:
//!
//! ```text
//! key    partition and sort key, see `key_bytes`
//! value  version (8 bytes, big-endian)  item as JSON
//! ```

use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use model::name::TableName;
use model::table::store::{
    ItemKey, Order, Page, PutCondition, Query, TableError, TableSchema, TableStore, VersionedItem,
};
use redb::{Database, ReadableDatabase, ReadableTable};

use super::bounds::query_bounds;
use super::failure::Failure;
use super::file::TablesFile;
use super::rows::{
    ItemsDefinition, SCHEMAS, damaged, decode, encode, items_name, open_items, page, schema_from, schema_in_read,
    schema_in_write, split,
};
use crate::table::key_bytes::key_bytes;

/// Tables in one file.
#[derive(Clone)]
pub struct EmbeddedTables {
    file: Arc<TablesFile>,
}

/// The file of the tables cannot be opened: it is open elsewhere, damaged, or not such a file.
#[derive(Debug, thiserror::Error)]
#[error("tables in `{}` cannot be opened", path.display())]
pub struct OpenTablesError {
    /// The file.
    pub path: PathBuf,
    /// What the store said.
    #[source]
    pub source: redb::Error,
}

impl EmbeddedTables {
    /// Opens the file, or creates it. Blocks while a file that was not closed is repaired. Error: [`OpenTablesError`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenTablesError> {
        let path = path.as_ref();
        let failed = |source: redb::Error| OpenTablesError { path: path.to_owned(), source };
        let file = TablesFile::open(path).map_err(failed)?;
        let start = || -> Result<(), redb::Error> {
            let transaction = file.database()?.begin_write()?;
            transaction.open_table(SCHEMAS)?;
            Ok(transaction.commit()?)
        };
        start().map_err(failed)?;
        Ok(EmbeddedTables { file: Arc::new(file) })
    }

    /// Runs `work` where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        table: &TableName,
        doing: &'static str,
        work: impl FnOnce(&Database, &TableName) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, TableError> {
        let (file, name) = (Arc::clone(&self.file), table.clone());
        let work = move || work(&*file.database().map_err(Failure::Store)?, &name);
        let done = tokio::task::spawn_blocking(work).await;
        match done {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Failure::Table(error))) => Err(error),
            Ok(Err(Failure::Store(source))) => {
                Err(TableError::Backend { table: table.clone(), doing: doing.to_owned(), source: source.into() })
            }
            Err(source) => {
                Err(TableError::Backend { table: table.clone(), doing: doing.to_owned(), source: source.into() })
            }
        }
    }
}

#[async_trait]
impl TableStore for EmbeddedTables {
    async fn create(&self, schema: TableSchema) -> Result<(), TableError> {
        let name = schema.name.clone();
        self.blocking(&name, "creating it", move |database, name| {
            let transaction = database.begin_write()?;
            {
                let mut schemas = transaction.open_table(SCHEMAS)?;
                let there = schemas.get(name.as_str())?.map(|bytes| schema_from(bytes.value(), name)).transpose()?;
                match there {
                    Some(there) if there == schema => return Ok(()),
                    Some(_) => return Err(TableError::Exists(name.clone()).into()),
                    None => {}
                }
                let json = serde_json::to_vec(&schema).map_err(|source| damaged(name, "writing its keys", source))?;
                schemas.insert(name.as_str(), json.as_slice())?;
                transaction.open_table(ItemsDefinition::new(&items_name(name)))?;
            }
            Ok(transaction.commit()?)
        })
        .await
    }

    async fn list(&self) -> Result<Vec<TableSchema>, TableError> {
        let none = TableName::new("schemas").expect("a valid name");
        self.blocking(&none, "listing tables", |database, name| {
            let transaction = database.begin_read()?;
            let schemas = transaction.open_table(SCHEMAS)?;
            let mut list = Vec::new();
            for entry in schemas.iter()? {
                list.push(schema_from(entry?.1.value(), name)?);
            }
            Ok(list)
        })
        .await
    }

    async fn describe(&self, table: &TableName) -> Result<TableSchema, TableError> {
        self.blocking(table, "reading its keys", |database, name| schema_in_read(&database.begin_read()?, name)).await
    }

    async fn drop_table(&self, table: &TableName) -> Result<(), TableError> {
        self.blocking(table, "dropping it", |database, name| {
            let transaction = database.begin_write()?;
            {
                let mut schemas = transaction.open_table(SCHEMAS)?;
                if schemas.remove(name.as_str())?.is_none() {
                    return Err(TableError::NotFound(name.clone()).into());
                }
            }
            let items = items_name(name);
            transaction.delete_table(ItemsDefinition::new(&items))?;
            Ok(transaction.commit()?)
        })
        .await
    }

    async fn put(&self, table: &TableName, items: Vec<VersionedItem>) -> Result<(), TableError> {
        self.blocking(table, "putting items", move |database, name| {
            // Dropped without a commit, a transaction leaves nothing behind.
            let transaction = database.begin_write()?;
            let schema = schema_in_write(&transaction, name)?;
            {
                let mut there = transaction.open_table(ItemsDefinition::new(&items_name(name)))?;
                for versioned in &items {
                    let key = key_bytes(&schema.key_of(&versioned.item)?);
                    let newer =
                        there.get(key.as_slice())?.is_some_and(|found| split(found.value()).0 > versioned.version);
                    if !newer {
                        there.insert(key.as_slice(), encode(versioned, name)?.as_slice())?;
                    }
                }
            }
            Ok(transaction.commit()?)
        })
        .await
    }

    async fn put_if(
        &self,
        table: &TableName,
        item: VersionedItem,
        condition: PutCondition,
    ) -> Result<bool, TableError> {
        self.blocking(table, "putting an item", move |database, name| {
            let transaction = database.begin_write()?;
            let schema = schema_in_write(&transaction, name)?;
            let key = key_bytes(&schema.key_of(&item.item)?);
            {
                let mut there = transaction.open_table(ItemsDefinition::new(&items_name(name)))?;
                let found = there.get(key.as_slice())?.map(|found| split(found.value()).0);
                let holds = match condition {
                    PutCondition::Absent => found.is_none(),
                    PutCondition::VersionIs(version) => found == Some(version),
                };
                if !holds {
                    return Ok(false);
                }
                there.insert(key.as_slice(), encode(&item, name)?.as_slice())?;
            }
            transaction.commit()?;
            Ok(true)
        })
        .await
    }

    async fn get(&self, table: &TableName, key: &ItemKey) -> Result<Option<VersionedItem>, TableError> {
        let key = key.clone();
        self.blocking(table, "getting an item", move |database, name| {
            let transaction = database.begin_read()?;
            schema_in_read(&transaction, name)?.check_key(&key)?;
            let items = open_items(&transaction, name)?;
            let found = items.get(key_bytes(&key).as_slice())?;
            Ok(found.map(|found| decode(found.value(), name)).transpose()?)
        })
        .await
    }

    async fn query(&self, table: &TableName, query: Query) -> Result<Page, TableError> {
        self.blocking(table, "querying items", move |database, name| {
            let transaction = database.begin_read()?;
            let schema = schema_in_read(&transaction, name)?;
            let Some((low, high)) = query_bounds(&schema, &query)? else {
                return Ok(Page { items: Vec::new(), next: None });
            };
            let items = open_items(&transaction, name)?;
            let range = items.range::<&[u8]>((low.as_ref().map(Vec::as_slice), high.as_ref().map(Vec::as_slice)))?;
            match query.order {
                Order::Asc => page(&schema, range, query.limit),
                Order::Desc => page(&schema, range.rev(), query.limit),
            }
        })
        .await
    }

    async fn scan(&self, table: &TableName, after: Option<ItemKey>, limit: usize) -> Result<Page, TableError> {
        self.blocking(table, "scanning items", move |database, name| {
            let transaction = database.begin_read()?;
            let schema = schema_in_read(&transaction, name)?;
            let after = after.map(|key| schema.check_key(&key).map(|()| key_bytes(&key))).transpose()?;
            let low = after.as_ref().map_or(Bound::Unbounded, |after| Bound::Excluded(after.as_slice()));
            page(&schema, open_items(&transaction, name)?.range::<&[u8]>((low, Bound::Unbounded))?, limit)
        })
        .await
    }

    async fn delete(&self, table: &TableName, keys: Vec<ItemKey>) -> Result<(), TableError> {
        self.blocking(table, "deleting items", move |database, name| {
            let transaction = database.begin_write()?;
            let schema = schema_in_write(&transaction, name)?;
            {
                let mut items = transaction.open_table(ItemsDefinition::new(&items_name(name)))?;
                for key in &keys {
                    schema.check_key(key)?;
                    items.remove(key_bytes(key).as_slice())?;
                }
            }
            Ok(transaction.commit()?)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use model::table::store::{KeyAttribute, KeyType, KeyValue};
    use model::testing::conformance;
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn keeps_the_promises_of_tables() {
        let folder = tempfile::tempdir().unwrap();
        conformance::table_store(&EmbeddedTables::open(folder.path().join("tables.redb")).unwrap()).await;
    }

    #[tokio::test]
    async fn items_are_there_after_opening_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tables.redb");
        let schema = TableSchema {
            name: TableName::new("t").unwrap(),
            partition_key: KeyAttribute { name: "id".into(), key_type: KeyType::Number },
            sort_key: None,
        };
        let item = json!({"id": 9_007_199_254_740_993_u64, "z": null, "a": [1, {"b": "é"}]});
        let versioned = VersionedItem { item: item.as_object().unwrap().clone(), version: 7 };
        {
            let tables = EmbeddedTables::open(&path).unwrap();
            tables.create(schema.clone()).await.unwrap();
            tables.put(&schema.name, vec![versioned.clone()]).await.unwrap();
            assert!(EmbeddedTables::open(&path).is_err(), "the file has one holder");
        }
        let tables = EmbeddedTables::open(&path).unwrap();
        assert_eq!(tables.list().await.unwrap(), std::slice::from_ref(&schema));
        let key = schema.key_of(&versioned.item).unwrap();
        assert_eq!(tables.get(&schema.name, &key).await.unwrap(), Some(versioned));
    }

    #[tokio::test]
    async fn keys_of_another_type_are_refused_and_empty_ranges_are_empty() {
        let folder = tempfile::tempdir().unwrap();
        let tables = EmbeddedTables::open(folder.path().join("tables.redb")).unwrap();
        let schema = TableSchema {
            name: TableName::new("t").unwrap(),
            partition_key: KeyAttribute { name: "id".into(), key_type: KeyType::String },
            sort_key: Some(KeyAttribute { name: "at".into(), key_type: KeyType::Number }),
        };
        tables.create(schema.clone()).await.unwrap();
        let text = |text: &str| KeyValue::String(text.into());
        let wrong = tables.get(&schema.name, &ItemKey { partition: text("a"), sort: Some(text("1")) }).await;
        assert!(matches!(wrong, Err(TableError::InvalidKey { .. })), "{wrong:?}");
        let wrong = tables.get(&schema.name, &ItemKey { partition: text("a"), sort: None }).await;
        assert!(matches!(wrong, Err(TableError::InvalidKey { .. })), "{wrong:?}");
        let number = |n: i64| Some(KeyValue::Number(n.into()));
        let backwards =
            Query { partition: text("a"), from: number(5), to: number(3), order: Order::Asc, limit: 1, after: None };
        assert!(tables.query(&schema.name, backwards).await.unwrap().items.is_empty());
    }
}
