//! What can be set on tables in DynamoDB. Every bound has a name.

use std::collections::BTreeMap;
use std::time::Duration;

use model::name::TableName;

use crate::aws::AwsOptions;

/// Where tables are, and bounds.
#[derive(Debug, Clone)]
pub struct DynamoOptions {
    /// How to reach the service.
    pub aws: AwsOptions,
    /// What the names of all tables begin with there; nothing else in the account is looked at.
    pub table_prefix: String,
    /// What is particular to single tables.
    pub tables: BTreeMap<TableName, DynamoTableOptions>,
    /// Calls of one put that are under way at the same time.
    pub calls_in_flight_max: usize,
    /// Tries of one item or batch of a put, each of them up to `aws.attempts_max` calls; the first one included.
    pub write_tries_max: u32,
    /// How long a new table may take until it can be used, or an old one until it is gone.
    pub table_wait_max: Duration,
}

/// What is particular to a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DynamoTableOptions {
    /// Every key is always put with the same value, so that order does not matter and batches will do.
    pub final_rows: bool,
    /// The attribute with the second of the epoch at which an item expires.
    pub ttl_attribute: Option<String>,
}

impl DynamoOptions {
    /// Tables under their own names, none with anything particular.
    pub fn new(aws: AwsOptions) -> Self {
        DynamoOptions {
            aws,
            table_prefix: String::new(),
            tables: BTreeMap::new(),
            calls_in_flight_max: 32,
            write_tries_max: 10,
            table_wait_max: Duration::from_secs(120),
        }
    }
}
