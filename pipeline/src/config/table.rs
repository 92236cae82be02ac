//! `[tables.NAME]`: a table to create when it is missing.

use model::name::TableName;
use model::table::{KeyAttribute, KeyType, TableSchema};
use serde::Deserialize;

/// A table to create when it is missing.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableConfig {
    partition_key: String,
    #[serde(default)]
    partition_key_type: KeyType,
    sort_key: Option<String>,
    #[serde(default)]
    sort_key_type: KeyType,
}

impl TableConfig {
    /// The table's keys.
    pub(crate) fn schema(&self, name: &TableName) -> TableSchema {
        let attribute = |name: &String, key_type| KeyAttribute { name: name.clone(), key_type };
        TableSchema {
            name: name.clone(),
            partition_key: attribute(&self.partition_key, self.partition_key_type),
            sort_key: self.sort_key.as_ref().map(|name| attribute(name, self.sort_key_type)),
        }
    }
}
