//! Continuous SQL over a file: each `tests/golden/*.case` says what goes in and what comes out. `UPDATE=1` writes what
//! comes out anew.
//!
//! ```text
//! What the case shows.
//! === time field         the field with a row's time; without this section, `ROWTIME` or the time of reading
//! === delay              seconds that rows may be out of order; without this section, none
//! === sql
//! === rows in            lines of JSON, some of them perhaps broken; with a name, those of that stream
//! === rows out           what is written, with a name to that stream ..
//! === sides              .. what did not count, and why ..
//! === report             .. and how many there were
//! === refused            or instead of all that: why nothing runs
//! ```
//! Streams that are written and not read are in `rows out`: one without a name, several with theirs.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use analytics::continuous::bounded::{BoundedOptions, run_all};
use model::text::chain::chain;

/// A case, section by section.
pub(crate) struct Case {
    path: PathBuf,
    /// Each with its name; the first one has none and says what the case shows.
    sections: Vec<(String, String)>,
}

impl Case {
    /// The case of that name.
    pub(crate) fn named(name: &str) -> Case {
        Case::read(&folder().join(format!("{name}.case")))
    }

    /// All cases, by their names.
    pub(crate) fn all() -> Vec<Case> {
        let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|found| found == "case")).collect();
        paths.sort();
        paths.iter().map(|path| Case::read(path)).collect()
    }

    fn read(path: &Path) -> Case {
        let text = std::fs::read_to_string(path).unwrap();
        let mut sections = vec![(String::new(), String::new())];
        for line in text.split_inclusive('\n') {
            match line.strip_prefix("=== ") {
                Some(name) => sections.push((name.trim_end().to_owned(), String::new())),
                None => sections.last_mut().unwrap().1.push_str(line),
            }
        }
        Case { path: path.to_owned(), sections }
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.sections.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }

    /// A section that every case has.
    pub(crate) fn section(&self, name: &str) -> &str {
        self.find(name).unwrap_or_else(|| panic!("{} has no section `{name}`", self.path.display()))
    }

    /// Sections of that name, each with what stands behind it.
    fn named_sections(&self, name: &str) -> Vec<(Option<String>, &str)> {
        let sections = self.sections.iter().filter_map(|(known, text)| {
            let rest = known.strip_prefix(name)?;
            let stream = rest.strip_prefix(' ').map(str::to_owned);
            (rest.is_empty() || stream.is_some()).then_some((stream, text.as_str()))
        });
        sections.collect()
    }

    /// What comes out, as sections. `names` are the streams whose rows are wanted.
    fn outcome(&self) -> Vec<(String, String)> {
        let time_field = self.find("time field").map(|name| name.trim().to_owned());
        let delay = self.find("delay").map_or(0.0, |seconds| seconds.trim().parse().unwrap());
        let options = BoundedOptions { time_field, delay: Duration::from_secs_f64(delay), ..BoundedOptions::default() };
        let inputs = self.named_sections("rows in").into_iter();
        let inputs = inputs.map(|(stream, lines)| (stream, Box::new(lines.as_bytes()) as Box<dyn BufRead>)).collect();
        let mut names: Vec<Option<String>> =
            self.named_sections("rows out").into_iter().map(|(stream, _)| stream).collect();
        if names.is_empty() {
            names.push(None);
        }
        let mut written = vec![Vec::new(); names.len()];
        let mut sides = Vec::new();
        let outputs = names.iter().cloned().zip(&mut written);
        let outputs = outputs.map(|(stream, rows)| (stream, Box::new(rows) as Box<dyn Write>)).collect();
        match run_all(self.section("sql"), inputs, outputs, Some(Box::new(&mut sides)), options) {
            Ok(report) => {
                let title = |name: &Option<String>| match name {
                    Some(name) => format!("rows out {name}"),
                    None => "rows out".to_owned(),
                };
                let rows =
                    names.iter().map(title).zip(written.into_iter().map(|rows| String::from_utf8(rows).unwrap()));
                let mut sections: Vec<(String, String)> = rows.collect();
                if !sides.is_empty() {
                    sections.push(("sides".to_owned(), String::from_utf8(sides).unwrap()));
                }
                sections.push(("report".to_owned(), format!("{report}\n")));
                sections
            }
            Err(error) => vec![("refused".to_owned(), format!("{}\n", chain(&error)))],
        }
    }

    fn check(mut self) {
        let outcome = self.outcome();
        let is_outcome = |name: &str| name.starts_with("rows out") || matches!(name, "sides" | "report" | "refused");
        if std::env::var_os("UPDATE").is_some() {
            self.sections.retain(|(name, _)| !is_outcome(name));
            self.sections.extend(outcome);
            let write = |(name, text): &(String, String)| match name.as_str() {
                "" => text.clone(),
                name => format!("=== {name}\n{text}"),
            };
            std::fs::write(&self.path, self.sections.iter().map(write).collect::<String>()).unwrap();
            return;
        }
        let expected: Vec<_> = self.sections.iter().filter(|(name, _)| is_outcome(name)).cloned().collect();
        assert_eq!(outcome, expected, "{}", self.path.display());
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

#[test]
fn every_case_gives_the_rows_it_says() {
    let cases = Case::all();
    assert!(cases.len() >= 70, "{}", cases.len());
    cases.into_iter().for_each(Case::check);
}
