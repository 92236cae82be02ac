//! All kinds of windows, as what folds rows sees them: panes, and which windows hold a pane.

use model::clock::Timestamp;

use crate::window::calendar::Tumbling;
use crate::window::cumulating::Cumulating;
use crate::window::hopping::Hopping;
use crate::window::span::Span;

/// The windows of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WindowKind {
    /// Cut by the clock, the same for all keys.
    Aligned(Aligned),
    /// Begun by rows, for each key apart.
    Keyed(Keyed),
}

/// Windows that are cut by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aligned {
    /// Every moment is in one window.
    Tumbling(Tumbling),
    /// Windows of one width begin every so often.
    Hopping(Hopping),
    /// Windows begin together and end one after the other.
    Cumulating(Cumulating),
}

/// Windows of each key apart; lengths in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keyed {
    /// Rows that are closer to each other than the gap are in one window; it ends a gap after its last row.
    Session { gap: i64 },
    /// A window begins with the first row that is in no earlier one, and lasts for the width.
    Stagger { width: i64 },
}

impl WindowKind {
    /// The pane of a row of this time. Of a keyed window it is what the row alone would make.
    pub(crate) fn pane_of(self, at: Timestamp) -> Span {
        match self {
            WindowKind::Aligned(aligned) => aligned.pane_of(at),
            WindowKind::Keyed(keyed) => Span::of_millis(at.as_millis(), at.as_millis().saturating_add(keyed.length())),
        }
    }
}

impl Aligned {
    /// The pane of a row of this time.
    pub(crate) fn pane_of(self, at: Timestamp) -> Span {
        match self {
            Aligned::Tumbling(tumbling) => tumbling.window_of(at),
            Aligned::Hopping(hopping) => hopping.pane_of(at),
            Aligned::Cumulating(cumulating) => cumulating.pane_of(at),
        }
    }

    /// When the first window that holds the pane ends, of those that end after `after`.
    pub(crate) fn first_end(self, pane: Span, after: Timestamp) -> Option<Timestamp> {
        match self {
            Aligned::Tumbling(_) => Some(pane.end).filter(|end| after < *end),
            Aligned::Hopping(hopping) => hopping.first_end(pane, after),
            Aligned::Cumulating(cumulating) => cumulating.first_end(pane, after),
        }
    }

    /// When the last window that holds the pane ends; none where no window does.
    pub(crate) fn last_end(self, pane: Span) -> Option<Timestamp> {
        match self {
            Aligned::Tumbling(_) => Some(pane.end),
            Aligned::Hopping(hopping) => hopping.last_end(pane),
            Aligned::Cumulating(cumulating) => Some(cumulating.last_end(pane)),
        }
    }

    /// The window that ends then; `pane` is one that it holds.
    pub(crate) fn ending(self, end: Timestamp, pane: Span) -> Span {
        match self {
            Aligned::Tumbling(_) => pane,
            Aligned::Hopping(hopping) => hopping.ending(end),
            Aligned::Cumulating(cumulating) => cumulating.ending(end),
        }
    }
}

impl Keyed {
    /// How long a window of one row lasts.
    pub(crate) fn length(self) -> i64 {
        match self {
            Keyed::Session { gap } => gap,
            Keyed::Stagger { width } => width,
        }
    }
}
