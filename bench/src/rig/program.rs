//! The program that is measured: the `gallop` that stands beside this one in the build folder.

use std::path::PathBuf;

use anyhow::{Context, ensure};

/// Where `gallop` is.
pub(crate) fn gallop() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("the path of this program is unknown")?;
    let gallop = own.with_file_name(format!("gallop{}", std::env::consts::EXE_SUFFIX));
    ensure!(
        gallop.is_file(),
        "{} does not exist. Build both programs with the same profile: cargo build --release -p pipeline -p bench",
        gallop.display()
    );
    Ok(gallop)
}
