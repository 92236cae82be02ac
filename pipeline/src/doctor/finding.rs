//! What a check found.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// As it should be.
    Ok,
    /// It works, but not as well or as safely as it could.
    Warn,
    /// It does not work, or promises are not kept.
    Fail,
}

/// A check and what it found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// What was looked at: an area and a noun.
    pub(crate) check: &'static str,
    /// How bad it is.
    pub(crate) state: State,
    /// What was found.
    pub(crate) found: String,
    /// What to do; nothing where all is well.
    pub(crate) fix: Option<String>,
}

/// All is well.
pub(crate) fn ok(check: &'static str, found: impl Into<String>) -> Finding {
    Finding { check, state: State::Ok, found: found.into(), fix: None }
}

/// It could be better.
pub(crate) fn warn(check: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding { check, state: State::Warn, found: found.into(), fix: Some(fix.into()) }
}

/// It does not work.
pub(crate) fn fail(check: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding { check, state: State::Fail, found: found.into(), fix: Some(fix.into()) }
}

/// How bad it is altogether.
pub(crate) fn worst(findings: &[Finding]) -> State {
    findings.iter().map(|finding| finding.state).max().unwrap_or(State::Ok)
}

/// Bytes as people read them.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64 / 1024.0;
    if value < 1.0 {
        return format!("{bytes} bytes");
    }
    let mut unit = 0;
    while 1024.0 <= value && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}
