//! Every error says what, why and what to do, and ends with the status of its kind.

use std::path::{Path, PathBuf};

use super::golden::{check, world};

/// How many there are at least.
const ERRORS_MIN: usize = 60;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cli/errors")
}

#[test]
fn errors_are_those_of_the_golden_files() {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder()).expect("there are some").map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    let errors: usize = files.iter().map(|file| check(file)).sum();
    assert!(errors >= ERRORS_MIN, "{errors} errors");
    for file in files {
        for block in std::fs::read_to_string(&file).expect("checked above").split("\n\n").filter(|b| b.contains("$ ")) {
            assert!(block.contains("\nexit "), "no failure:\n{block}");
            for part in ["error: ", "\n  why: ", "\n  fix: "] {
                assert!(block.contains(part), "no `{}`:\n{block}", part.trim());
            }
        }
    }
}

#[test]
fn pipes_get_no_colour() {
    let world = world();
    for command in [
        "gallop stream list",
        "gallop stream list --output table",
        "gallop stream describe nothing",
        "gallop --help",
        "gallop stream create --help",
        "gallop streem",
    ] {
        for variables in ["", "NO_COLOR=1 "] {
            let (said, printed, _) = world.run_whole(&format!("{variables}{command}"));
            assert!(!said.contains('\u{1b}') && !printed.contains('\u{1b}'), "{command}: {said:?} {printed:?}");
        }
    }
}
