//! The rules of the house, checked: between crates, between the files of one, and who may name what.
//!
//! ```text
//!      pipeline   bench                    the roofs: nobody imports them
//!          producer-sim                    stands on client
//! ingest analytics sinks gateway dashboard client      side by side
//!              model                       the ground
//! ```

mod imports;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::MetadataCommand;

use self::imports::Imports;
use self::source::{code, is_word};

/// Each is a binary that ties crates together.
const ROOFS: [&str; 2] = ["pipeline", "bench"];
const GROUND: &str = "model";
/// What a crate may import besides the ground. A simulator is a client that makes up what it sends.
const BESIDE: [(&str, &str); 1] = [("producer-sim", "client")];

/// The stores behind the seams.
const BACKENDS: [&str; 6] = ["DynamoTables", "EmbeddedTables", "FolderArchive", "KafkaStore", "LogStore", "S3Archive"];
/// The files of the roof that open a store, look for one that is elsewhere, or ask one for its figures.
const NAMES_BACKENDS: [&str; 5] =
    ["backends.rs", "bucket.rs", "doctor/elsewhere.rs", "metrics/registry.rs", "streams.rs"];

/// Folders and files that only tests and measurements use.
const FOR_TESTS: [&str; 2] = ["testing", "fuzzing"];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace holds this crate").to_owned()
}

/// A file's name and its text.
type Files = Vec<(String, String)>;

/// The sources of every crate, by name below `src`.
fn house() -> BTreeMap<String, Files> {
    let metadata = MetadataCommand::new().current_dir(workspace()).no_deps().exec().expect("cargo metadata runs");
    let sources = |name: &str| {
        let (folder, mut paths) = (workspace().join(name).join("src"), Vec::new());
        rust_files(&folder, &mut paths);
        let named = |path: &PathBuf| {
            let name = path.strip_prefix(&folder).expect("it is below").to_str().expect("names are text");
            (name.to_owned(), std::fs::read_to_string(path).expect("sources are text"))
        };
        paths.iter().map(named).collect::<Files>()
    };
    let house: BTreeMap<_, _> =
        metadata.packages.iter().map(|package| (package.name.to_string(), sources(&package.name))).collect();
    assert!(house.len() >= 10 && house.values().all(|files| !files.is_empty()), "the walk finds the sources");
    house
}

/// `model` depends on no crate of the house, the floor on `model` alone, and nobody on a roof. The roofs alone tie
/// crates together, so tests that need two of them stand in `pipeline` too.
#[test]
fn dependencies_run_down() {
    let metadata = MetadataCommand::new().current_dir(workspace()).no_deps().exec().expect("cargo metadata runs");
    let house: BTreeSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    assert!(ROOFS.iter().chain([&GROUND]).all(|name| house.contains(name)), "{house:?}");
    let arrows = metadata.packages.iter().flat_map(|package| {
        // A crate names itself where its tests need a feature of its own.
        let of_house = |name: &str| house.contains(name) && name != package.name.as_str();
        let below = package.dependencies.iter().filter(move |dependency| of_house(dependency.name.as_str()));
        below.map(|dependency| (package.name.as_str(), dependency.name.as_str()))
    });
    assert_eq!(arrows.filter(|(from, to)| !is_down(from, to)).collect::<Vec<_>>(), []);
}

fn is_down(from: &str, to: &str) -> bool {
    match from {
        GROUND => false,
        _ if ROOFS.contains(&to) => false,
        _ if ROOFS.contains(&from) => true,
        _ => to == GROUND || BESIDE.contains(&(from, to)),
    }
}

#[test]
fn dependencies_sideways_and_up_are_found() {
    for (from, to) in [("pipeline", "gateway"), ("bench", "ingest"), ("sinks", "model"), ("producer-sim", "client")] {
        assert!(is_down(from, to), "{from} -> {to}");
    }
    for (from, to) in [
        ("pipeline", "bench"),
        ("sinks", "bench"),
        ("model", "client"),
        ("gateway", "ingest"),
        ("client", "producer-sim"),
    ] {
        assert!(!is_down(from, to), "{from} -> {to}");
    }
}

/// A circle between files of one crate: whoever changes one of them has to know them all.
#[test]
fn no_files_import_each_other_in_a_circle() {
    let circles = |(name, files): &(String, Files)| {
        let of_crate = |arrow: String| format!("{name}: {arrow}");
        Imports::of(files).circles().into_iter().map(of_crate).collect::<Vec<_>>()
    };
    let found: Vec<String> = house().into_iter().flat_map(|of_crate| circles(&of_crate)).collect();
    assert!(found.is_empty(), "arrows that close a circle: {found:#?}");
}

/// A page that says so has its modules in reading order: what is used stands above who uses it.
#[test]
fn modules_that_claim_to_stand_in_reading_order_do() {
    let mut found = Vec::new();
    for (name, files) in house() {
        let claims = |file: &str| {
            let (_, text) = files.iter().find(|(other, _)| other == file).expect("it was read");
            text.lines().any(|line| line.starts_with("//!") && line.contains("in reading order"))
        };
        let up = Imports::of(&files).arrows_up();
        let product = up.into_iter().filter(|up| claims(&up.declared_in) && !is_for_tests(&up.from));
        found.extend(product.map(|up| format!("{name}: {up}")));
    }
    assert!(found.is_empty(), "modules that use what stands below them: {found:#?}");
}

/// All else speaks to the seams, so another store is a change of these files alone.
#[test]
fn few_files_of_the_roof_name_backends() {
    let roof = house().remove("pipeline").expect("it is there");
    let named: BTreeSet<_> = naming(&roof, &BACKENDS).into_iter().collect();
    let allowed: BTreeSet<_> = NAMES_BACKENDS.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(named.difference(&allowed).collect::<Vec<_>>(), [""; 0], "files that name a store");
}

/// Apart from tests, `testing` is for tests and for measurements.
#[test]
fn the_product_uses_nothing_from_testing() {
    for (name, files) in house().into_iter().filter(|(name, _)| name != "bench") {
        let product = files.into_iter().filter(|(file, _)| !is_for_tests(file)).collect();
        assert_eq!(naming(&product, &FOR_TESTS), [""; 0], "files of {name} that use what only tests have");
    }
}

fn is_for_tests(file: &str) -> bool {
    let mut parts = file.split('/');
    parts.any(|part| matches!(part, "testing" | "testing.rs" | "fuzzing" | "fuzzing.rs" | "tests.rs" | "tests"))
}

/// Files whose code has one of these words in a path.
fn naming(files: &Files, words: &[&str]) -> Vec<String> {
    let names = |text: &str| {
        let code = code(text);
        let in_path = code.match_indices("::").map(|(at, _)| {
            let behind = &code[at + 2..];
            let before = code[..at].rfind(|c| !is_word(c)).map_or(0, |before| before + 1);
            [&code[before..at], &behind[..behind.find(|c| !is_word(c)).unwrap_or(behind.len())]]
        });
        in_path.flatten().any(|word| words.contains(&word))
            || words.iter().any(|word| code.contains(&format!("({word})")) || code.contains(&format!(": {word}")))
    };
    files.iter().filter(|(_, text)| names(text)).map(|(name, _)| name.clone()).collect()
}

#[test]
fn names_of_stores_and_uses_of_testing_are_found() {
    let file = |text: &str| vec![("serve.rs".to_owned(), text.to_owned())];
    for text in
        ["use ingest::log::store::LogStore;", "fn f(log: LogStore) {}", "enum E { Log(LogStore) }", "LogStore::open()"]
    {
        assert_eq!(naming(&file(text), &BACKENDS), ["serve.rs"], "{text}");
    }
    for text in ["use model::testing::clock::ManualClock;", "fn f() { ingest::testing::wire::lay() }"] {
        assert_eq!(naming(&file(text), &["testing"]), ["serve.rs"], "{text}");
    }
    let innocent = "//! LogStore::open\nmod tests_of;\nfn f() {}\n#[cfg(test)]\nmod tests {\n    use model::testing::x;\n    use ingest::LogStore;\n}";
    assert_eq!(naming(&file(innocent), &BACKENDS), [""; 0]);
    assert_eq!(naming(&file(innocent), &["testing"]), [""; 0]);
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
