//! The store: tables by name, what is known of them, and the seam's methods.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{BillingMode, TableDescription, TableStatus, TimeToLiveSpecification, TimeToLiveStatus};
use model::clock::Clock;
use model::name::TableName;
use model::table::store::{ItemKey, Page, PutCondition, Query, TableError, TableSchema, TableStore, VersionedItem};
use tracing::info;

use super::attribute::{decode, encode, is_expired, is_nowhere, key_attributes};
use super::error::table_error;
use super::keys::{definitions, roles, schema_from};
use super::options::{DynamoOptions, DynamoTableOptions};
use crate::aws::config;

/// The first wait for a table to become ready, doubled after each look.
const TABLE_WAIT_MIN: Duration = Duration::from_millis(50);
/// The longest of these waits.
const TABLE_WAIT_STEP_MAX: Duration = Duration::from_secs(2);
/// Schemas that are remembered; over it they are asked for anew.
const SCHEMAS_MAX: usize = 1024;
/// Lengths that DynamoDB allows for a table's name.
const TABLE_NAME_LENGTHS: std::ops::RangeInclusive<usize> = 3..=255;

/// Tables in DynamoDB.
#[derive(Clone)]
pub struct DynamoTables {
    pub(super) client: Client,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) options: Arc<DynamoOptions>,
    schemas: Arc<Mutex<HashMap<TableName, Arc<TableSchema>>>>,
}

impl fmt::Debug for DynamoTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoTables").field("options", &self.options).finish_non_exhaustive()
    }
}

impl DynamoTables {
    /// Connects; says at the first call when nobody is there. The clock says which items have expired.
    pub async fn open(clock: Arc<dyn Clock>, options: DynamoOptions) -> Self {
        let client = Client::new(&config(&options.aws).await);
        DynamoTables { client, clock, options: Arc::new(options), schemas: Arc::default() }
    }

    /// The table's name in DynamoDB.
    pub(super) fn physical(&self, table: &TableName) -> String {
        format!("{}{table}", self.options.table_prefix)
    }

    pub(super) fn options_of(&self, table: &TableName) -> DynamoTableOptions {
        self.options.tables.get(table).cloned().unwrap_or_default()
    }

    fn schemas(&self) -> MutexGuard<'_, HashMap<TableName, Arc<TableSchema>>> {
        self.schemas.lock().expect("no holder of the lock panics")
    }

    /// A table's keys, asked for once. Keys never change, but a table may be dropped: see [`Self::or_forget`].
    async fn schema(&self, table: &TableName) -> Result<Arc<TableSchema>, TableError> {
        if let Some(schema) = self.schemas().get(table) {
            return Ok(Arc::clone(schema));
        }
        let description = self.describe_there(table).await?.ok_or_else(|| TableError::NotFound(table.clone()))?;
        let schema = Arc::new(self.keys_of(table, &description)?);
        let mut schemas = self.schemas();
        if schemas.len() >= SCHEMAS_MAX {
            schemas.clear();
        }
        schemas.insert(table.clone(), Arc::clone(&schema));
        Ok(schema)
    }

    /// A table that turns out to be gone may come back with other keys.
    fn or_forget<T>(&self, result: Result<T, TableError>) -> Result<T, TableError> {
        if let Err(TableError::NotFound(table)) = &result {
            self.schemas().remove(table);
        }
        result
    }

    fn keys_of(&self, table: &TableName, description: &TableDescription) -> Result<TableSchema, TableError> {
        schema_from(table, description).ok_or_else(|| TableError::Backend {
            table: table.clone(),
            doing: "reading its keys".to_owned(),
            source: "a key is of a type that this version does not know".into(),
        })
    }

    async fn describe_there(&self, table: &TableName) -> Result<Option<TableDescription>, TableError> {
        match self.client.describe_table().table_name(self.physical(table)).send().await {
            Ok(described) => Ok(described.table),
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(table_error(table, "describing it", &error)),
        }
    }

    /// Looks at the table until `done`, or until waiting has taken too long.
    async fn wait_for(
        &self,
        table: &TableName,
        what: &str,
        done: impl Fn(Option<&TableDescription>) -> bool,
    ) -> Result<Option<TableDescription>, TableError> {
        let wait = async {
            let mut pause = TABLE_WAIT_MIN;
            loop {
                let description = self.describe_there(table).await?;
                if done(description.as_ref()) {
                    return Ok(description);
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(TABLE_WAIT_STEP_MAX);
            }
        };
        let wait_max = self.options.table_wait_max;
        tokio::time::timeout(wait_max, wait).await.unwrap_or_else(|_| {
            let reason = format!("it is not {what} after {wait_max:?}");
            Err(TableError::Unavailable { table: table.clone(), reason })
        })
    }

    async fn create_there(&self, schema: &TableSchema) -> Result<(), TableError> {
        let physical = self.physical(&schema.name);
        if !TABLE_NAME_LENGTHS.contains(&physical.len()) {
            let reason = format!("DynamoDB wants names of 3 to 255 characters, not `{physical}`");
            return Err(TableError::Backend {
                table: schema.name.clone(),
                doing: "creating it".into(),
                source: reason.into(),
            });
        }
        let create = self.client.create_table().table_name(physical).billing_mode(BillingMode::PayPerRequest);
        let create = create.set_attribute_definitions(Some(definitions(schema))).set_key_schema(Some(roles(schema)));
        match create.send().await {
            Ok(_) => info!(table = %schema.name, "table created in DynamoDB"),
            // Another process, or a try of ours whose answer got lost.
            Err(error) if error.code() == Some("ResourceInUseException") => {}
            Err(error) => return Err(table_error(&schema.name, "creating it", &error)),
        }
        Ok(())
    }

    /// Lets DynamoDB remove expired items, if the table is to have them removed.
    async fn enable_ttl(&self, table: &TableName) -> Result<(), TableError> {
        let Some(attribute) = self.options_of(table).ttl_attribute else { return Ok(()) };
        let physical = self.physical(table);
        let described = self.client.describe_time_to_live().table_name(&physical).send().await;
        let described = described.map_err(|error| table_error(table, "asking for its time to live", &error))?;
        let there = described.time_to_live_description();
        let on = there
            .and_then(|there| there.time_to_live_status())
            .is_some_and(|status| matches!(status, TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling));
        let of = there.and_then(|there| there.attribute_name());
        if on && of == Some(attribute.as_str()) {
            return Ok(());
        }
        if on {
            let source = format!("it expires by `{}` already, not by `{attribute}`", of.unwrap_or_default()).into();
            return Err(TableError::Backend { table: table.clone(), doing: "setting its time to live".into(), source });
        }
        let wanted = TimeToLiveSpecification::builder().enabled(true).attribute_name(attribute).build();
        let wanted = wanted.expect("both are set");
        let update = self.client.update_time_to_live().table_name(physical).time_to_live_specification(wanted);
        update.send().await.map_err(|error| table_error(table, "setting its time to live", &error))?;
        Ok(())
    }

    async fn names(&self) -> Result<Vec<TableName>, TableError> {
        let none = TableName::new("tables").expect("a valid name");
        let mut pages = self.client.list_tables().into_paginator().send();
        let mut names = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| table_error(&none, "listing tables", &error))?;
            let ours = page.table_names().iter().filter_map(|name| name.strip_prefix(&self.options.table_prefix));
            names.extend(ours.filter_map(|name| TableName::new(name).ok()));
        }
        names.sort_unstable();
        Ok(names)
    }
}

fn is_active(description: Option<&TableDescription>) -> bool {
    description.is_some_and(|found| found.table_status() == Some(&TableStatus::Active))
}

#[async_trait]
impl TableStore for DynamoTables {
    async fn create(&self, schema: TableSchema) -> Result<(), TableError> {
        let name = &schema.name;
        if self.describe_there(name).await?.is_none() {
            self.create_there(&schema).await?;
        }
        let description = self.wait_for(name, "active", is_active).await?.expect("an active table is there");
        if self.keys_of(name, &description)? != schema {
            return Err(TableError::Exists(name.clone()));
        }
        self.enable_ttl(name).await
    }

    async fn list(&self) -> Result<Vec<TableSchema>, TableError> {
        let mut schemas = Vec::new();
        for name in self.names().await? {
            // It may have been dropped meanwhile.
            let description = self.describe_there(&name).await?;
            schemas.extend(description.and_then(|description| schema_from(&name, &description)));
        }
        Ok(schemas)
    }

    async fn describe(&self, table: &TableName) -> Result<TableSchema, TableError> {
        self.schema(table).await.map(|schema| (*schema).clone())
    }

    async fn drop_table(&self, table: &TableName) -> Result<(), TableError> {
        self.schemas().remove(table);
        let deleted = self.client.delete_table().table_name(self.physical(table)).send().await;
        deleted.map_err(|error| table_error(table, "dropping it", &error))?;
        self.wait_for(table, "gone", |found| found.is_none()).await?;
        self.schemas().remove(table);
        Ok(())
    }

    fn check_item(&self, schema: &TableSchema, item: &VersionedItem) -> Result<(), TableError> {
        encode(schema, item).map(drop)
    }

    async fn put(&self, table: &TableName, items: Vec<VersionedItem>) -> Result<(), TableError> {
        let schema = self.schema(table).await?;
        // All are looked at before any is written: one that cannot be kept refuses the batch.
        let attributes = items.iter().map(|item| encode(&schema, item)).collect::<Result<Vec<_>, _>>()?;
        self.or_forget(self.put_all(&schema, &items, attributes).await)
    }

    async fn put_if(
        &self,
        table: &TableName,
        item: VersionedItem,
        condition: PutCondition,
    ) -> Result<bool, TableError> {
        let schema = self.schema(table).await?;
        let attributes = encode(&schema, &item)?;
        self.or_forget(self.put_on_condition(&schema, attributes, condition).await)
    }

    async fn get(&self, table: &TableName, key: &ItemKey) -> Result<Option<VersionedItem>, TableError> {
        let schema = self.schema(table).await?;
        schema.check_key(key)?;
        if is_nowhere(key) {
            return Ok(None);
        }
        let get = self.client.get_item().table_name(self.physical(table)).consistent_read(true);
        let got = get.set_key(Some(key_attributes(&schema, key)?)).send().await;
        let got = self.or_forget(got.map_err(|error| table_error(table, "getting an item", &error)))?;
        let ttl = self.options_of(table).ttl_attribute;
        let there = got.item.filter(|item| !is_expired(item, ttl.as_deref(), self.clock.now()));
        there.map(|item| decode(table, item)).transpose()
    }

    async fn query(&self, table: &TableName, query: Query) -> Result<Page, TableError> {
        let schema = self.schema(table).await?;
        self.or_forget(self.query_pages(&schema, query).await)
    }

    async fn scan(&self, table: &TableName, after: Option<ItemKey>, limit: usize) -> Result<Page, TableError> {
        let schema = self.schema(table).await?;
        self.or_forget(self.scan_pages(&schema, after, limit).await)
    }

    async fn delete(&self, table: &TableName, keys: Vec<ItemKey>) -> Result<(), TableError> {
        let schema = self.schema(table).await?;
        for key in &keys {
            schema.check_key(key)?;
        }
        self.or_forget(self.delete_all(&schema, &keys).await)
    }
}
