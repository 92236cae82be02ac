//! What a stream's log tells about itself.

use model::name::StreamName;

/// A stream's log now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamStatus {
    /// The stream.
    pub name: StreamName,
    /// Segments kept, the one that is being written included.
    pub segments: usize,
    /// Bytes in them.
    pub bytes: u64,
    /// Open shards.
    pub open_shards: usize,
    /// Whether it takes no records until the next start, or could not be opened at all.
    pub halted: bool,
    /// Records of kept segments that a repair has given up: at most so many.
    pub lost_records: u64,
    /// Damage that was met in segments since the stream was opened: where, and what does not fit.
    pub damaged: Vec<String>,
}

impl StreamStatus {
    /// A stream that could not be opened.
    pub(crate) fn refused(name: StreamName) -> Self {
        StreamStatus { name, segments: 0, bytes: 0, open_shards: 0, halted: true, lost_records: 0, damaged: Vec::new() }
    }
}
