//! Pages of the book that are made from the code: what is kept below `docs` must be what the code says.

use std::path::Path;

/// The variable that has pages written anew.
const UPDATE: &str = "UPDATE";

/// Holds the file `name` below `docs` to `made`, or writes it.
pub(crate) fn hold(name: &str, made: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&file, made).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        return;
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    let lines = kept.lines().zip(made.lines()).enumerate();
    let first = lines.into_iter().find(|(_, (kept, made))| kept != made);
    let (line, (kept_line, made_line)) = first.unwrap_or((0, ("", "")));
    assert!(
        kept == made,
        "docs/{name} is not what the code says, from line {} on:\n- {kept_line}\n+ {made_line}\nwrite it anew with \
         `make reference`, and look at the difference",
        line + 1
    );
}

/// Text for a cell of a table.
pub(crate) fn cell(text: &str) -> String {
    text.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ")
}
