//! Cumulating windows: several begin together, and each ends a `step` after the one before, until one is as wide as all. A
//! pane is a step.

use model::clock::Timestamp;

use crate::window::span::{Span, floor};

/// Lengths in milliseconds, above zero; the width is a multiple of the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cumulating {
    pub(crate) step: i64,
    pub(crate) width: i64,
    /// A window begins this long after 1970-01-01T00:00:00Z.
    pub(crate) offset: i64,
}

impl Cumulating {
    /// The pane of a moment.
    pub(crate) fn pane_of(self, at: Timestamp) -> Span {
        let start = floor(at.as_millis(), self.step, self.offset);
        Span::of_millis(start, start.saturating_add(self.step))
    }

    /// When the first window that holds the pane ends, of those that end after `after`.
    pub(crate) fn first_end(self, pane: Span, after: Timestamp) -> Option<Timestamp> {
        let next = floor(after.as_millis(), self.step, self.offset).saturating_add(self.step);
        let end = pane.end.max(Timestamp::from_millis(next));
        (end <= self.last_end(pane)).then_some(end)
    }

    /// When the last window that holds the pane ends.
    pub(crate) fn last_end(self, pane: Span) -> Timestamp {
        let start = floor(pane.start.as_millis(), self.width, self.offset);
        Timestamp::from_millis(start.saturating_add(self.width))
    }

    /// The window that ends then.
    pub(crate) fn ending(self, end: Timestamp) -> Span {
        let last = end.as_millis().saturating_sub(1);
        Span { start: Timestamp::from_millis(floor(last, self.width, self.offset)), end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    proptest! {
        #[test]
        fn panes_agree_with_windows_listed_one_by_one(
            step in 1..20_i64, steps in 1..8_i64, offset in -50..50_i64, at in -200..200_i64, after in -250..250_i64,
        ) {
            let cumulating = Cumulating { step, width: step * steps, offset };
            let pane = cumulating.pane_of(Timestamp::from_millis(at));
            let starts = (-600..600_i64).filter(|start| (start - offset).rem_euclid(step * steps) == 0);
            let windows = starts.flat_map(|start| (1..=steps).map(move |n| (start, start + n * step)));
            let holding: Vec<(i64, i64)> = windows.filter(|(start, end)| *start <= at && at < *end).collect();
            let first = holding.iter().map(|(_, end)| *end).find(|end| after < *end);
            let found = cumulating.first_end(pane, Timestamp::from_millis(after)).map(Timestamp::as_millis);
            prop_assert_eq!(found, first);
            prop_assert_eq!(cumulating.last_end(pane).as_millis(), holding.last().unwrap().1);
            for (start, end) in holding {
                prop_assert_eq!(cumulating.ending(Timestamp::from_millis(end)), Span::of_millis(start, end));
            }
        }
    }
}
