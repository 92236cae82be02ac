//! What a path in or to a data folder leads to: streams, one of their segments, tables.

use std::path::{Path, PathBuf};

use client::failure::{Failure, Kind};
use ingest::log::segments::manifest::{MANIFEST, MANIFEST_COPY};
use ingest::log::segments::segment::segment_of;

/// What a path leads to.
pub(super) struct Found {
    pub(super) streams: Vec<PathBuf>,
    /// One of the stream's segments alone.
    pub(super) segment: Option<u64>,
    pub(super) tables: Option<PathBuf>,
}

/// Looks at what a path is.
pub(super) fn find(path: &Path) -> Result<Found, Failure> {
    let is_of_stream = |name: &str| name == MANIFEST || name == MANIFEST_COPY || segment_of(name).is_some();
    let is_stream = |folder: &Path| {
        let mut entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.any(|entry| is_of_stream(&entry.file_name().to_string_lossy()))
    };
    let streams_in = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|entry| is_stream(entry)).collect();
        folders.retain(|folder| !folder.file_name().unwrap_or_default().to_string_lossy().contains('~'));
        folders.sort();
        folders
    };
    let nothing = |why: &str| {
        Failure::new(Kind::NotFound, format!("{} is not part of a Gallop data folder", path.display()))
            .why(why)
            .fix("name a data folder, a stream's folder in its `streams`, a segment (.log) or a file of tables (.redb)")
    };
    if !path.exists() {
        return Err(nothing("the file or folder does not exist"));
    }
    if path.is_file() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        return match segment_of(&name) {
            Some((segment, _)) if is_stream(&folder) => {
                Ok(Found { streams: vec![folder], segment: Some(segment), tables: None })
            }
            Some(_) => Err(nothing("the folder of a segment must contain its stream's `manifest`")),
            None if name.ends_with(".redb") => {
                Ok(Found { streams: Vec::new(), segment: None, tables: Some(path.to_owned()) })
            }
            None => Err(nothing("it is neither a segment nor a file of tables")),
        };
    }
    if is_stream(path) {
        return Ok(Found { streams: vec![path.to_owned()], segment: None, tables: None });
    }
    let inside = if path.join("streams").is_dir() { path.join("streams") } else { path.to_owned() };
    let (streams, tables) = (streams_in(&inside), path.join("tables.redb"));
    let tables = tables.is_file().then_some(tables);
    if streams.is_empty() && tables.is_none() {
        return Err(nothing("the folder has no streams and no file of tables"));
    }
    Ok(Found { streams, segment: None, tables })
}
