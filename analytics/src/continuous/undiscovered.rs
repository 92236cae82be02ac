//! Records that wait until the columns of their stream are known.
//!
//! A stream that declares no columns has those of its first records. If these lack a column that
//! the query uses, they wait for records that have it, and then count like all others. Only so many
//! wait: after that the query begins without them.

use model::stream::consumer::ShardBatch;

use crate::continuous::decode::json::Kinds;

/// The most objects that wait.
const OBJECTS_MAX: usize = 1000;
/// The most bytes of records that wait.
const BYTES_MAX: usize = 8 << 20;

/// Batches that wait, in the order in which they were read.
#[derive(Debug, Default)]
pub(crate) struct Undiscovered {
    batches: Vec<ShardBatch>,
    /// The objects of their records.
    objects: Vec<Kinds>,
    bytes: usize,
}

impl Undiscovered {
    /// Whether none wait.
    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Whether no more may wait.
    pub(crate) fn is_full(&self) -> bool {
        OBJECTS_MAX <= self.objects.len() || BYTES_MAX <= self.bytes
    }

    /// The objects that wait.
    pub(crate) fn objects(&self) -> &[Kinds] {
        &self.objects
    }

    /// Lets a batch wait; `objects` are those of its records.
    pub(crate) fn push(&mut self, batch: ShardBatch, objects: Vec<Kinds>) {
        self.bytes += batch.records.iter().map(|record| record.data.len()).sum::<usize>();
        self.objects.extend(objects);
        self.batches.push(batch);
    }

    /// Ends their wait.
    pub(crate) fn take(&mut self) -> Vec<ShardBatch> {
        std::mem::take(self).batches
    }
}
