//! Something that went wrong, and when.

use crate::clock::Timestamp;

/// Something that went wrong, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// When.
    pub at: Timestamp,
    /// What, with its causes.
    pub message: String,
}
