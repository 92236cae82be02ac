//! Tables in memory: what the embedded table is compared with. Nothing survives the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;

use crate::name::TableName;
use crate::table::store::{
    Item, ItemKey, KeyValue, Order, Page, PutCondition, Query, TableError, TableSchema, TableStore, VersionedItem,
};

/// Tables held in memory.
#[derive(Debug, Default)]
pub struct MemoryTables(Mutex<BTreeMap<TableName, Table>>);

#[derive(Debug)]
struct Table {
    schema: TableSchema,
    items: BTreeMap<SortableKey, (ItemKey, VersionedItem)>,
}

/// Orders numbers by value and text by its bytes.
type SortableKey = (Sortable, Option<Sortable>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Sortable {
    Number(u64),
    Text(String),
}

fn sortable(value: &KeyValue) -> Sortable {
    match value {
        KeyValue::String(text) => Sortable::Text(text.clone()),
        KeyValue::Number(number) => {
            let value = number.as_f64().expect("JSON numbers have a value");
            // Zero has two forms; flipping makes the bits of floats order like their values.
            let bits = if value == 0.0 { 0 } else { value.to_bits() };
            Sortable::Number(if bits >> 63 == 1 { !bits } else { bits | (1 << 63) })
        }
    }
}

fn sortable_key(key: &ItemKey) -> SortableKey {
    (sortable(&key.partition), key.sort.as_ref().map(sortable))
}

impl MemoryTables {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<TableName, Table>> {
        self.0.lock().expect("no holder of the lock panics")
    }

    fn with<T>(&self, name: &TableName, f: impl FnOnce(&mut Table) -> Result<T, TableError>) -> Result<T, TableError> {
        f(self.lock().get_mut(name).ok_or_else(|| TableError::NotFound(name.clone()))?)
    }
}

fn page(mut found: Vec<&(ItemKey, VersionedItem)>, limit: usize) -> Page {
    let more = found.len() > limit;
    found.truncate(limit);
    let next = if more { found.last().map(|(key, _)| key.clone()) } else { None };
    let items: Vec<Item> = found.into_iter().map(|(_, versioned)| versioned.item.clone()).collect();
    Page { items, next }
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
                items.iter().map(|versioned| table.schema.key_of(&versioned.item)).collect::<Result<_, _>>()?;
            for (key, versioned) in keys.into_iter().zip(items) {
                let place = sortable_key(&key);
                if table.items.get(&place).is_none_or(|(_, there)| there.version <= versioned.version) {
                    table.items.insert(place, (key, versioned));
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
            let key = table.schema.key_of(&item.item)?;
            let place = sortable_key(&key);
            let there = table.items.get(&place).map(|(_, versioned)| versioned.version);
            let holds = match condition {
                PutCondition::Absent => there.is_none(),
                PutCondition::VersionIs(version) => there == Some(version),
            };
            if holds {
                table.items.insert(place, (key, item));
            }
            Ok(holds)
        })
    }

    async fn get(&self, table: &TableName, key: &ItemKey) -> Result<Option<VersionedItem>, TableError> {
        self.with(table, |table| Ok(table.items.get(&sortable_key(key)).map(|(_, versioned)| versioned.clone())))
    }

    async fn query(&self, table: &TableName, query: Query) -> Result<Page, TableError> {
        self.with(table, |table| {
            let partition = sortable(&query.partition);
            let (from, to) = (query.from.as_ref().map(sortable), query.to.as_ref().map(sortable));
            let after = query.after.as_ref().map(sortable_key);
            let inside = |place: &SortableKey| {
                let beyond = after.as_ref().is_none_or(|after| match query.order {
                    Order::Asc => place > after,
                    Order::Desc => place < after,
                });
                let from_fits = from.is_none() || place.1 >= from;
                let to_fits = to.is_none() || place.1 <= to;
                place.0 == partition && from_fits && to_fits && beyond
            };
            let mut found: Vec<_> =
                table.items.iter().filter(|(place, _)| inside(place)).map(|(_, item)| item).collect();
            if query.order == Order::Desc {
                found.reverse();
            }
            Ok(page(found, query.limit))
        })
    }

    async fn scan(&self, table: &TableName, after: Option<ItemKey>, limit: usize) -> Result<Page, TableError> {
        let after = after.as_ref().map(sortable_key);
        self.with(table, |table| {
            let beyond = table.items.iter().filter(|(place, _)| after.as_ref().is_none_or(|after| *place > after));
            Ok(page(beyond.map(|(_, item)| item).collect(), limit))
        })
    }

    async fn delete(&self, table: &TableName, keys: Vec<ItemKey>) -> Result<(), TableError> {
        self.with(table, |table| {
            for key in &keys {
                table.items.remove(&sortable_key(key));
            }
            Ok(())
        })
    }
}
