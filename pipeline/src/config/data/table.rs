//! `[tables.NAME]`: a table to create when it is missing.

use model::name::TableName;
use model::table::store::{KeyAttribute, KeyType, TableSchema};
use serde::Deserialize;

use crate::config::text::error::Faults;

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
    /// In DynamoDB: the attribute with the second at which an item expires.
    ttl_attribute: Option<String>,
    /// In DynamoDB: a key is always put with the same row, so rows go in batches.
    #[serde(default)]
    final_rows: bool,
}

impl TableConfig {
    /// What the shape alone does not say.
    pub(crate) fn check(&self, name: &TableName, in_dynamodb: bool, faults: &mut Faults) {
        let mut at = |key: &str, message: String, advice: &str| {
            faults.add(&["tables", name.as_str(), key], format!("table `{name}`: {message}"), advice);
        };
        for (key, given) in [("ttl_attribute", self.ttl_attribute.is_some()), ("final_rows", self.final_rows)] {
            if given && !in_dynamodb {
                let message = format!("{key} is for tables in DynamoDB, but the settings have no `[dynamodb]`");
                at(key, message, "remove it, or add `[dynamodb]`");
            }
        }
        if self.partition_key.is_empty() {
            at("partition_key", "partition_key is empty".to_owned(), "name the column that rows are found by");
        }
        if self.sort_key.as_ref() == Some(&self.partition_key) {
            let message = format!("sort_key is `{}`, as partition_key is", self.partition_key);
            at("sort_key", message, "name another column, or leave sort_key out");
        }
    }

    /// The attribute by which items expire.
    #[cfg(feature = "dynamodb")]
    pub(crate) fn ttl_attribute(&self) -> Option<&String> {
        self.ttl_attribute.as_ref()
    }

    /// Whether a key is always put with the same row.
    #[cfg(feature = "dynamodb")]
    pub(crate) fn final_rows(&self) -> bool {
        self.final_rows
    }

    /// A key attribute that is binary, if there is one.
    pub(crate) fn binary_key(&self) -> Option<&str> {
        let sort = self.sort_key.as_deref().filter(|_| self.sort_key_type == KeyType::Binary);
        if self.partition_key_type == KeyType::Binary { Some(&self.partition_key) } else { sort }
    }

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
