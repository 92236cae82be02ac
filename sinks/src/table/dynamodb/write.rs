//! Puts and deletes: one by one under a condition, or in batches.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, Put, PutRequest, TransactWriteItem, WriteRequest};
use futures::{StreamExt, TryStreamExt, stream};
use model::name::TableName;
use model::table::store::{ItemKey, PutCondition, TableError, TableSchema, VersionedItem};
use rand::Rng;

use super::attribute::{Attributes, VERSION, is_nowhere, key_attributes};
use super::error::put_error;
use super::store::DynamoTables;

/// Items of one call.
const BATCH_ITEMS_MAX: usize = 25;

/// Of each key the item that stays: the one of the highest version, of equal ones the last.
fn only_last(
    schema: &TableSchema,
    items: &[VersionedItem],
    attributes: Vec<Attributes>,
) -> Result<Vec<(u64, Attributes)>, TableError> {
    let mut last: BTreeMap<ItemKey, (u64, Attributes)> = BTreeMap::new();
    for (versioned, attributes) in items.iter().zip(attributes) {
        let key = schema.key_of(&versioned.item)?;
        if last.get(&key).is_none_or(|(version, _)| *version <= versioned.version) {
            last.insert(key, (versioned.version, attributes));
        }
    }
    Ok(last.into_values().collect())
}

impl DynamoTables {
    /// Puts items that were looked at. Each is there, or something newer, when this returns.
    pub(super) async fn put_all(
        &self,
        schema: &TableSchema,
        items: &[VersionedItem],
        attributes: Vec<Attributes>,
    ) -> Result<(), TableError> {
        let table = &schema.name;
        let items = only_last(schema, items, attributes)?;
        if self.options_of(table).final_rows {
            let put = |(_, item)| {
                let put = PutRequest::builder().set_item(Some(item)).build().expect("the item is set");
                WriteRequest::builder().put_request(put).build()
            };
            return self.write_batches(table, items.into_iter().map(put).collect()).await;
        }
        let puts = items.into_iter().map(|(version, item)| self.put_newer_with_patience(table, version, item));
        stream::iter(puts).buffer_unordered(self.options.calls_in_flight_max).try_collect().await
    }

    /// One item's failure must not cost the tries of all the others: while a third of all calls fail, hundreds of items
    /// never succeed together.
    async fn put_newer_with_patience(
        &self,
        table: &TableName,
        version: u64,
        item: Attributes,
    ) -> Result<(), TableError> {
        let mut pauses = self.pauses();
        loop {
            match self.put_newer(table, version, item.clone()).await {
                Err(error @ TableError::Unavailable { .. }) => match pauses.next() {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Err(error),
                },
                done => return done,
            }
        }
    }

    /// Growing and jittered waits between the tries of one item or batch.
    fn pauses(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        let (min, max) = (self.options.aws.retry_delay_min, self.options.aws.retry_delay_max);
        let full = (1..self.options.write_tries_max).scan(min, move |next, _| {
            let pause = *next;
            *next = (pause * 2).min(max);
            Some(pause)
        });
        full.map(|pause| pause.mul_f64(rand::rng().random_range(0.5..=1.0)))
    }

    async fn put_newer(&self, table: &TableName, version: u64, item: Attributes) -> Result<(), TableError> {
        let put = self.client.put_item().table_name(self.physical(table)).set_item(Some(item));
        let put = put.condition_expression("attribute_not_exists(#version) OR #version <= :version");
        let put = put.expression_attribute_names("#version", VERSION);
        match put.expression_attribute_values(":version", AttributeValue::N(version.to_string())).send().await {
            Ok(_) => Ok(()),
            // Something newer is there.
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(()),
            Err(error) => Err(put_error(table, &error)),
        }
    }

    /// Puts an item if its condition holds. A transaction of one item, because it has a token: a try whose answer got
    /// lost is answered again as it was, where a plain conditional put would find its own item and say no.
    pub(super) async fn put_on_condition(
        &self,
        schema: &TableSchema,
        item: Attributes,
        condition: PutCondition,
    ) -> Result<bool, TableError> {
        let table = &schema.name;
        let put = Put::builder().table_name(self.physical(table)).set_item(Some(item));
        let put = match condition {
            PutCondition::Absent => put
                .condition_expression("attribute_not_exists(#key)")
                .expression_attribute_names("#key", &schema.partition_key.name),
            // What somebody else put has no version and counts as version 0.
            PutCondition::VersionIs(0) => put
                .condition_expression(
                    "#version = :version OR (attribute_exists(#key) AND attribute_not_exists(#version))",
                )
                .expression_attribute_names("#key", &schema.partition_key.name)
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":version", AttributeValue::N("0".to_owned())),
            PutCondition::VersionIs(version) => put
                .condition_expression("#version = :version")
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":version", AttributeValue::N(version.to_string())),
        };
        let write = TransactWriteItem::builder().put(put.build().expect("table and item are set")).build();
        match self.client.transact_write_items().transact_items(write).send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error().map(|service| cancelled_for(service)) {
                Some(Some("ConditionalCheckFailed")) => Ok(false),
                Some(Some("ValidationError")) => {
                    Err(TableError::InvalidItem { table: table.clone(), reason: "DynamoDB does not accept it".into() })
                }
                _ => Err(put_error(table, &error)),
            },
        }
    }

    /// Deletes items by key.
    pub(super) async fn delete_all(&self, schema: &TableSchema, keys: &[ItemKey]) -> Result<(), TableError> {
        let mut deletes = BTreeMap::new();
        for key in keys.iter().filter(|key| !is_nowhere(key)) {
            // A batch may name a key only once.
            deletes.insert(key.clone(), key_attributes(schema, key)?);
        }
        let delete = |key| {
            let delete = DeleteRequest::builder().set_key(Some(key)).build().expect("the key is set");
            WriteRequest::builder().delete_request(delete).build()
        };
        self.write_batches(&schema.name, deletes.into_values().map(delete).collect()).await
    }

    async fn write_batches(&self, table: &TableName, writes: Vec<WriteRequest>) -> Result<(), TableError> {
        let batches: Vec<_> = writes.chunks(BATCH_ITEMS_MAX).map(<[WriteRequest]>::to_vec).collect();
        let batches = batches.into_iter().map(|batch| self.write_batch(table, batch));
        stream::iter(batches).buffer_unordered(self.options.calls_in_flight_max).try_collect().await
    }

    /// Writes a batch; it, or what is left unprocessed of it, again and again with growing waits.
    async fn write_batch(&self, table: &TableName, mut batch: Vec<WriteRequest>) -> Result<(), TableError> {
        let physical = self.physical(table);
        let mut pauses = self.pauses();
        loop {
            let items = HashMap::from([(physical.clone(), batch.clone())]);
            let written = self.client.batch_write_item().set_request_items(Some(items)).send().await;
            let failure = match written.map_err(|error| put_error(table, &error)) {
                Ok(written) => {
                    batch = written.unprocessed_items.and_then(|mut left| left.remove(&physical)).unwrap_or_default();
                    if batch.is_empty() {
                        return Ok(());
                    }
                    let reason = format!("{} items are left unprocessed: it is throttled", batch.len());
                    TableError::Unavailable { table: table.clone(), reason }
                }
                Err(error @ TableError::Unavailable { .. }) => error,
                Err(error) => return Err(error),
            };
            match pauses.next() {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(failure),
            }
        }
    }
}

/// Why a transaction of one item was cancelled, if it was.
fn cancelled_for(error: &aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError) -> Option<&str> {
    use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
    match error {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => {
            cancelled.cancellation_reasons().first()?.code()
        }
        _ => None,
    }
}
