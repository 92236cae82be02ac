//! A stretch of time.

use model::clock::Timestamp;

/// A window, or a part of one. Half-open: a record at `end` belongs to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    /// The first moment in it.
    pub(crate) start: Timestamp,
    /// The first moment after it.
    pub(crate) end: Timestamp,
}

impl Span {
    /// From milliseconds since 1970.
    pub(crate) fn of_millis(start: i64, end: i64) -> Span {
        Span { start: Timestamp::from_millis(start), end: Timestamp::from_millis(end) }
    }
}

/// The last multiple of `step`, counted from `offset`, that is not after `at`: all in milliseconds.
pub(crate) fn floor(at: i64, step: i64, offset: i64) -> i64 {
    at.saturating_sub(at.saturating_sub(offset).rem_euclid(step))
}
