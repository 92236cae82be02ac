//! Hopping windows: one begins every `slide`, and each lasts for `width`. They overlap where the slide is shorter than the
//! width, and leave gaps where it is longer. Panes are what windows share: the greatest length that divides both.

use model::clock::Timestamp;

use crate::window::span::{Span, floor};

/// Lengths in milliseconds, above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hopping {
    pub(crate) slide: i64,
    pub(crate) width: i64,
    /// A window begins this long after 1970-01-01T00:00:00Z.
    pub(crate) offset: i64,
}

impl Hopping {
    /// How long a pane lasts.
    pub(crate) fn pane_width(self) -> i64 {
        let (mut a, mut b) = (self.slide, self.width);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    }

    /// The pane of a moment.
    pub(crate) fn pane_of(self, at: Timestamp) -> Span {
        let start = floor(at.as_millis(), self.pane_width(), self.offset);
        Span::of_millis(start, start.saturating_add(self.pane_width()))
    }

    /// When the first window that holds the pane ends, of those that end after `after`.
    pub(crate) fn first_end(self, pane: Span, after: Timestamp) -> Option<Timestamp> {
        let earliest = (pane.end.as_millis().saturating_sub(self.width))
            .max(after.as_millis().saturating_sub(self.width).saturating_add(1));
        // The first start that is not before the earliest one.
        let start = floor(earliest.saturating_add(self.slide - 1), self.slide, self.offset);
        (start <= pane.start.as_millis()).then(|| Timestamp::from_millis(start.saturating_add(self.width)))
    }

    /// When the last window that holds the pane ends; none where it is in a gap.
    pub(crate) fn last_end(self, pane: Span) -> Option<Timestamp> {
        let start = floor(pane.start.as_millis(), self.slide, self.offset);
        let end = start.saturating_add(self.width);
        (pane.end.as_millis() <= end).then(|| Timestamp::from_millis(end))
    }

    /// The window that ends then.
    pub(crate) fn ending(self, end: Timestamp) -> Span {
        Span { start: Timestamp::from_millis(end.as_millis().saturating_sub(self.width)), end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    proptest! {
        #[test]
        fn panes_agree_with_windows_listed_one_by_one(
            slide in 1..40_i64, width in 1..40_i64, offset in -50..50_i64, at in -200..200_i64, after in -250..250_i64,
        ) {
            let hopping = Hopping { slide, width, offset };
            let pane = hopping.pane_of(Timestamp::from_millis(at));
            prop_assert!(pane.start.as_millis() <= at && at < pane.end.as_millis());
            let starts = (-400..400_i64).filter(|start| (start - offset).rem_euclid(slide) == 0);
            let mut ends: Vec<i64> = starts.filter(|start| *start <= at && at < start + width).map(|s| s + width).collect();
            ends.sort_unstable();
            let first = ends.iter().copied().find(|end| after < *end);
            let millis = |end: Option<Timestamp>| end.map(Timestamp::as_millis);
            prop_assert_eq!(millis(hopping.first_end(pane, Timestamp::from_millis(after))), first);
            prop_assert_eq!(millis(hopping.last_end(pane)), ends.last().copied());
        }
    }
}
