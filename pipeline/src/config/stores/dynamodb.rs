//! `[dynamodb]`: tables stand in DynamoDB, not in the data folder.

use std::collections::BTreeMap;

use model::name::TableName;
use serde::Deserialize;
use sinks::table::dynamodb::{DynamoOptions, DynamoTableOptions};

use crate::config::data::table::TableConfig;
use crate::config::stores::aws::Service;
use crate::config::text::error::Faults;

/// Where tables are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DynamoConfig {
    /// What the names of all tables begin with there; others are not looked at.
    #[serde(default)]
    table_prefix: String,
    /// A server that speaks like DynamoDB.
    endpoint: Option<String>,
    /// The region; by default the SDK's.
    region: Option<String>,
    /// A profile of the SDK's configuration files.
    profile: Option<String>,
    /// Tries of a call before the delivery waits.
    attempts_max: Option<u32>,
    /// How long one try may take.
    attempt_timeout_ms: Option<u64>,
}

impl DynamoConfig {
    fn service(&self) -> Service<'_> {
        Service {
            section: "dynamodb",
            endpoint: self.endpoint.as_deref(),
            region: self.region.as_deref(),
            profile: self.profile.as_deref(),
            attempts_max: self.attempts_max,
            attempt_timeout_ms: self.attempt_timeout_ms,
        }
    }

    /// What the shape alone does not say.
    pub(crate) fn check(&self, faults: &mut Faults) {
        if !self.table_prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')) {
            let prefix = &self.table_prefix;
            let message = format!("dynamodb: table_prefix `{prefix}` may have letters, digits, `_`, `-` and `.` only");
            faults.add(&["dynamodb", "table_prefix"], message, "write one like `gallop-`");
        }
        self.service().check(faults);
    }

    /// The settings in the words of the store.
    pub(crate) fn options(&self, tables: &BTreeMap<TableName, TableConfig>) -> DynamoOptions {
        let particular = |(name, table): (&TableName, &TableConfig)| {
            let options =
                DynamoTableOptions { final_rows: table.final_rows(), ttl_attribute: table.ttl_attribute().cloned() };
            (name.clone(), options)
        };
        DynamoOptions {
            table_prefix: self.table_prefix.clone(),
            tables: tables.iter().map(particular).collect(),
            ..DynamoOptions::new(self.service().options())
        }
    }
}
