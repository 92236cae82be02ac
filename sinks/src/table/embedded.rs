//! Tables in one file of this process, kept by redb.
//!
//! Every put is one transaction: all or none of its items, on disk when it returns. One writer at a time; readers
//! never wait. Schemas stand in the table `schemas` as JSON, the items of table `t` in `items/t`:
//!
//! ```text
//! key    partition and sort key, see key_bytes.rs
//! value  version (8 bytes, big-endian)  item as JSON
//! ```

use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use model::name::TableName;
use model::table::{
    ItemKey, KeyValue, Order, Page, PutCondition, Query, TableError, TableSchema, TableStore, VersionedItem,
};
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use super::key_bytes::{AFTER_PARTITION, key_bytes, push_value, value_bytes};

const SCHEMAS: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("schemas");

/// What the store keeps of its file in memory.
const CACHE_BYTES_MAX: usize = 64 << 20;

type ItemsDefinition<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;
type ItemsTable = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

/// Tables in one file.
#[derive(Clone)]
pub struct EmbeddedTables {
    database: Arc<Database>,
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
        let database =
            Database::builder().set_cache_size(CACHE_BYTES_MAX).create(path).map_err(|error| failed(error.into()))?;
        let start = || -> Result<(), redb::Error> {
            let transaction = database.begin_write()?;
            transaction.open_table(SCHEMAS)?;
            Ok(transaction.commit()?)
        };
        start().map_err(failed)?;
        Ok(EmbeddedTables { database: Arc::new(database) })
    }

    /// Runs `work` where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        table: &TableName,
        doing: &'static str,
        work: impl FnOnce(&Database, &TableName) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, TableError> {
        let (database, name) = (Arc::clone(&self.database), table.clone());
        let done = tokio::task::spawn_blocking(move || work(&database, &name)).await;
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

/// What went wrong, before it is put into words.
enum Failure {
    Table(TableError),
    Store(redb::Error),
}

impl From<TableError> for Failure {
    fn from(error: TableError) -> Self {
        Failure::Table(error)
    }
}

macro_rules! from_redb {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Failure::Store(error.into())
            }
        })*
    };
}

from_redb!(redb::TransactionError, redb::TableError, redb::StorageError, redb::CommitError);

fn items_name(table: &TableName) -> String {
    format!("items/{table}")
}

fn schema_from(bytes: &[u8], table: &TableName) -> Result<TableSchema, TableError> {
    serde_json::from_slice(bytes).map_err(|source| damaged(table, "reading its keys", source))
}

fn damaged(table: &TableName, doing: &str, source: serde_json::Error) -> TableError {
    TableError::Backend { table: table.clone(), doing: doing.to_owned(), source: source.into() }
}

fn schema_in_read(transaction: &ReadTransaction, table: &TableName) -> Result<TableSchema, Failure> {
    let schemas = transaction.open_table(SCHEMAS)?;
    let bytes = schemas.get(table.as_str())?.ok_or_else(|| TableError::NotFound(table.clone()))?;
    Ok(schema_from(bytes.value(), table)?)
}

fn schema_in_write(transaction: &WriteTransaction, table: &TableName) -> Result<TableSchema, Failure> {
    let schemas = transaction.open_table(SCHEMAS)?;
    let bytes = schemas.get(table.as_str())?.ok_or_else(|| TableError::NotFound(table.clone()))?;
    Ok(schema_from(bytes.value(), table)?)
}

fn open_items(transaction: &ReadTransaction, table: &TableName) -> Result<ItemsTable, Failure> {
    let name = items_name(table);
    Ok(transaction.open_table(ItemsDefinition::new(&name))?)
}

fn encode(versioned: &VersionedItem, table: &TableName) -> Result<Vec<u8>, TableError> {
    let mut bytes = versioned.version.to_be_bytes().to_vec();
    serde_json::to_writer(&mut bytes, &versioned.item).map_err(|source| damaged(table, "writing an item", source))?;
    Ok(bytes)
}

fn decode(bytes: &[u8], table: &TableName) -> Result<VersionedItem, TableError> {
    let (version, json) = split(bytes);
    let item = serde_json::from_slice(json).map_err(|source| damaged(table, "reading an item", source))?;
    Ok(VersionedItem { item, version })
}

fn split(value: &[u8]) -> (u64, &[u8]) {
    let (version, json) = value.split_first_chunk::<8>().expect("every value begins with its version");
    (u64::from_be_bytes(*version), json)
}

/// Takes up to `limit` items; the key of the last one goes along when there are more.
fn page<'a>(
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

type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// The stored keys that a query asks for; none when its range is empty.
fn query_bounds(schema: &TableSchema, query: &Query) -> Result<Option<Bounds>, TableError> {
    schema.check_partition(&query.partition)?;
    let partition = value_bytes(&query.partition);
    let with_sort = |sort: &KeyValue| -> Result<Vec<u8>, TableError> {
        schema.check_sort(sort)?;
        let mut key = partition.clone();
        push_value(&mut key, sort);
        Ok(key)
    };
    let mut low = match &query.from {
        Some(from) => Bound::Included(with_sort(from)?),
        None => Bound::Included(partition.clone()),
    };
    let mut high = match &query.to {
        Some(to) => Bound::Included(with_sort(to)?),
        None => Bound::Excluded([partition.as_slice(), &[AFTER_PARTITION]].concat()),
    };
    if let Some(after) = &query.after {
        schema.check_key(after)?;
        let after = key_bytes(after);
        // A page key from outside the range must not widen it.
        match query.order {
            Order::Asc if after >= *inside(&low) => low = Bound::Excluded(after),
            Order::Desc if after <= *inside(&high) => high = Bound::Excluded(after),
            Order::Asc | Order::Desc => {}
        }
    }
    let both_included = matches!((&low, &high), (Bound::Included(_), Bound::Included(_)));
    let (first, last) = (inside(&low), inside(&high));
    let holds_any = first < last || (first == last && both_included);
    Ok(holds_any.then_some((low, high)))
}

fn inside(bound: &Bound<Vec<u8>>) -> &Vec<u8> {
    match bound {
        Bound::Included(key) | Bound::Excluded(key) => key,
        Bound::Unbounded => unreachable!("queries are bounded by their partition"),
    }
}

#[cfg(test)]
mod tests {
    use model::table::{KeyAttribute, KeyType};
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
