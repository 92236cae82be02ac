//! Continuous SQL over a file: each `tests/golden/*.case` says what goes in and what comes out. `UPDATE=1` writes what
//! comes out anew.
//!
//! ```text
//! What the case shows.
//! === time field         the field with a row's time; without this section, `ROWTIME` or the time of reading
//! === sql
//! === rows in            lines of JSON, some of them perhaps broken
//! === rows out           what is written ..
//! === report             .. and what was counted
//! === refused            or instead of both: why nothing runs
//! ```

use std::path::{Path, PathBuf};

use analytics::continuous::bounded::{BoundedOptions, run};
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

    /// What comes out, as sections.
    fn outcome(&self) -> Vec<(String, String)> {
        let time_field = self.find("time field").map(|name| name.trim().to_owned());
        let options = BoundedOptions { time_field, ..BoundedOptions::default() };
        let mut rows = Vec::new();
        match run(self.section("sql"), self.section("rows in").as_bytes(), &mut rows, options) {
            Ok(report) => vec![
                ("rows out".to_owned(), String::from_utf8(rows).unwrap()),
                ("report".to_owned(), format!("{report}\n")),
            ],
            Err(error) => vec![("refused".to_owned(), format!("{}\n", chain(&error)))],
        }
    }

    fn check(mut self) {
        let outcome = self.outcome();
        let is_outcome = |name: &str| matches!(name, "rows out" | "report" | "refused");
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
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|found| found == "case")).collect();
    paths.sort();
    assert!(paths.len() >= 5, "{paths:?}");
    paths.iter().for_each(|path| Case::read(path).check());
}
