//! Settings that the README and the book show are settings that the server takes.

use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use crate::config::file::{Config, FILE_NAME};

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut pages, mut folders) = (vec![root.join("README.md")], vec![root.join("docs")]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("folders can be read") {
            let path = entry.expect("entries can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// The blocks of a page that are settings: TOML, but for files of another name.
fn settings(page: &str) -> Vec<String> {
    let (mut found, mut block) = (Vec::new(), None::<String>);
    for event in Parser::new(page) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                let (language, mark) = info.split_once(' ').unwrap_or((&info, ""));
                let of_another_name = mark.contains('=') && !mark.ends_with(FILE_NAME);
                block = (language == "toml" && !of_another_name).then(String::new);
            }
            Event::Text(text) => block.iter_mut().for_each(|block| block.push_str(&text)),
            Event::End(TagEnd::CodeBlock) => found.extend(block.take()),
            _ => {}
        }
    }
    found
}

#[test]
fn settings_on_pages_are_understood() {
    let mut understood = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).expect("pages are text");
        for block in settings(&text) {
            Config::parse(&page, &block).unwrap_or_else(|error| panic!("{error}\n{block}"));
            understood += 1;
        }
    }
    assert!(understood >= 15, "{understood} blocks: has the search gone blind?");
}
