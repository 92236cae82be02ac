//! A small file in the data folder that keeps what was set at run time, replaced as a whole at
//! every change. `docs/FORMATS.md` describes those that exist.
//!
//! ```text
//! gallop-NAME 1 crc32c=0f1e2d3c
//! { .. JSON .. }
//! ```
//!
//! A copy is written after it, under the name with `.copy`: if the file is lost or damaged, the copy
//! counts.

use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use model::blocking::blocking_io;
use model::disk::{Disk, read_all};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::warn;

/// One such file.
pub(crate) struct KeptFile {
    /// Its name, which its first line repeats.
    pub(crate) name: &'static str,
    /// What to do if it is damaged.
    pub(crate) if_damaged: &'static str,
}

impl KeptFile {
    /// What an earlier run kept; the default if there is neither the file nor its copy.
    pub(crate) fn load<T: DeserializeOwned + Default>(&self, disk: &dyn Disk, data: &Path) -> anyhow::Result<T> {
        let (file, copy) = (data.join(self.name), data.join(copy_of(self.name)));
        let first = self.read(disk, &file)?;
        if let Some(Ok(kept)) = first {
            return Ok(kept);
        }
        let second = self.read(disk, &copy)?;
        if let Some(Ok(kept)) = second {
            warn!(file = %file.display(), copy = %copy.display(), "lost or damaged; its copy is used");
            return Ok(kept);
        }
        // Neither is whole: the error of one of them, unless there is none at all.
        first.or(second).unwrap_or_else(|| Ok(T::default()))
    }

    /// What a file holds, or why that is not known; nothing if there is no file.
    fn read<T: DeserializeOwned>(&self, disk: &dyn Disk, file: &Path) -> anyhow::Result<Option<anyhow::Result<T>>> {
        let bytes = match read_all(disk, file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.with_context(|| format!("{} cannot be read", file.display()))?,
        };
        let read = || {
            let (line, json) = std::str::from_utf8(&bytes).ok()?.split_once('\n')?;
            let json = json.strip_suffix('\n')?;
            (self.first_line(json) == line).then(|| serde_json::from_str(json))?.ok()
        };
        Ok(Some(read().with_context(|| format!("{} is damaged; {}", file.display(), self.if_damaged))))
    }

    /// Replaces the file and its copy. They are durable when this returns, and one is complete
    /// whatever happens. If there is no room for the copy, there is none: an old one would be taken
    /// for the truth later.
    pub(crate) async fn save(&self, disk: &Arc<dyn Disk>, data: &Path, kept: &impl Serialize) -> io::Result<()> {
        let json = serde_json::to_string_pretty(kept).map_err(io::Error::other)?;
        let text = format!("{}\n{json}\n", self.first_line(&json));
        let (disk, data, name) = (Arc::clone(disk), data.to_owned(), self.name);
        blocking_io(move || {
            replace(&*disk, &data, name, &text)?;
            let copy = copy_of(name);
            if let Err(error) = replace(&*disk, &data, &copy, &text) {
                warn!(file = name, %error, "there is no copy of this file now");
                let _ = disk.remove(&data.join(copy));
            }
            Ok(())
        })
        .await
    }

    fn first_line(&self, json: &str) -> String {
        format!("gallop-{} 1 crc32c={:08x}", self.name, crc32c::crc32c(json.as_bytes()))
    }
}

fn copy_of(name: &str) -> String {
    format!("{name}.copy")
}

fn replace(disk: &dyn Disk, data: &Path, name: &str, text: &str) -> io::Result<()> {
    let new = data.join(format!("{name}.new"));
    let written = disk.create(&new)?;
    written.write_at(0, text.as_bytes())?;
    written.sync()?;
    disk.rename(&new, &data.join(name))?;
    disk.sync_folder(data)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use model::disk::StdDisk;

    use super::*;

    const FILE: KeptFile = KeptFile { name: "kept", if_damaged: "move it away" };

    #[tokio::test]
    async fn a_file_that_is_lost_or_damaged_costs_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk: Arc<dyn Disk> = Arc::new(StdDisk);
        let load = || FILE.load::<Vec<u32>>(&*disk, folder.path());
        assert_eq!(load().expect("nothing yet"), Vec::<u32>::new());
        let kept = vec![1, 2];
        for name in ["kept", "kept.copy"] {
            FILE.save(&disk, folder.path(), &kept).await.expect("saved");
            fs::remove_file(folder.path().join(name)).expect("removed");
            assert_eq!(load().expect("the other one is there"), kept);
            fs::write(folder.path().join(name), "nonsense").expect("written");
            assert_eq!(load().expect("the other one is whole"), kept);
        }
        fs::write(folder.path().join("kept"), [0xff]).expect("written");
        assert!(load().expect_err("both are damaged").to_string().contains("is damaged; move it away"));
    }
}
