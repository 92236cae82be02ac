//! Tables in one file of this process, kept by redb.
//!
//! Every put is one transaction: all or none of its items, on disk when it returns. One writer at a time; readers
//! never wait. A full disk refuses puts until there is room (`file.rs`). Schemas stand in the table `schemas` as JSON
//! (`rows.rs`), the items of table `t` in `items/t`: keys as of `key_bytes.rs`, rows as of `item_bytes.rs`. Files that
//! older versions wrote are read, and go on in the same file.

use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use model::blocking::try_blocking;
use model::disk::{Disk, StdDisk};
use model::name::TableName;
use model::table::store::{
    ItemKey, Order, Page, PutCondition, Query, TableError, TableSchema, TableStore, VersionedItem,
};
use redb::{Database, ReadableDatabase, ReadableTable};

use super::bounds::query_bounds;
use super::failure::Failure;
use super::file::TablesFile;
use super::item_bytes::encode;
use super::rows::{
    ItemsDefinition, SCHEMAS, TableForm, form_from, form_in_read, form_in_write, items_name, open_items, page,
    row_from, version_from,
};

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
        EmbeddedTables::open_on(Arc::new(StdDisk), path.as_ref())
    }

    /// The same on `disk`.
    pub fn open_on(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, OpenTablesError> {
        let failed = |source: redb::Error| OpenTablesError { path: path.to_owned(), source };
        let file = TablesFile::open(disk, path).map_err(failed)?;
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
        match try_blocking(work).await {
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
                let there = schemas.get(name.as_str())?.map(|bytes| form_from(bytes.value(), name)).transpose()?;
                match there {
                    Some(there) if there.schema == schema => return Ok(()),
                    Some(_) => return Err(TableError::Exists(name.clone()).into()),
                    None => {}
                }
                schemas.insert(name.as_str(), TableForm::new(schema).to_json()?.as_slice())?;
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
                list.push(form_from(entry?.1.value(), name)?.schema);
            }
            Ok(list)
        })
        .await
    }

    async fn describe(&self, table: &TableName) -> Result<TableSchema, TableError> {
        self.blocking(table, "reading its keys", |database, name| {
            Ok(form_in_read(&database.begin_read()?, name)?.schema)
        })
        .await
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
            let form = form_in_write(&transaction, name)?;
            {
                let mut there = transaction.open_table(ItemsDefinition::new(&items_name(name)))?;
                for versioned in &items {
                    let key = form.key_of(&versioned.item)?;
                    let found =
                        there.get(key.as_slice())?.map(|found| version_from(found.value(), name)).transpose()?;
                    if found.is_none_or(|found| found <= versioned.version) {
                        there.insert(key.as_slice(), encode(versioned).as_slice())?;
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
            let form = form_in_write(&transaction, name)?;
            let key = form.key_of(&item.item)?;
            {
                let mut there = transaction.open_table(ItemsDefinition::new(&items_name(name)))?;
                let found = there.get(key.as_slice())?.map(|found| version_from(found.value(), name)).transpose()?;
                let holds = match condition {
                    PutCondition::Absent => found.is_none(),
                    PutCondition::VersionIs(version) => found == Some(version),
                };
                if !holds {
                    return Ok(false);
                }
                there.insert(key.as_slice(), encode(&item).as_slice())?;
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
            let key = form_in_read(&transaction, name)?.key(&key)?;
            let items = open_items(&transaction, name)?;
            let found = items.get(key.as_slice())?;
            Ok(found.map(|found| row_from(found.value(), name)).transpose()?)
        })
        .await
    }

    async fn query(&self, table: &TableName, query: Query) -> Result<Page, TableError> {
        self.blocking(table, "querying items", move |database, name| {
            let transaction = database.begin_read()?;
            let form = form_in_read(&transaction, name)?;
            let Some((low, high)) = query_bounds(&form, &query)? else {
                return Ok(Page { items: Vec::new(), next: None });
            };
            let items = open_items(&transaction, name)?;
            let range = items.range::<&[u8]>((low.as_ref().map(Vec::as_slice), high.as_ref().map(Vec::as_slice)))?;
            match query.order {
                Order::Asc => page(&form.schema, range, query.limit),
                Order::Desc => page(&form.schema, range.rev(), query.limit),
            }
        })
        .await
    }

    async fn scan(&self, table: &TableName, after: Option<ItemKey>, limit: usize) -> Result<Page, TableError> {
        self.blocking(table, "scanning items", move |database, name| {
            let transaction = database.begin_read()?;
            let form = form_in_read(&transaction, name)?;
            let after = after.map(|key| form.key(&key)).transpose()?;
            let low = after.as_ref().map_or(Bound::Unbounded, |after| Bound::Excluded(after.as_slice()));
            page(&form.schema, open_items(&transaction, name)?.range::<&[u8]>((low, Bound::Unbounded))?, limit)
        })
        .await
    }

    async fn delete(&self, table: &TableName, keys: Vec<ItemKey>) -> Result<(), TableError> {
        self.blocking(table, "deleting items", move |database, name| {
            let transaction = database.begin_write()?;
            let form = form_in_write(&transaction, name)?;
            {
                let mut items = transaction.open_table(ItemsDefinition::new(&items_name(name)))?;
                for key in &keys {
                    items.remove(form.key(key)?.as_slice())?;
                }
            }
            Ok(transaction.commit()?)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use model::table::json::read_item;
    use model::table::number::Number;
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
        let versioned = VersionedItem { item: read_item(item.to_string().as_bytes()).unwrap(), version: 7 };
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
        let number = |n: i64| Some(KeyValue::Number(Number::from(n)));
        let backwards =
            Query { partition: text("a"), from: number(5), to: number(3), order: Order::Asc, limit: 1, after: None };
        assert!(tables.query(&schema.name, backwards).await.unwrap().items.is_empty());
    }

    /// A file as an older version left it: schema and rows are JSON, and keys hold doubles.
    fn write_old_file(path: &Path) {
        let database = Database::create(path).unwrap();
        let transaction = database.begin_write().unwrap();
        let schema = r#"{"name":"old","partition_key":{"name":"id","key_type":"number"},"sort_key":null}"#;
        transaction.open_table(SCHEMAS).unwrap().insert("old", schema.as_bytes()).unwrap();
        {
            let name = items_name(&TableName::new("old").unwrap());
            let mut items = transaction.open_table(ItemsDefinition::new(&name)).unwrap();
            for (key, json) in [
                ([1, 0xbf, 0xf8, 0, 0, 0, 0, 0, 0, 0x80, 0], r#"{"id":1.5,"Distance":175.0,"z":null}"#),
                ([1, 0xc3, 0x40, 0, 0, 0, 0, 0, 0, 0x80, 1], r#"{"id":9007199254740993,"a":[1,{"b":"é"}]}"#),
            ] {
                let row = [&3_u64.to_be_bytes(), json.as_bytes()].concat();
                items.insert(&key[..], row.as_slice()).unwrap();
            }
        }
        transaction.commit().unwrap();
    }

    #[tokio::test]
    async fn files_of_older_versions_are_read_and_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tables.redb");
        write_old_file(&path);
        let tables = EmbeddedTables::open(&path).unwrap();
        let name = TableName::new("old").unwrap();
        let key = |text: &str| ItemKey { partition: KeyValue::Number(Number::parse(text).unwrap()), sort: None };
        let get = |text: &'static str| {
            let (tables, name) = (tables.clone(), name.clone());
            async move { tables.get(&name, &key(text)).await.unwrap() }
        };
        let first = get("1.50").await.unwrap();
        assert_eq!(serde_json::to_string(&first.item).unwrap(), r#"{"id":1.5,"Distance":175.0,"z":null}"#);
        let put = |json: &str, version| VersionedItem { item: read_item(json.as_bytes()).unwrap(), version };
        tables.put(&name, vec![put(r#"{"id":1.5,"new":true}"#, 2), put(r#"{"id":2}"#, 1)]).await.unwrap();
        assert_eq!(get("1.5").await, Some(first), "versions of old rows count");
        tables.put(&name, vec![put(r#"{"id":1.5,"new":true}"#, 4)]).await.unwrap();
        assert_eq!(get("1.5").await, Some(put(r#"{"id":1.5,"new":true}"#, 4)));
        let page = tables.scan(&name, None, 10).await.unwrap();
        let ids: Vec<_> = page.items.iter().map(|item| item["id"].to_string()).collect();
        assert_eq!(ids, ["1.5", "2", "9007199254740993"]);
        let refused = tables.put(&name, vec![put(r#"{"id":0.10000000000000000000000001}"#, 1)]).await.unwrap_err();
        assert!(refused.to_string().contains("create it anew"), "{refused}");
        let refused = tables.get(&name, &key("0.10000000000000000000000001")).await.unwrap_err();
        assert!(matches!(refused, TableError::InvalidKey { .. }), "{refused}");
    }
}
