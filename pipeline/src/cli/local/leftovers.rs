//! What a repair only names: the file of tables, and files that never came into their place.

use std::path::Path;

use crate::holder;

/// Why the file of tables cannot be read and what can be done, if it cannot.
pub(super) fn tables(file: &Path) -> Option<String> {
    let error = sinks::table::embedded::summary::summary(file).err()?;
    let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    if holder::of_file(file).is_some() {
        return None;
    }
    if why.to_lowercase().contains("repair") {
        eprintln!("{}: it was not closed; the next start of a server repairs it", file.display());
        return None;
    }
    Some(format!(
        "{}: {why}; if there is no copy, move it away: a new delivery from a stream fills a new table with what the \
         stream still holds",
        file.display()
    ))
}

/// Names what a killed process left behind. A server removes it when it starts.
pub(super) fn tell(data: &Path) {
    let unfinished = files(&data.join("archive/.tmp"), |_| true);
    let aside = files(&data.join("streams"), |name| name.ends_with("~new") || name.ends_with("~trash"));
    for path in unfinished.into_iter().chain(aside) {
        eprintln!("{path}: left by a process that was killed; the next start of a server removes it");
    }
}

fn files(folder: &Path, is_meant: impl Fn(&str) -> bool) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let meant = entries.filter(|entry| is_meant(&entry.file_name().to_string_lossy()));
    meant.map(|entry| entry.path().display().to_string()).collect()
}
