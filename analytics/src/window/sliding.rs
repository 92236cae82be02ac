//! Sliding windows: each row sees the rows before it, so many or so long ago. Rows are computed in an order that is a number:
//! the time, and a place among the rows of that time.
//!
//! ```text
//! time × 2^20 + place, place < 2^18
//! ```
//! Between two milliseconds is room, so that a distance of numbers can reach all rows of the first millisecond of a window,
//! and none of the millisecond before.

use model::clock::Timestamp;

/// The column that holds a row's place in the order of all.
pub(crate) const ORDER: &str = "__order";
/// Numbers of a millisecond.
const STEP: i64 = 1 << 20;
/// Rows of one millisecond that have places of their own; more share the last one.
const PLACES: i64 = 1 << 18;

/// What rows have to stay for those that come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Frames {
    /// The longest window, in milliseconds.
    pub(crate) range: Option<i64>,
    /// How many rows before a row each window of rows sees.
    pub(crate) rows: Vec<u64>,
}

/// The number of a row.
pub(crate) fn order(time: Timestamp, place: i64) -> i64 {
    time.as_millis().saturating_mul(STEP).saturating_add(place.min(PLACES - 1))
}

/// How far below a row's number those of the rows are that happened at most so many milliseconds before it.
pub(crate) fn distance(millis: i64) -> i64 {
    millis.saturating_mul(STEP).saturating_add(PLACES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_window_begins_with_its_first_millisecond(
            time in -1_000_000..4_000_000_000_000_i64, width in 0..1_000_000_i64, places in (0..PLACES, 0..PLACES),
        ) {
            let at = |millis: i64, place| order(Timestamp::from_millis(millis), place);
            let lowest = at(time, places.0) - distance(width);
            prop_assert!(lowest <= at(time - width, places.1));
            prop_assert!(at(time - width - 1, places.1) < lowest);
        }
    }
}
