//! The columns of objects and tails that were looked through before. Objects never change, so each is looked
//! through once; a tail only grows, so only what is new of it is.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use model::clock::Timestamp;
use model::name::StreamName;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;

use crate::adhoc::archive::folder::Object;
use crate::adhoc::keeper::{COLUMNS_BYTES_MAX, ColumnsKeeper, OBJECTS_AT_ONCE_MAX};
use crate::adhoc::tail::range::TailRange;
use crate::rows::column_kind::Columns;

/// Shards whose tails are remembered.
const TAILS_MAX: usize = 4096;

/// An object: a file that was replaced under its name is another one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ObjectKey {
    location: String,
    size: u64,
    modified_micros: i64,
}

impl ObjectKey {
    fn of(object: &Object) -> Self {
        ObjectKey {
            location: object.meta.location.to_string(),
            size: object.meta.size,
            modified_micros: object.meta.last_modified.timestamp_micros(),
        }
    }

    /// As a keeper has it.
    fn to_text(&self) -> String {
        format!("{} {} {}", self.size, self.modified_micros, self.location)
    }
}

/// A shard of one life of a stream: deleted and created again it is another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TailKey {
    pub(crate) stream: StreamName,
    /// When it was created.
    pub(crate) created_at: Timestamp,
    pub(crate) shard: ShardId,
}

#[derive(Debug, Default)]
struct Entries {
    objects: HashMap<ObjectKey, Arc<Columns>>,
    oldest_first: VecDeque<ObjectKey>,
    tails: HashMap<TailKey, (TailRange, Columns)>,
}

/// Remembers columns, up to a bound.
pub(crate) struct SchemaCache {
    objects_max: usize,
    keeper: Option<Arc<dyn ColumnsKeeper>>,
    entries: Mutex<Entries>,
}

impl SchemaCache {
    /// An empty cache.
    pub(crate) fn new(objects_max: usize, keeper: Option<Arc<dyn ColumnsKeeper>>) -> Self {
        SchemaCache { objects_max, keeper, entries: Mutex::default() }
    }

    /// Asks the keeper for what is not known here.
    pub(crate) async fn recall(&self, objects: &[Object]) {
        let Some(keeper) = &self.keeper else { return };
        let unknown: Vec<&Object> = objects.iter().filter(|object| self.object(object).is_none()).collect();
        for some in unknown.chunks(OBJECTS_AT_ONCE_MAX) {
            let keys = some.iter().map(|object| ObjectKey::of(object).to_text()).collect();
            for (object, columns) in some.iter().zip(keeper.recall(keys).await) {
                if let Some(columns) = columns.as_deref().and_then(Columns::of_text) {
                    self.put_object(object, Arc::new(columns));
                }
            }
        }
    }

    /// Remembers an object that was looked through, here and with the keeper.
    pub(crate) async fn learn(&self, object: &Object, columns: Arc<Columns>) {
        if let Some(keeper) = &self.keeper {
            let text = columns.to_text();
            if text.len() <= COLUMNS_BYTES_MAX {
                keeper.keep(ObjectKey::of(object).to_text(), text).await;
            }
        }
        self.put_object(object, columns);
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().expect("no holder of the lock panics")
    }

    /// The columns of an object, if it was looked through before.
    pub(crate) fn object(&self, object: &Object) -> Option<Arc<Columns>> {
        self.lock().objects.get(&ObjectKey::of(object)).cloned()
    }

    /// Over the bound the oldest entry goes.
    fn put_object(&self, object: &Object, columns: Arc<Columns>) {
        let mut entries = self.lock();
        let key = ObjectKey::of(object);
        if entries.objects.insert(key.clone(), columns).is_none() {
            entries.oldest_first.push_back(key);
        }
        while entries.oldest_first.len() > self.objects_max {
            let oldest = entries.oldest_first.pop_front().expect("it is not empty");
            entries.objects.remove(&oldest);
        }
    }

    /// The columns known of a tail, and the part of `range` that is still to be looked through. Records that have
    /// left the tail may still have a say: a column is then wider than it need be, never too narrow.
    pub(crate) fn tail(&self, key: &TailKey, range: TailRange) -> (Columns, TailRange) {
        match self.lock().tails.get(key) {
            Some((seen, columns)) if seen.start <= range.start && range.start <= seen.end => {
                let start: SequenceNumber = seen.end.max(range.start);
                (columns.clone(), TailRange { start, ..range })
            }
            _ => (Columns::default(), range),
        }
    }

    /// Remembers that all of `range` was looked through.
    pub(crate) fn put_tail(&self, key: TailKey, range: TailRange, columns: Columns) {
        let tails = &mut self.lock().tails;
        if tails.len() < TAILS_MAX || tails.contains_key(&key) {
            tails.insert(key, (range, columns));
        } else {
            tails.clear();
        }
    }
}
