//! How time is cut into windows, and how rows get into them.
//!
//! ```text
//! tumbling    ├────┤├────┤├────┤      every moment is in one window
//! hopping     ├────────┤              windows of one width, begun every so often
//!                 ├────────┤
//! cumulating  ├──┤                    windows that begin together, each longer than the one before
//!             ├─────┤
//!             ├────────┤
//! session     ├─ ─ ──┤   ├─ ──┤       of one key: rows that are closer to each other than a gap
//! stagger       ├────┤     ├────┤     of one key: begins with its first row
//! sliding     ─ ─ ─ ─────●              of one row: the rows before it
//! ```

pub(crate) mod span;

pub(crate) mod calendar;

pub(crate) mod hopping;

pub(crate) mod cumulating;

pub(crate) mod sliding;

pub(crate) mod kind;

pub(crate) mod assigner;
