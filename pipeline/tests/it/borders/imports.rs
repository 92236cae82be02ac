//! Which file of a crate uses which other one, by the paths in its code: `crate::`, `super::`, `self::`, and the names
//! of modules that the file itself declares.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::source::{code, is_word};

/// The files of one crate by their names below `src`, each with the files that it uses.
#[derive(Debug, Default)]
pub(crate) struct Imports {
    /// What each file uses.
    pub(crate) arrows: BTreeMap<String, BTreeSet<String>>,
    /// The modules that a file declares, in their order.
    pub(crate) declared: BTreeMap<String, Vec<String>>,
}

/// A file uses one whose module stands below its own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ArrowUp {
    pub(crate) from: String,
    to: String,
    /// The file that declares both modules.
    pub(crate) declared_in: String,
}

impl fmt::Display for ArrowUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}, in the order of {}", self.from, self.to, self.declared_in)
    }
}

impl Imports {
    /// Reads files, given by name below `src` and text.
    pub(crate) fn of(files: &[(String, String)]) -> Imports {
        let modules: BTreeMap<Vec<String>, &str> =
            files.iter().map(|(name, _)| (module_of(name), name.as_str())).collect();
        let mut imports = Imports::default();
        for (name, text) in files {
            let (code, own) = (code(text), module_of(name));
            let declared = declared(&code);
            let mut used = BTreeSet::new();
            for path in paths(&code, &own, &declared) {
                // What a path ends in may be a module or something that a module holds.
                let file = (0..=path.len()).rev().find_map(|length| modules.get(&path[..length]));
                used.extend(file.filter(|file| **file != name).map(|file| (*file).to_owned()));
            }
            imports.arrows.insert(name.clone(), used);
            imports.declared.insert(name.clone(), declared);
        }
        imports
    }

    /// Arrows that are part of a circle.
    pub(crate) fn circles(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (file, used) in &self.arrows {
            let closes = |other: &&String| self.reaches(other, file);
            found.extend(used.iter().filter(closes).map(|other| format!("{file} -> {other}")));
        }
        found
    }

    fn reaches(&self, from: &str, to: &str) -> bool {
        let (mut seen, mut next) = (BTreeSet::from([from]), vec![from]);
        while let Some(file) = next.pop() {
            if file == to {
                return true;
            }
            let used = self.arrows.get(file).into_iter().flatten();
            next.extend(used.map(String::as_str).filter(|other| seen.insert(other)));
        }
        false
    }

    /// Arrows from a module to one that is declared below it in the same file.
    pub(crate) fn arrows_up(&self) -> Vec<ArrowUp> {
        let mut found = Vec::new();
        for (parent, declared) in &self.declared {
            let above = module_of(parent);
            // The place of the module that holds a file, among those that `parent` declares.
            let place = |file: &str| {
                let module = module_of(file);
                let below = module.strip_prefix(&above[..])?.first()?;
                declared.iter().position(|name| name == below)
            };
            for (file, used) in &self.arrows {
                for other in used {
                    if let (Some(own), Some(its)) = (place(file), place(other))
                        && own < its
                    {
                        let (from, to, declared_in) = (file.clone(), other.clone(), parent.clone());
                        found.push(ArrowUp { from, to, declared_in });
                    }
                }
            }
        }
        found
    }
}

/// `log/append.rs` is the module `log::append`; `log/mod.rs` is `log`.
fn module_of(file: &str) -> Vec<String> {
    let mut parts: Vec<String> = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        parts.pop();
    }
    parts
}

/// The modules that have files of their own, in their order.
fn declared(code: &str) -> Vec<String> {
    let lines = code.lines().map(str::trim).filter_map(|line| line.strip_suffix(';'));
    let declared = lines.filter_map(|line| Some(line.rsplit_once("mod ")?.1.trim()));
    declared.filter(|name| name.chars().all(is_word)).map(str::to_owned).collect()
}

/// All paths in a file that begin in its own crate, from the crate's root.
fn paths(code: &str, own: &[String], declared: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("::") {
        let word_at = code[..at].rfind(|c| !is_word(c)).map_or(0, |before| before + 1);
        let word = &code[word_at..at];
        let before = code[..word_at].trim_end();
        // Only where a path begins.
        if word.is_empty() || before.ends_with("::") || before.ends_with('$') {
            continue;
        }
        let base = match word {
            "crate" => Vec::new(),
            "self" => own.to_vec(),
            "super" => own[..own.len().saturating_sub(1)].to_vec(),
            child if declared.iter().any(|name| name == child) => [own, &[child.to_owned()]].concat(),
            _ => continue,
        };
        tree(&code[at + 2..], base, &mut found);
    }
    found
}

/// Adds the paths of `a::{b, c::d}` and returns what is left behind it.
fn tree<'a>(text: &'a str, mut base: Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = tree(rest, base.clone(), found).trim_start();
            // What a name is called here.
            if let Some(renamed) = rest.strip_prefix("as ") {
                rest = renamed.trim_start_matches(is_word).trim_start();
            }
            match rest.strip_prefix(',') {
                Some(more) if !more.trim_start().starts_with('}') => rest = more,
                Some(more) => return more.trim_start().trim_start_matches('}'),
                None => return rest.strip_prefix('}').unwrap_or(rest),
            }
        }
    }
    let word = &text[..text.find(|c| !is_word(c)).unwrap_or(text.len())];
    let rest = &text[word.len()..];
    match word {
        "super" => drop(base.pop()),
        "self" | "" => {}
        name => base.push(name.to_owned()),
    }
    match rest.strip_prefix("::") {
        Some(below) if !word.is_empty() => tree(below, base, found),
        _ => {
            found.push(base);
            rest.strip_prefix('*').unwrap_or(rest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(files: &[(&str, &str)]) -> Imports {
        Imports::of(&files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect::<Vec<_>>())
    }

    #[test]
    fn a_planted_circle_is_found() {
        let files = [
            ("lib.rs", "pub mod a;\npub mod b;\nmod c;"),
            ("a.rs", "use crate::{b::{self, Thing as Other}, c::X};\n#[cfg(test)]\nmod tests { use crate::d; }"),
            ("b/mod.rs", "mod inner;\nfn f() { inner::run() }"),
            ("b/inner.rs", "use std::fmt;\npub(crate) fn run() -> crate::c::Y {}"),
            ("c.rs", "// use crate::a;\nconst TEXT: &str = \"crate::a\";"),
        ];
        assert_eq!(imports(&files).circles(), [""; 0]);
        for (file, fault) in
            [("c.rs", "use super::a::Z;"), ("c.rs", "fn f() { crate::b::g() }"), ("b/inner.rs", "use super::f;")]
        {
            let planted = files.map(|(name, text)| if name == file { (name, fault) } else { (name, text) });
            assert!(!imports(&planted).circles().is_empty(), "{file}: {fault}");
        }
    }

    #[test]
    fn an_arrow_up_is_found() {
        let files = [
            ("lib.rs", "mod a;\npub mod b;"),
            ("a.rs", ""),
            ("b/mod.rs", "mod c;\nmod d;"),
            ("b/c.rs", ""),
            ("b/d.rs", "use super::c::X;\nuse crate::a::Y;"),
        ];
        assert_eq!(imports(&files).arrows_up(), []);
        for (file, fault) in [("a.rs", "use crate::b::d::X;"), ("b/c.rs", "use super::d;")] {
            let planted = files.map(|(name, text)| if name == file { (name, fault) } else { (name, text) });
            let up = imports(&planted).arrows_up();
            assert!(up.len() == 1 && up[0].from == file, "{up:?}");
        }
    }
}
