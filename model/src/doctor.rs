//! What a server finds wrong with its machine and its files, and what to do about it.

use async_trait::async_trait;
use serde::Serialize;

use crate::clock::Timestamp;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// It works, but not as well or as safely as it could.
    Warn,
    /// It does not work, or promises are not kept.
    Fail,
}

/// A check and what it found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was checked: an area and a noun.
    pub check: &'static str,
    /// How bad it is.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do; nothing where all is well.
    pub fix: Option<String>,
}

/// The findings of one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// When.
    pub looked_at: Timestamp,
    /// A finding for each check.
    pub findings: Vec<Finding>,
}

/// Checks a running server. Implementations bound how often they look: callers may ask at any rate.
#[async_trait]
pub trait Doctor: Send + Sync {
    /// What the last look found, or a new one.
    async fn diagnose(&self) -> Diagnosis;
}

/// How bad the worst finding is.
pub fn worst(findings: &[Finding]) -> State {
    findings.iter().map(|finding| finding.state).max().unwrap_or(State::Ok)
}
