//! Which files the checks before a start may read.

use std::path::Path;

/// Whether a file may be read now and again later: a pipe gives its bytes once, to the start
/// itself.
pub(crate) fn is_lasting(file: &Path) -> bool {
    std::fs::metadata(file).map_or(true, |about| about.is_file())
}
