//! The text of a settings file with the place of every key and value, and all that is wrong with
//! its form.

use std::ops::Range;
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::config::text::advice::advise;
use crate::config::text::error::{Fault, Located, line_column};

/// Faults of form that are told at once.
const FAULTS_MAX: usize = 50;

/// Keys, and numbers of array entries.
pub(crate) type Keys = Vec<String>;

/// A file's text, parsed.
pub(crate) struct Document<'a> {
    file: &'a Path,
    text: &'a str,
    root: Spanned<DeTable<'a>>,
}

/// What came of understanding a document.
pub(crate) struct Understood<T> {
    /// The settings, without what is wrong; none where nothing is left.
    pub(crate) settings: Option<T>,
    /// What is wrong with their form.
    pub(crate) faults: Vec<Located>,
    /// What was left out for it: what is said of the rest there is not to be trusted.
    pub(crate) left_out: Vec<Keys>,
}

/// An entry of the document.
struct Entry {
    path: Keys,
    span: Range<usize>,
}

impl<'a> Document<'a> {
    /// Parses `text`; `file` is for messages. Error: every fault of syntax.
    pub(crate) fn parse(file: &'a Path, text: &'a str) -> Result<Document<'a>, Vec<Located>> {
        let (root, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Ok(Document { file, text, root });
        }
        let located = errors.into_iter().take(FAULTS_MAX).map(|error| {
            let (message, span) = (error.message(), error.span().unwrap_or(0..0));
            let no_value = span.is_empty() && message.starts_with("string values must be quoted");
            let message = if no_value { "key with no value" } else { message };
            let advice = advise(message);
            let message = message.split(", expected literal string").next().unwrap_or_default().to_owned();
            Located::in_text(file, text, span, message, advice)
        });
        Err(located.collect())
    }

    /// Understands the document as settings, leaving out entry by entry what does not read.
    pub(crate) fn understand<T: DeserializeOwned>(&self) -> Understood<T> {
        let mut understood = Understood { settings: None, faults: Vec::new(), left_out: Vec::new() };
        let mut rest = self.root.clone();
        while understood.faults.len() < FAULTS_MAX {
            let error = match T::deserialize(toml::Deserializer::from(rest.clone())) {
                Ok(settings) => {
                    understood.settings = Some(settings);
                    break;
                }
                Err(error) => error,
            };
            let (message, span) = (error.message().to_owned(), error.span());
            let entry = span.clone().and_then(|span| smallest(rest.get_ref(), &span));
            // Of what was left out, its table or list may now lack something.
            let consequence =
                entry.as_ref().is_some_and(|entry| understood.left_out.iter().any(|out| out.starts_with(&entry.path)));
            if !consequence {
                let advice = advise(&message);
                let message = message.split(", expected one of").next().unwrap_or_default().to_owned();
                let span = span.unwrap_or(0..0);
                understood.faults.push(Located::in_text(self.file, self.text, span, message, advice));
            }
            match entry {
                Some(entry) if remove(rest.get_mut(), &entry.path) => understood.left_out.push(entry.path),
                // The whole of it.
                _ => break,
            }
        }
        understood
    }

    /// Gives faults of values their places. Those that may only follow from what was left out are
    /// dropped.
    pub(crate) fn locate(&self, faults: Vec<Fault>, left_out: &[Keys]) -> Vec<Located> {
        let of_left_out = |fault: &Fault| {
            let same = |out: &Keys| out.iter().zip(&fault.path).take(2).all(|(out, at)| out == at);
            left_out.iter().any(same)
        };
        let faults = faults.into_iter().filter(|fault| !of_left_out(fault));
        faults
            .map(|Fault { path, message, suggestion }| {
                Located::in_text(self.file, self.text, self.span(&path), message, suggestion)
            })
            .collect()
    }

    /// Where the value at `path` stands: of a table its key, and of what is not there what is there
    /// above it.
    pub(crate) fn span(&self, path: &[String]) -> Range<usize> {
        let mut at = 0..0;
        let mut table = Some(self.root.get_ref());
        let mut value: Option<&Spanned<DeValue<'_>>> = None;
        for step in path {
            let entry = match (table, value.map(Spanned::get_ref)) {
                (Some(inside), _) => inside.get_key_value(step.as_str()).map(|(key, value)| (Some(key.span()), value)),
                (None, Some(DeValue::Array(array))) => {
                    step.parse().ok().and_then(|index: usize| array.get(index)).map(|value| (None, value))
                }
                _ => None,
            };
            let Some((key, found)) = entry else { break };
            at = match (found.get_ref(), key) {
                (DeValue::Table(_), Some(key)) => key,
                _ => found.span(),
            };
            (value, table) = (Some(found), found.get_ref().as_table());
        }
        at
    }

    /// The keys that lead to every value that is no table, and its line.
    pub(crate) fn leaves(&self) -> Vec<(Keys, usize)> {
        let mut leaves = Vec::new();
        collect(self.root.get_ref(), &mut Vec::new(), &mut |path, span| {
            leaves.push((path.to_vec(), line_column(self.text, span.start).0));
        });
        leaves
    }
}

fn collect(table: &DeTable<'_>, path: &mut Keys, found: &mut impl FnMut(&[String], Range<usize>)) {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        collect_value(value, path, found);
        path.pop();
    }
}

fn collect_value(value: &Spanned<DeValue<'_>>, path: &mut Keys, found: &mut impl FnMut(&[String], Range<usize>)) {
    match value.get_ref() {
        DeValue::Table(table) => collect(table, path, found),
        DeValue::Array(array) if array.iter().any(|entry| entry.get_ref().is_table()) => {
            for (index, entry) in array.iter().enumerate() {
                path.push(index.to_string());
                collect_value(entry, path, found);
                path.pop();
            }
        }
        _ => found(path, value.span()),
    }
}

/// The smallest entry that holds the bytes of `span`.
fn smallest(root: &DeTable<'_>, span: &Range<usize>) -> Option<Entry> {
    let mut best: Option<Entry> = None;
    walk(root, &mut Vec::new(), &mut |path, key, value| {
        for candidate in [key, Some(value)].into_iter().flatten() {
            let holds = candidate.start <= span.start && span.end <= candidate.end;
            if holds && best.as_ref().is_none_or(|best| candidate.len() <= best.span.len()) {
                best = Some(Entry { path: path.to_vec(), span: candidate });
            }
        }
    });
    best
}

fn walk(table: &DeTable<'_>, path: &mut Keys, visit: &mut impl FnMut(&[String], Option<Range<usize>>, Range<usize>)) {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        visit(path, Some(key.span()), value.span());
        walk_value(value, path, visit);
        path.pop();
    }
}

fn walk_value(
    value: &Spanned<DeValue<'_>>,
    path: &mut Keys,
    visit: &mut impl FnMut(&[String], Option<Range<usize>>, Range<usize>),
) {
    match value.get_ref() {
        DeValue::Table(table) => walk(table, path, visit),
        DeValue::Array(array) => {
            for (index, entry) in array.iter().enumerate() {
                path.push(index.to_string());
                visit(path, None, entry.span());
                walk_value(entry, path, visit);
                path.pop();
            }
        }
        _ => {}
    }
}

/// Takes an entry out; false where there is none.
fn remove(table: &mut DeTable<'_>, path: &[String]) -> bool {
    match path {
        [] => false,
        [last] => table.remove(last.as_str()).is_some(),
        [first, rest @ ..] => table.get_mut(first.as_str()).is_some_and(|value| remove_value(value.get_mut(), rest)),
    }
}

fn remove_value(value: &mut DeValue<'_>, path: &[String]) -> bool {
    match value {
        DeValue::Table(table) => remove(table, path),
        DeValue::Array(array) => {
            let index = path.first().and_then(|step| step.parse::<usize>().ok());
            let Some(entry) = index.and_then(|index| array.get_mut(index)) else { return false };
            if path.len() > 1 {
                return remove_value(entry.get_mut(), &path[1..]);
            }
            let kept = std::mem::replace(array, DeArray::new());
            for (at, entry) in kept.into_iter().enumerate() {
                if Some(at) != index {
                    array.push(entry);
                }
            }
            true
        }
        _ => false,
    }
}
