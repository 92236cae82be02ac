//! Tables and their keys, as REST shows them.

use model::table::store;
use serde::Serialize;
use utoipa::ToSchema;

/// A table's keys.
#[derive(Serialize, ToSchema)]
pub(crate) struct TableSchema {
    /// The table.
    name: String,
    /// Says which items belong together.
    partition_key: KeyAttribute,
    /// Orders the items of a partition; without it a partition holds one item.
    sort_key: Option<KeyAttribute>,
}

impl From<store::TableSchema> for TableSchema {
    fn from(schema: store::TableSchema) -> Self {
        TableSchema {
            name: schema.name.to_string(),
            partition_key: schema.partition_key.into(),
            sort_key: schema.sort_key.map(KeyAttribute::from),
        }
    }
}

/// A key attribute: its name in the item and its type.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyAttribute {
    /// Name of the attribute.
    name: String,
    /// Its type.
    key_type: KeyType,
}

impl From<store::KeyAttribute> for KeyAttribute {
    fn from(key: store::KeyAttribute) -> Self {
        KeyAttribute { name: key.name, key_type: key.key_type.into() }
    }
}

/// Type of a key attribute.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum KeyType {
    /// Text, ordered by its UTF-8 bytes.
    String,
    /// A number, ordered by value.
    Number,
    /// Bytes, ordered as they are.
    Binary,
}

impl From<store::KeyType> for KeyType {
    fn from(of: store::KeyType) -> Self {
        match of {
            store::KeyType::String => KeyType::String,
            store::KeyType::Number => KeyType::Number,
            store::KeyType::Binary => KeyType::Binary,
        }
    }
}
