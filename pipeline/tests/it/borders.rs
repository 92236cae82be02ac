//! The rules of the house: no arrow runs sideways or up, and `unsafe` stands in one place only.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cargo_metadata::MetadataCommand;

/// Each is a binary that ties crates together; nobody imports them.
const ROOFS: [&str; 2] = ["pipeline", "bench"];
const GROUND: &str = "model";
/// The roof that measures, with what tests have too.
const MEASURES: &str = "bench";

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace holds this crate").to_owned()
}

/// `model` depends on no crate of the house, the floor on `model` alone, and nobody on a roof. The roofs alone
/// tie crates together, so tests that need two of them stand in `pipeline` too.
#[test]
fn dependencies_run_down() {
    let metadata = MetadataCommand::new().current_dir(workspace()).no_deps().exec().expect("cargo metadata runs");
    let house: BTreeSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    assert!(ROOFS.iter().all(|roof| house.contains(roof)) && house.contains(GROUND) && house.len() >= 8, "{house:?}");
    let mut wrong = Vec::new();
    for package in metadata.packages.iter().filter(|package| !ROOFS.contains(&package.name.as_str())) {
        for dependency in package.dependencies.iter().filter(|dependency| {
            // A crate names itself where its tests need a feature of its own.
            house.contains(dependency.name.as_str()) && dependency.name != package.name.as_str()
        }) {
            if package.name.as_str() == GROUND || dependency.name != GROUND {
                wrong.push(format!("{} -> {}", package.name, dependency.name));
            }
        }
    }
    assert!(wrong.is_empty(), "dependencies that run sideways or up: {wrong:?}");
}

#[test]
fn unsafe_code_stands_in_the_sensor_path_only() {
    let mut files = Vec::new();
    rust_files(&workspace(), &mut files);
    assert!(files.len() > 20, "the walk finds the sources");
    let allowed = workspace().join("ingest/src/xdp");
    let keyword = ["uns", "afe"].concat();
    let mut found = Vec::new();
    for file in files.iter().filter(|file| !file.starts_with(&allowed)) {
        let text = std::fs::read_to_string(file).expect("sources are text");
        let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
        for (number, line) in code.enumerate() {
            let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            if words.clone().any(|word| word == keyword) && !line.contains('"') {
                found.push(format!("{}:{}", file.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{keyword} outside ingest/src/xdp: {found:?}");
}

/// What tests and measurements hold in place of the world is not in the product: no source names it outside of tests,
/// whatever features a build of the whole workspace has.
#[test]
fn the_product_names_nothing_from_testing() {
    let root = workspace();
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    let is_product = |file: &&PathBuf| {
        let path = file.strip_prefix(&root).expect("the walk begins at the root");
        let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
        let apart = ["testing", "tests", "fuzzing.rs", "tests.rs"];
        parts.get(1) == Some(&"src") && parts[0] != MEASURES && !parts.iter().any(|part| apart.contains(part))
    };
    let product: Vec<&PathBuf> = files.iter().filter(is_product).collect();
    assert!(product.len() > 100, "the walk finds the sources");
    let mut found = Vec::new();
    for file in product {
        let text = std::fs::read_to_string(file).expect("sources are text");
        // Unit tests are the last thing in a file.
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            let line = line.split("//").next().unwrap_or_default();
            if ["::testing::", "::fuzzing::", "xdp::generator", "LogOptions::small"]
                .iter()
                .any(|word| line.contains(word))
            {
                found.push(format!("{}:{}", file.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "the product names what only tests have: {found:?}");
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("folders can be read") {
        let path = entry.expect("entries can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
