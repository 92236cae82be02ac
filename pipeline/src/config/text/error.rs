//! Settings that cannot be used: where, what, and what to write instead. All that is wrong is told
//! at once, as far as one fault does not hide another.
//!
//! ```text
//! gallop.toml:3:10: stream `rides`: shards must be 1 to 10000, not 0
//!     3 | shards = 0
//!       |          ^ use 1 to 10000
//! ```

use std::fmt;
use std::ops::Range;
use std::path::Path;

use model::text::nearest::nearest;

/// Settings that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigError {
    /// At least one, in the order of their places.
    pub(crate) faults: Vec<Located>,
}

/// A fault and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Located {
    /// The file, flag or variable.
    pub(crate) source: String,
    /// Line and column, both from 1; none of flags, variables and files that cannot be read.
    pub(crate) line_column: Option<(usize, usize)>,
    /// The line and what is wrong in it; none of lines that may hold a secret.
    pub(crate) excerpt: Option<Excerpt>,
    /// What is wrong: a fragment.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) suggestion: String,
}

/// A line of a file, with some characters of it marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Excerpt {
    line: String,
    /// Characters.
    marked: Range<usize>,
}

/// A fault of values that are well formed: where it stands is known by the keys that lead to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Keys, and numbers of array entries.
    pub(crate) path: Vec<String>,
    pub(crate) message: String,
    pub(crate) suggestion: String,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) found: Vec<Fault>,
}

impl Faults {
    /// Adds a fault.
    pub(crate) fn add(&mut self, path: &[&str], message: impl Into<String>, suggestion: impl Into<String>) {
        let path = path.iter().map(ToString::to_string).collect();
        self.found.push(Fault { path, message: message.into(), suggestion: suggestion.into() });
    }

    /// Adds a fault unless `value`, if there is one, lies in `range`. `what` is whose it is.
    pub(crate) fn range<T: PartialOrd + fmt::Display>(
        &mut self,
        path: &[&str],
        what: &str,
        value: Option<T>,
        range: &std::ops::RangeInclusive<T>,
    ) {
        if let Some(value) = value.filter(|value| !range.contains(value)) {
            let (least, most, key) = (range.start(), range.end(), path.last().expect("a path has an end"));
            self.add(
                path,
                format!("{what}: {key} must be {least} to {most}, not {value}"),
                format!("use {least} to {most}"),
            );
        }
    }
}

impl Located {
    /// A fault of a whole file, a flag or a variable.
    pub(crate) fn of_source(
        source: impl Into<String>,
        message: impl Into<String>,
        suggestion: impl Into<String>,
    ) -> Self {
        Located {
            source: source.into(),
            line_column: None,
            excerpt: None,
            message: message.into(),
            suggestion: suggestion.into(),
        }
    }

    /// A fault of some bytes of a file's text.
    pub(crate) fn in_text(file: &Path, text: &str, span: Range<usize>, message: String, suggestion: String) -> Self {
        let (line, column) = line_column(text, span.start);
        let source_line = text.lines().nth(line - 1).unwrap_or_default();
        let secret = may_hold_a_secret(source_line);
        // Messages of types quote the value.
        let message = match message.find(" `").filter(|_| secret && message.starts_with("invalid ")) {
            Some(quoted) => message[..quoted].to_owned(),
            None => message,
        };
        let characters = text.get(span).map_or(1, |marked| marked.lines().next().unwrap_or_default().chars().count());
        let marked = column - 1..column - 1 + characters.max(1);
        let excerpt = (!secret).then(|| Excerpt { line: source_line.to_owned(), marked });
        Located { source: file.display().to_string(), line_column: Some((line, column)), excerpt, message, suggestion }
    }
}

impl ConfigError {
    /// A single fault.
    pub(crate) fn one(fault: Located) -> Self {
        ConfigError { faults: vec![fault] }
    }

    /// An error if there is a fault.
    pub(crate) fn unless_none(mut faults: Vec<Located>) -> Result<(), ConfigError> {
        faults.sort_by_key(|fault| (fault.source.clone(), fault.line_column));
        faults.dedup();
        if faults.is_empty() { Ok(()) } else { Err(ConfigError { faults }) }
    }
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.source)?;
        if let Some((line, column)) = self.line_column {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)?;
        match (&self.excerpt, self.line_column) {
            (Some(Excerpt { line, marked }), Some((number, _))) => {
                let blank: String =
                    line.chars().take(marked.start).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
                let carets = "^".repeat(marked.len());
                write!(f, "\n{number:>5} | {line}\n      | {blank}{carets} {}", self.suggestion)
            }
            _ => write!(f, "\n      = {}", self.suggestion),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(f, "{line_break}{fault}")?;
        }
        match self.faults.len() {
            1 => Ok(()),
            faults => write!(f, "\n{faults} errors"),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Line and column, both from 1, of a byte offset.
pub(crate) fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// Whether a line is better not shown.
fn may_hold_a_secret(line: &str) -> bool {
    let lower = line.to_ascii_lowercase().replace("secret_file", "").replace("token_file", "");
    ["secret", "token", "password", "sasl."].iter().any(|word| lower.contains(word))
}

/// The nearest of the names that a serde message offers, if it is near.
pub(crate) fn suggestion(message: &str) -> Option<String> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = quoted.next().filter(|_| message.starts_with("unknown "))?;
    nearest(unknown, quoted).map(str::to_owned)
}

/// `did you mean ..?`, or the names that there are.
pub(crate) fn meant<'a>(word: &str, candidates: impl Iterator<Item = &'a str> + Clone, none: &str) -> String {
    match nearest(word, candidates.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let names: Vec<String> = candidates.take(NAMES_MAX).map(|name| format!("`{name}`")).collect();
            if names.is_empty() { none.to_owned() } else { format!("known are {}", names.join(", ")) }
        }
    }
}

/// Names that are listed where none is near.
const NAMES_MAX: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_shown_and_marked() {
        let text = "a = 1\n\tdé = \"x\"\n";
        let at = text.find("\"x\"").expect("it is there");
        let fault = Located::in_text(Path::new("g.toml"), text, at..at + 3, "it is wrong".into(), "use y".into());
        assert_eq!(fault.to_string(), "g.toml:2:7: it is wrong\n    2 | \tdé = \"x\"\n      | \t     ^^^ use y");
    }

    #[test]
    fn lines_with_secrets_are_not_shown() {
        let text = "secret = 4711";
        let message = "invalid type: integer `4711`, expected a string".to_owned();
        let fault = Located::in_text(Path::new("g.toml"), text, 9..13, message, "write text in quotes".into());
        assert_eq!(fault.to_string(), "g.toml:1:10: invalid type: integer\n      = write text in quotes");
    }
}
