//! A server whose data folder takes no writes: it shows what is there, and refuses every change.
//!
//! What a start must put right, it puts right in memory ([`model::disk::overlay`]). Then changes end
//! at two doors: streams refuse them by name, and the disk refuses whatever else would be written,
//! such as items, objects and what is kept of flows.

use std::io;
use std::path::Path;
use std::sync::Arc;

use model::blocking::blocking;
use model::disk::Disk;
use model::disk::overlay::OverlayDisk;
use tracing::warn;

/// A file that is made to see whether files can be made.
const PROBE: &str = "~writable";

/// What flows, doctor and the log say.
pub(crate) const WHY: &str = "the data folder was on a read-only file system when the server started: what is there can be read, and nothing can be changed";
/// What to do about it.
pub(crate) const FIX: &str = "make the file system writable, then restart the server";

/// A stand-in for `disk` if `data` is there and stands on a read-only file system.
pub(crate) async fn stand_in(disk: &Arc<dyn Disk>, data: &Path) -> Option<OverlayDisk> {
    let (probed, data) = (Arc::clone(disk), data.to_owned());
    let is_read_only = blocking(move || is_read_only(&*probed, &data)).await;
    is_read_only.then(|| {
        warn!(fix = FIX, "{WHY}");
        OverlayDisk::new(Arc::clone(disk))
    })
}

fn is_read_only(disk: &dyn Disk, data: &Path) -> bool {
    if disk.about(data).is_err() {
        return false;
    }
    let probe = data.join(PROBE);
    match disk.create(&probe) {
        Ok(_) => {
            // Whoever finds it knows that it means nothing.
            let _ = disk.remove(&probe);
            false
        }
        Err(error) => error.kind() == io::ErrorKind::ReadOnlyFilesystem,
    }
}
