//! What the backends stand on: time, a disk, and threads. A test gives them others.

use std::sync::Arc;

use ingest::log::options::LogOptions;
use model::clock::{Clock, SystemClock};
use model::disk::{Disk, StdDisk};
use tokio::runtime::Handle;

use crate::bulk;

/// Time, disk and threads.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) disk: Arc<dyn Disk>,
    /// Where segment files are read.
    pub(crate) reads: Handle,
    /// Bounds of the log.
    pub(crate) log: LogOptions,
    /// Where SQL runs, and reads the archive through its seam. Without it, SQL has threads of its own and reads files
    /// of this machine.
    pub(crate) sql: Option<Handle>,
    /// Seeds what is random.
    pub(crate) seed: Option<u64>,
}

impl Machine {
    /// The one that this process runs on.
    pub(crate) fn this() -> Machine {
        let (clock, disk) = (Arc::new(SystemClock), Arc::new(StdDisk));
        Machine { clock, disk, reads: bulk::runtime(), log: LogOptions::default(), sql: None, seed: None }
    }
}
