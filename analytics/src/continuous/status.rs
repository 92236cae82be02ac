//! What a continuous query tells about itself.

use std::sync::{Arc, Mutex};

use model::clock::Timestamp;

/// A query's figures. Counts are those of its last checkpoint, from when the query first began:
/// what is counted twice because it was computed twice is not in them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueryStatus {
    /// Records it has taken in, those that a producer library packed into one counted each.
    pub records: u64,
    /// Rows it has written.
    pub rows: u64,
    /// Records or rows that it could not use.
    pub left_out: u64,
    /// Nothing earlier is expected from any shard; none before its first records.
    pub watermark: Option<Timestamp>,
    /// When the first open window ends; none while no window is open.
    pub window_end: Option<Timestamp>,
    /// Windows that have begun and not ended.
    pub open_windows: usize,
    /// Rows read from records since this process started.
    pub rows_read: u64,
    /// Whether WHERE has let any of them pass.
    pub any_passed: bool,
    /// Records that expired before the query read them, since this process started.
    pub expired: u64,
    /// Records lost to damage before the query read them, since this process started; an upper
    /// bound.
    pub lost: u64,
    /// Records that were deleted with an earlier stream of the source's name before the query read
    /// them, since this process started.
    pub deleted: u64,
    /// The last record or row that it could not use: when, and why.
    pub last_left_out: Option<(Timestamp, String)>,
    /// Why the records so far do not fit the query. They wait for others that do.
    pub waits_for: Option<String>,
}

/// Shows the status of a query, also while it runs and after its end. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct StatusHandle(Arc<Mutex<QueryStatus>>);

impl StatusHandle {
    /// The figures now.
    pub fn get(&self) -> QueryStatus {
        self.0.lock().expect("no holder of the lock panics").clone()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut QueryStatus)) {
        change(&mut self.0.lock().expect("no holder of the lock panics"));
    }
}
