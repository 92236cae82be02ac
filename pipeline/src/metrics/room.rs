//! How much room the disk under the data has, looked at with every scrape.

use std::path::PathBuf;
use std::sync::OnceLock;

use prometheus::{Gauge, GaugeVec};

use super::families::{Families, NONE};

/// Figures of the disk that the data folder is on.
#[derive(Debug)]
pub(crate) struct Room {
    size: GaugeVec,
    available: GaugeVec,
    folder: OnceLock<PathBuf>,
}

impl Room {
    pub(crate) fn new(families: &mut Families) -> Self {
        Room {
            size: families.gauge("gallop_disk_size_bytes", &[], "Size of the file system of the data folder."),
            available: families.gauge(
                "gallop_disk_available_bytes",
                &[],
                "Space left on it for this process. At 0, streams on this machine reject records.",
            ),
            folder: OnceLock::new(),
        }
    }

    /// Shows the file system of a folder from now on.
    pub(crate) fn watch(&self, folder: PathBuf) {
        self.folder.get_or_init(|| folder);
    }

    pub(crate) fn refresh(&self) {
        // A folder that cannot be asked now keeps its last figures.
        let Some(Ok(found)) = self.folder.get().map(rustix::fs::statvfs) else { return };
        let set = |gauge: Gauge, blocks: u64| gauge.set(blocks as f64 * found.f_frsize as f64);
        set(self.size.with_label_values(&NONE), found.f_blocks);
        set(self.available.with_label_values(&NONE), found.f_bavail);
    }
}
