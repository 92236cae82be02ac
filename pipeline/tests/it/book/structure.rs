//! The book holds together: every page is in it, every link leads somewhere, every block says what becomes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use crate::book::page::{Mark, Page, clone_root};

/// The most blocks that are shown and not run. Each says why; it needs a reason to raise this.
const NOT_RUN_MAX: usize = 24;
/// Languages of blocks.
const LANGUAGES: [&str; 10] = ["", "ini", "js", "json", "python", "sh", "sql", "text", "toml", "yaml"];

/// Pages outside `docs`.
const OTHER_PAGES: [&str; 8] = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "examples/access-log/README.md",
    "examples/orders/README.md",
    "examples/sensors/README.md",
    "infra/README.md",
];

/// Every page below `docs`, and `OTHER_PAGES`, by its name in the clone.
pub(crate) fn pages() -> Vec<String> {
    let mut pages = OTHER_PAGES.map(str::to_owned).to_vec();
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(clone_root().join(&folder)).expect("folders can be read") {
            let path = folder.join(entry.expect("entries can be read").file_name());
            if clone_root().join(&path).is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path.to_str().expect("plain names").to_owned());
            }
        }
    }
    pages.sort();
    pages
}

/// A relative path without its `..`; none where it leaves the clone.
fn resolve(folder: &Path, link: &str) -> Option<PathBuf> {
    let mut path = folder.to_owned();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir => path.pop().then_some(())?,
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            _ => return None,
        }
    }
    path.starts_with(clone_root()).then_some(path)
}

#[test]
fn every_page_is_a_chapter() {
    let summary = Page::read("docs/SUMMARY.md");
    let chapters: Vec<PathBuf> = summary
        .links
        .iter()
        .map(|link| resolve(&clone_root().join("docs"), &link.file).expect("in the clone"))
        .collect();
    let chapter_set: BTreeSet<&PathBuf> = chapters.iter().collect();
    assert_eq!(chapters.len(), chapter_set.len(), "a chapter stands twice in docs/SUMMARY.md");
    let pages = pages().into_iter().filter(|page| page.starts_with("docs/") && page != "docs/SUMMARY.md");
    let pages: BTreeSet<PathBuf> = pages.map(|page| clone_root().join(page)).collect();
    let missing: Vec<&PathBuf> = pages.iter().filter(|page| !chapter_set.contains(page)).collect();
    assert!(missing.is_empty(), "not in docs/SUMMARY.md: {missing:?}");
    assert_eq!(pages.len(), chapters.len(), "docs/SUMMARY.md names a page that is not there");
}

#[test]
fn every_link_leads_somewhere() {
    let pages: BTreeMap<PathBuf, Page> =
        pages().iter().map(|name| Page::read(name)).map(|page| (page.file.clone(), page)).collect();
    let mut dead = Vec::new();
    for page in pages.values() {
        let folder = page.file.parent().expect("a page is in a folder");
        for link in &page.links {
            let target = if link.file.is_empty() { Some(page.file.clone()) } else { resolve(folder, &link.file) };
            let Some(target) = target.filter(|target| target.exists()) else {
                dead.push(format!("{}: {}", link.place, link.file));
                continue;
            };
            if let (Some(anchor), Some(target)) = (&link.anchor, pages.get(&target))
                && !target.anchors.contains(anchor)
            {
                dead.push(format!("{}: {}#{anchor}", link.place, link.file));
            }
        }
    }
    assert!(pages.len() > 8 && dead.is_empty(), "links that lead nowhere: {dead:#?}");
}

#[test]
fn few_blocks_are_not_run() {
    let blocks: Vec<_> = pages().iter().flat_map(|name| Page::read(name).blocks).collect();
    let strange: Vec<_> = blocks.iter().filter(|block| !LANGUAGES.contains(&&*block.language)).collect();
    assert!(strange.is_empty(), "blocks in languages that nobody checks: {strange:#?}");
    let is_code = |language: &str| !matches!(language, "" | "text");
    let not_run = blocks.iter().filter(|block| is_code(&block.language) && matches!(block.mark, Mark::NotRun(_)));
    let not_run: Vec<_> = not_run.map(|block| (&block.place, &block.mark)).collect();
    println!("{} blocks of {} are not run", not_run.len(), blocks.len());
    assert!(not_run.len() <= NOT_RUN_MAX, "over {NOT_RUN_MAX} blocks are not run: {not_run:#?}");
}
