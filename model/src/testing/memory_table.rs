//! Tables in memory: what the embedded table is compared with. Nothing survives the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;

use crate::name::TableName;
use crate::table::page::PageBuilder;
use crate::table::store::{
    ItemKey, Order, Page, PutCondition, Query, TableError, TableSchema, TableStore, VersionedItem,
};

/// Tables held in memory.
#[derive(Debug, Default)]
pub struct MemoryTables(Mutex<BTreeMap<TableName, Table>>);

#[derive(Debug)]
struct Table {
    schema: TableSchema,
    items: BTreeMap<ItemKey, VersionedItem>,
}

impl MemoryTables {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<TableName, Table>> {
        self.0.lock().expect("no holder of the lock panics")
    }

    fn with<T>(&self, name: &TableName, f: impl FnOnce(&mut Table) -> Result<T, TableError>) -> Result<T, TableError> {
        f(self.lock().get_mut(name).ok_or_else(|| TableError::NotFound(name.clone()))?)
    }
}

fn page(schema: &TableSchema, found: Vec<&VersionedItem>, limit: usize) -> Result<Page, TableError> {
    let mut page = PageBuilder::new(limit);
    for versioned in found {
        if !page.push(versioned.item.clone()) {
            break;
        }
    }
    page.finish(|item| schema.key_of(item))
}

#[async_trait]
impl TableStore for MemoryTables {
    async fn create(&self, schema: TableSchema) -> Result<(), TableError> {
        let mut tables = self.lock();
        match tables.get(&schema.name) {
            Some(table) if table.schema == schema => Ok(()),
            Some(_) => Err(TableError::Exists(schema.name)),
            None => {
                tables.insert(schema.name.clone(), Table { schema, items: BTreeMap::new() });
                Ok(())
            }
        }
    }

    async fn list(&self) -> Result<Vec<TableSchema>, TableError> {
        Ok(self.lock().values().map(|table| table.schema.clone()).collect())
    }

    async fn describe(&self, table: &TableName) -> Result<TableSchema, TableError> {
        self.with(table, |table| Ok(table.schema.clone()))
    }

    async fn drop_table(&self, table: &TableName) -> Result<(), TableError> {
        self.lock().remove(table).map(drop).ok_or_else(|| TableError::NotFound(table.clone()))
    }

    async fn put(&self, table: &TableName, items: Vec<VersionedItem>) -> Result<(), TableError> {
        self.with(table, |table| {
            let keys: Vec<ItemKey> =
                items.iter().map(|versioned| table.schema.check_item(&versioned.item)).collect::<Result<_, _>>()?;
            for (key, versioned) in keys.into_iter().zip(items) {
                if table.items.get(&key).is_none_or(|there| there.version <= versioned.version) {
                    table.items.insert(key, versioned);
                }
            }
            Ok(())
        })
    }

    async fn put_if(
        &self,
        table: &TableName,
        item: VersionedItem,
        condition: PutCondition,
    ) -> Result<bool, TableError> {
        self.with(table, |table| {
            let key = table.schema.check_item(&item.item)?;
            let there = table.items.get(&key).map(|versioned| versioned.version);
            let holds = match condition {
                PutCondition::Absent => there.is_none(),
                PutCondition::VersionIs(version) => there == Some(version),
            };
            if holds {
                table.items.insert(key, item);
            }
            Ok(holds)
        })
    }

    async fn get(&self, table: &TableName, key: &ItemKey) -> Result<Option<VersionedItem>, TableError> {
        self.with(table, |table| Ok(table.items.get(key).cloned()))
    }

    async fn query(&self, table: &TableName, query: Query) -> Result<Page, TableError> {
        self.with(table, |table| {
            let inside = |key: &ItemKey| {
                let beyond = query.after.as_ref().is_none_or(|after| match query.order {
                    Order::Asc => key > after,
                    Order::Desc => key < after,
                });
                let from_fits = query.from.is_none() || key.sort >= query.from;
                let to_fits = query.to.is_none() || key.sort <= query.to;
                key.partition == query.partition && from_fits && to_fits && beyond
            };
            let mut found: Vec<_> = table.items.iter().filter(|(key, _)| inside(key)).collect();
            if query.order == Order::Desc {
                found.reverse();
            }
            page(&table.schema, found.into_iter().map(|(_, item)| item).collect(), query.limit)
        })
    }

    async fn scan(&self, table: &TableName, after: Option<ItemKey>, limit: usize) -> Result<Page, TableError> {
        self.with(table, |table| {
            let beyond = table.items.iter().filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after));
            page(&table.schema, beyond.map(|(_, item)| item).collect(), limit)
        })
    }

    async fn delete(&self, table: &TableName, keys: Vec<ItemKey>) -> Result<(), TableError> {
        self.with(table, |table| {
            for key in &keys {
                table.items.remove(key);
            }
            Ok(())
        })
    }
}
