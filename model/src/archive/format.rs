//! How the lines of an archived object are compressed.

use serde::{Deserialize, Serialize};

/// How JSON lines are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Zstandard.
    #[default]
    Zstd,
    /// Gzip.
    Gzip,
    /// Not at all.
    None,
}
