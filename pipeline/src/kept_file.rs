//! A small file in the data folder that keeps what was set at run time, replaced as a whole at
//! every change. `docs/FORMATS.md` describes those that exist.
//!
//! ```text
//! gallop-NAME 1 crc32c=0f1e2d3c
//! { .. JSON .. }
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use model::blocking::blocking_io;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// One such file.
pub(crate) struct KeptFile {
    /// Its name, which its first line repeats.
    pub(crate) name: &'static str,
    /// What to do if it is damaged.
    pub(crate) if_damaged: &'static str,
}

impl KeptFile {
    /// What an earlier run kept; the default if there is no file.
    pub(crate) fn load<T: DeserializeOwned + Default>(&self, data: &Path) -> anyhow::Result<T> {
        let file = data.join(self.name);
        let text = match fs::read_to_string(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
            text => text.with_context(|| format!("{} cannot be read", file.display()))?,
        };
        let read = || {
            let (line, json) = text.split_once('\n')?;
            let json = json.strip_suffix('\n')?;
            (self.first_line(json) == line).then(|| serde_json::from_str(json))?.ok()
        };
        read().with_context(|| format!("{} is damaged; {}", file.display(), self.if_damaged))
    }

    /// Replaces the file. It is durable when this returns, and complete whatever happens.
    pub(crate) async fn save(&self, data: &Path, kept: &impl Serialize) -> io::Result<()> {
        let json = serde_json::to_string_pretty(kept).map_err(io::Error::other)?;
        let text = format!("{}\n{json}\n", self.first_line(&json));
        let (data, new, file) = (data.to_owned(), data.join(format!("{}.new", self.name)), data.join(self.name));
        blocking_io(move || {
            let mut written = File::create(&new)?;
            written.write_all(text.as_bytes())?;
            written.sync_all()?;
            fs::rename(&new, file)?;
            File::open(data)?.sync_all()
        })
        .await
    }

    fn first_line(&self, json: &str) -> String {
        format!("gallop-{} 1 crc32c={:08x}", self.name, crc32c::crc32c(json.as_bytes()))
    }
}
