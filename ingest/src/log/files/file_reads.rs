//! Readers' work on segment files: off the async threads, and a bounded number at a time for the
//! whole store. Each holds what it has read, and no disk gets faster by being asked by hundreds.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::log::error::LogError;
use model::blocking::blocking_on;
use model::disk::Disk;

/// The most reads of files at a time; more wait for their turn, first come first served.
pub(crate) const FILE_READS_MAX: usize = 16;

/// The reads of a store. Clones share the bound.
#[derive(Debug, Clone)]
pub(crate) struct FileReads {
    disk: Arc<dyn Disk>,
    runtime: Handle,
    turns: Arc<Semaphore>,
}

impl FileReads {
    /// Of files on `disk`, on the blocking threads of `runtime`.
    pub(crate) fn new(disk: Arc<dyn Disk>, runtime: Handle) -> Self {
        FileReads { disk, runtime, turns: Arc::new(Semaphore::new(FILE_READS_MAX)) }
    }

    /// Does `work` when it is its turn, and to the end even when nobody waits for it any more.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Disk) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.expect("the semaphore is never closed");
        let disk = Arc::clone(&self.disk);
        blocking_on(&self.runtime, move || {
            let done = work(&*disk);
            drop(turn);
            done
        })
        .await
    }
}
