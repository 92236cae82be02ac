//! The bounds of the log.

/// Bounds of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOptions {
    /// A segment is sealed when it is larger than this.
    pub segment_bytes_max: u64,
    /// The newest bytes of each stream that are kept in memory for readers at the tip.
    pub tail_bytes_max: usize,
    /// The same of all streams together.
    pub tails_bytes_max: usize,
    /// Entries of each stream that wait to be written; over it they are throttled.
    pub waiting_bytes_max: usize,
    /// About how much is written and synced at once.
    pub group_bytes_max: usize,
    /// A sealed segment is written again without its checkpoints if that frees so many bytes.
    pub compacted_bytes_min: u64,
    /// Streams of the store. Each has a thread.
    pub streams_max: usize,
    /// The stack of each of these threads. They do not recurse.
    pub writer_stack_bytes: usize,
}

impl Default for LogOptions {
    fn default() -> Self {
        LogOptions {
            segment_bytes_max: 64 << 20,
            tail_bytes_max: 32 << 20,
            tails_bytes_max: 256 << 20,
            waiting_bytes_max: 32 << 20,
            group_bytes_max: 8 << 20,
            compacted_bytes_min: 1 << 20,
            streams_max: 1000,
            writer_stack_bytes: 512 << 10,
        }
    }
}

#[cfg(any(test, feature = "testing"))]
impl LogOptions {
    /// Small bounds, so that tests reach them.
    pub fn small() -> Self {
        LogOptions {
            segment_bytes_max: 64 << 10,
            tail_bytes_max: 16 << 10,
            waiting_bytes_max: 4 << 20,
            group_bytes_max: 64 << 10,
            compacted_bytes_min: 1 << 10,
            streams_max: 100,
            ..LogOptions::default()
        }
    }
}
