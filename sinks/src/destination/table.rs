//! Upserts the records of a stream into a table: each one JSON object, or several, that hold the table's keys.
//!
//! An item's version is its record's sequence number, so of two records of a key the later stays, however often they
//! are delivered. (Between shards that are no relatives numbers do not tell what is later: records of one item
//! should share a partition key.) Parts of an aggregate, and the objects of one record, have one number, and are put in
//! their order: the later stays. A record one of whose objects is no item goes to the dead letters; it never holds up the others.

use std::sync::Arc;

use async_trait::async_trait;
use model::archive::store::Archive;
use model::name::{ConsumerName, TableName};
use model::stream::aggregate::UserRecord;
use model::table::json::read_item;
use model::table::store::{TableError, TableSchema, TableStore, VersionedItem};
use model::text::json_object::RecordText;

use crate::delivery::cut::Cut;
use crate::delivery::sink::{Appear, Delivered, Sink, SinkError};
use crate::object::dead_letter::{DeadLetters, MISPLACED};

/// Delivers cuts to a table.
pub struct TableSink {
    delivery: ConsumerName,
    tables: Arc<dyn TableStore>,
    table: TableName,
    dead_letters: Arc<dyn Archive>,
}

impl TableSink {
    /// A sink for `table`. Dead letters go to `dead_letters` under `errors/<delivery>/`.
    pub fn new(
        delivery: ConsumerName,
        tables: Arc<dyn TableStore>,
        table: TableName,
        dead_letters: Arc<dyn Archive>,
    ) -> Self {
        TableSink { delivery, tables, table, dead_letters }
    }

    /// Puts items together or, where one of them is refused, record by record; adds the refused to `refused`.
    async fn put<'a>(
        &self,
        items: Vec<(UserRecord<'a>, Vec<VersionedItem>)>,
        refused: &mut Vec<(UserRecord<'a>, String)>,
    ) -> Result<u64, SinkError> {
        if items.is_empty() {
            return Ok(0);
        }
        let together = items.iter().flat_map(|(_, items)| items.iter().cloned()).collect();
        match self.tables.put(&self.table, together).await {
            Ok(()) => return Ok(items.len() as u64),
            Err(TableError::InvalidItem { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let mut count = 0;
        for (user, items) in items {
            match self.tables.put(&self.table, items).await {
                Ok(()) => count += 1,
                Err(error @ TableError::InvalidItem { .. }) => refused.push((user, error.to_string())),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(count)
    }
}

/// The items that a record's objects are: all of them, or none.
fn items_of(schema: &TableSchema, user: &UserRecord<'_>) -> Result<Vec<VersionedItem>, String> {
    if user.misplaced {
        return Err(MISPLACED.to_owned());
    }
    let text = RecordText::of(&user.data).map_err(|error| error.to_string())?;
    let objects = text.objects().map_err(|error| error.to_string())?;
    let item = |object: &str| {
        let item = read_item(object.as_bytes()).map_err(|error| error.to_string())?;
        schema.key_of(&item).map_err(|error| error.to_string())?;
        Ok(VersionedItem { item, version: user.record.sequence_number.0 })
    };
    objects.into_iter().map(item).collect()
}

impl TableSink {
    async fn deliver(&self, cut: &Cut) -> Result<Delivered, SinkError> {
        let schema = self.tables.describe(&self.table).await?;
        let (mut items, mut letters) = (Vec::with_capacity(cut.records.len()), Vec::new());
        for user in cut.user_records() {
            match items_of(&schema, &user) {
                Ok(of_record) => items.push((user, of_record)),
                Err(reason) => letters.push((user, reason)),
            }
        }
        let records = self.put(items, &mut letters).await?;
        letters.sort_by_key(|(user, _)| (user.record.sequence_number, user.sub_sequence_number));
        let mut dead = DeadLetters::default();
        for (user, reason) in &letters {
            dead.push(cut.range.shard, user, reason);
        }
        let dead_letters = dead.put(&*self.dead_letters, self.delivery.as_str(), &cut.range).await?;
        Ok(Delivered { records, dead_letters })
    }
}

#[async_trait]
impl Sink for TableSink {
    /// Only for dead letters: upserts may be repeated in any cut.
    async fn must_be_promised(&self, cuts: &[Cut]) -> Result<bool, SinkError> {
        let schema = self.tables.describe(&self.table).await?;
        let is_letter = |user| match items_of(&schema, &user) {
            Ok(items) => items.iter().any(|item| self.tables.check_item(&schema, item).is_err()),
            Err(_) => true,
        };
        Ok(cuts.iter().flat_map(Cut::user_records).any(is_letter))
    }

    /// Versions say which record of an item is the later one.
    fn keeps_order(&self) -> bool {
        false
    }

    async fn prepare<'a>(&'a self, cut: &'a Cut) -> Result<Appear<'a>, SinkError> {
        Ok(Box::pin(self.deliver(cut)))
    }
}
