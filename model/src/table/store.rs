//! The trait of key-value tables: rows upserted under a partition key and a sort key.

use std::fmt;

use async_trait::async_trait;
use base64_simd::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::number::Number;
use super::value::{AttributeValue, Item, NESTING_MAX};
use crate::name::TableName;

/// Type of a key attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyType {
    /// Text, ordered by its UTF-8 bytes.
    #[default]
    String,
    /// A number, ordered by value.
    Number,
    /// Bytes, ordered as they are.
    Binary,
}

/// A key attribute: its name in the item and its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyAttribute {
    /// Name of the attribute.
    pub name: String,
    /// Its type.
    #[serde(default)]
    pub key_type: KeyType,
}

/// A table's keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSchema {
    /// The table.
    pub name: TableName,
    /// Says which items belong together.
    pub partition_key: KeyAttribute,
    /// Orders the items of a partition; without it a partition holds one item.
    pub sort_key: Option<KeyAttribute>,
}

/// The value of a key attribute. Values of one kind order as the items of a table do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyValue {
    /// Text.
    String(String),
    /// A number.
    Number(Number),
    /// Bytes.
    Binary(Bytes),
}

impl KeyValue {
    /// Its type.
    pub fn key_type(&self) -> KeyType {
        match self {
            KeyValue::String(_) => KeyType::String,
            KeyValue::Number(_) => KeyType::Number,
            KeyValue::Binary(_) => KeyType::Binary,
        }
    }

    /// Whether it is empty text or no bytes. No item has such a key.
    pub fn is_empty(&self) -> bool {
        match self {
            KeyValue::String(text) => text.is_empty(),
            KeyValue::Number(_) => false,
            KeyValue::Binary(bytes) => bytes.is_empty(),
        }
    }
}

impl fmt::Display for KeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyValue::String(text) => f.write_str(text),
            KeyValue::Number(number) => number.fmt(f),
            KeyValue::Binary(bytes) => f.write_str(&URL_SAFE_NO_PAD.encode_to_string(bytes)),
        }
    }
}

/// What names an item in its table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ItemKey {
    /// Value of the partition key.
    pub partition: KeyValue,
    /// Value of the sort key, in tables that have one.
    pub sort: Option<KeyValue>,
}

impl TableSchema {
    /// The key of `item`. Error: [`TableError::InvalidItem`] naming the attribute that is missing,
    /// of another type, or empty text.
    pub fn key_of(&self, item: &Item) -> Result<ItemKey, TableError> {
        let partition = self.key_value(&self.partition_key, item)?;
        let sort = self.sort_key.as_ref().map(|key| self.key_value(key, item)).transpose()?;
        Ok(ItemKey { partition, sort })
    }

    /// The key of `item`, which any store may keep. Error: [`TableError::InvalidItem`] as of
    /// [`TableSchema::key_of`], or because it nests too deep.
    pub fn check_item(&self, item: &Item) -> Result<ItemKey, TableError> {
        let key = self.key_of(item)?;
        match item.iter().find(|(_, value)| !value.nests_at_most(NESTING_MAX)) {
            None => Ok(key),
            Some((name, _)) => Err(TableError::InvalidItem {
                table: self.name.clone(),
                reason: format!("`{name}` is nested deeper than {NESTING_MAX}"),
            }),
        }
    }

    fn key_value(&self, key: &KeyAttribute, item: &Item) -> Result<KeyValue, TableError> {
        let invalid = |found: &str| TableError::InvalidItem {
            table: self.name.clone(),
            reason: format!("key attribute `{}` must be a {}, found {found}", key.name, key.key_type),
        };
        match (key.key_type, item.get(&key.name)) {
            (_, None) => Err(invalid("nothing")),
            (KeyType::String, Some(AttributeValue::String(text))) if !text.is_empty() => {
                Ok(KeyValue::String(text.clone()))
            }
            (KeyType::Number, Some(AttributeValue::Number(number))) => Ok(KeyValue::Number(number.clone())),
            (KeyType::Binary, Some(AttributeValue::Binary(bytes))) if !bytes.is_empty() => {
                Ok(KeyValue::Binary(bytes.clone()))
            }
            (_, Some(AttributeValue::String(text))) if text.is_empty() => Err(invalid("an empty text")),
            (_, Some(AttributeValue::Binary(bytes))) if bytes.is_empty() => Err(invalid("no bytes")),
            (_, Some(other)) => Err(invalid(&other.to_string())),
        }
    }

    /// Whether a whole key is of the table's types: one that is not would be found nowhere, so it
    /// is refused. Error: [`TableError::InvalidKey`].
    pub fn check_key(&self, key: &ItemKey) -> Result<(), TableError> {
        self.check_partition(&key.partition)?;
        match (&key.sort, &self.sort_key) {
            (Some(sort), _) => self.check_sort(sort),
            (None, None) => Ok(()),
            (None, Some(attribute)) => Err(self.invalid_key(format!("sort key `{}` is missing", attribute.name))),
        }
    }

    /// As [`TableSchema::check_key`], for the partition key alone.
    pub fn check_partition(&self, value: &KeyValue) -> Result<(), TableError> {
        self.check_type(&self.partition_key, value)
    }

    /// As [`TableSchema::check_key`], for the sort key alone.
    pub fn check_sort(&self, value: &KeyValue) -> Result<(), TableError> {
        match &self.sort_key {
            Some(attribute) => self.check_type(attribute, value),
            None => Err(self.invalid_key(format!("it has no sort key, found `{value}`"))),
        }
    }

    fn check_type(&self, attribute: &KeyAttribute, value: &KeyValue) -> Result<(), TableError> {
        if value.key_type() == attribute.key_type {
            return Ok(());
        }
        Err(self.invalid_key(format!("`{}` is a {}, found `{value}`", attribute.name, attribute.key_type)))
    }

    fn invalid_key(&self, reason: String) -> TableError {
        TableError::InvalidKey { table: self.name.clone(), reason }
    }

    /// Reads a key value from text, as in a URL: a number as in JSON, bytes as base64 of the
    /// alphabet for URLs without padding. [`KeyValue`] prints so. Error:
    /// [`TableError::InvalidKey`].
    pub fn parse_key(&self, key: &KeyAttribute, text: &str) -> Result<KeyValue, TableError> {
        let wrong = |what: &str| self.invalid_key(format!("`{text}` is not {what}, as key `{}` is", key.name));
        match key.key_type {
            KeyType::String => Ok(KeyValue::String(text.to_owned())),
            KeyType::Number => {
                serde_json::from_str::<serde_json::Number>(text).map_err(|_| wrong("a number"))?;
                Number::parse(text).map(KeyValue::Number).map_err(|error| self.invalid_key(error.to_string()))
            }
            KeyType::Binary => match URL_SAFE_NO_PAD.decode_to_vec(text) {
                Ok(bytes) => Ok(KeyValue::Binary(bytes.into())),
                Err(_) => Err(wrong("base64 for URLs")),
            },
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyType::String => "string",
            KeyType::Number => "number",
            KeyType::Binary => "binary value",
        })
    }
}

/// An item and the version that decides which of two writes of a key stays.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionedItem {
    /// The row.
    pub item: Item,
    /// Of two writes of one key the one with the higher version stays, of equal ones the later.
    pub version: u64,
}

/// Ascending or descending by sort key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Smallest first.
    #[default]
    Asc,
    /// Greatest first.
    Desc,
}

/// Items of one partition within a range of sort keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The partition.
    pub partition: KeyValue,
    /// First sort key, included; from the beginning without it.
    pub from: Option<KeyValue>,
    /// Last sort key, included (as `BETWEEN` in DynamoDB); to the end without it.
    pub to: Option<KeyValue>,
    /// By sort key.
    pub order: Order,
    /// The most items, at least 1.
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<ItemKey>,
}

/// Items in order, and where the next page goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The items.
    pub items: Vec<Item>,
    /// Key of the last item when there may be more.
    pub next: Option<ItemKey>,
}

/// When a conditional put writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutCondition {
    /// Only if no item has the key.
    Absent,
    /// Only if the item there has this version.
    VersionIs(u64),
}

/// Why an operation on tables failed.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// No table of that name.
    #[error("table `{0}` does not exist")]
    NotFound(TableName),
    /// The name is taken by a table with other keys.
    #[error("table `{0}` already exists with other keys")]
    Exists(TableName),
    /// The item lacks a key attribute or is otherwise not storable; writing it again will not help.
    #[error("item cannot be put into table `{table}`: {reason}")]
    InvalidItem {
        /// The table.
        table: TableName,
        /// What is wrong.
        reason: String,
    },
    /// A key that does not fit the table's keys.
    #[error("the key does not match table `{table}`: {reason}")]
    InvalidKey {
        /// The table.
        table: TableName,
        /// What is wrong.
        reason: String,
    },
    /// The backend is out of reach or refuses for now; trying again later may help.
    #[error("table `{table}` is not available: {reason}")]
    Unavailable {
        /// The table.
        table: TableName,
        /// What the backend said.
        reason: String,
    },
    /// Anything else the backend met.
    #[error("table `{table}`: {doing}")]
    Backend {
        /// The table.
        table: TableName,
        /// What was being done.
        doing: String,
        /// What the backend said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Tables of items. Implementations: embedded (redb), DynamoDB and memory; all run the suite of
/// `testing::conformance`.
///
/// ```
/// # use model::name::TableName;
/// # use model::table::store::{ItemKey, KeyAttribute, KeyType, KeyValue, TableSchema, TableStore, VersionedItem};
/// # use model::table::value::{AttributeValue, Item};
/// # use model::testing::memory_table::MemoryTables;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let tables = MemoryTables::default();
/// let rides = TableName::new("Rides")?;
/// let partition_key = KeyAttribute { name: "Unicorn".into(), key_type: KeyType::String };
/// tables.create(TableSchema { name: rides.clone(), partition_key, sort_key: None }).await?;
///
/// let seen = |place: &str, version| {
///     let text = |value: &str| AttributeValue::String(value.into());
///     let attributes = [("Unicorn".into(), text("Nimbus")), ("Place".into(), text(place))];
///     VersionedItem { item: Item::from_iter(attributes), version }
/// };
/// tables.put(&rides, vec![seen("at the lake", 2)]).await?;
/// // A put that is older changes nothing, so puts may be repeated and may arrive in any order.
/// tables.put(&rides, vec![seen("at the park", 1)]).await?;
///
/// let key = ItemKey { partition: KeyValue::String("Nimbus".into()), sort: None };
/// assert_eq!(tables.get(&rides, &key).await?, Some(seen("at the lake", 2)));
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait TableStore: Send + Sync {
    /// Creates a table; does nothing when it exists with the same keys. Error:
    /// [`TableError::Exists`].
    async fn create(&self, schema: TableSchema) -> Result<(), TableError>;

    /// All tables, by name.
    async fn list(&self) -> Result<Vec<TableSchema>, TableError>;

    /// A table's keys.
    async fn describe(&self, table: &TableName) -> Result<TableSchema, TableError>;

    /// Deletes a table with its items.
    async fn drop_table(&self, table: &TableName) -> Result<(), TableError>;

    /// Whether the store can keep `item` at all, as far as it knows without asking anybody.
    /// Error: [`TableError::InvalidItem`].
    fn check_item(&self, schema: &TableSchema, item: &VersionedItem) -> Result<(), TableError> {
        schema.check_item(&item.item).map(drop)
    }

    /// Writes items, durable when this returns. For a key that is there, the higher version stays
    /// (equal versions overwrite, so a repeated put changes nothing). An item that cannot be kept
    /// ([`TableError::InvalidItem`]) refuses them all before any is written. After another error a
    /// store of several machines may have written some of them: putting them again completes it.
    /// The embedded table writes all or none.
    async fn put(&self, table: &TableName, items: Vec<VersionedItem>) -> Result<(), TableError>;

    /// Writes one item if `condition` holds; says whether it did.
    async fn put_if(&self, table: &TableName, item: VersionedItem, condition: PutCondition)
    -> Result<bool, TableError>;

    /// The item under `key`.
    async fn get(&self, table: &TableName, key: &ItemKey) -> Result<Option<VersionedItem>, TableError>;

    /// Items of one partition in order of their sort key. A page has at most as many as asked for,
    /// and ends before that with the item that takes it to
    /// [`PAGE_BYTES_MAX`](crate::table::page::PAGE_BYTES_MAX).
    async fn query(&self, table: &TableName, query: Query) -> Result<Page, TableError>;

    /// All items, page by page, in the store's own order. Pages end as in [`TableStore::query`].
    async fn scan(&self, table: &TableName, after: Option<ItemKey>, limit: usize) -> Result<Page, TableError>;

    /// Deletes items; keys that are not there are no error.
    async fn delete(&self, table: &TableName, keys: Vec<ItemKey>) -> Result<(), TableError>;
}
