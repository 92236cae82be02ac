//! Where `make clients` puts programs of others.

use std::path::{Path, PathBuf};

/// The folder of a language's client.
pub(crate) fn installed(language: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_gallop")).ancestors().nth(2).expect("the binary is in a target folder");
    let folder = target.join("clients").join(language);
    assert!(folder.join("installed").exists(), "no {language} client in {}: run `make clients`", folder.display());
    folder
}
