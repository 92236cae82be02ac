//! What a principal may do: statements that allow or deny actions on resources.
//!
//! A denial wins over every permission, and what no statement allows is denied. Actions compare without regard to case,
//! as in AWS; resources are ARNs and compare part by part, so that `*` for an account never swallows a stream's name.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use thiserror::Error;

use crate::auth::pattern::fits;

/// Statements in any order: order never matters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    statements: Vec<Statement>,
}

/// One permission or denial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What follows where both lists fit.
    pub effect: Effect,
    /// Such as `kinesis:Put*`.
    pub actions: Vec<ActionPattern>,
    /// Such as `arn:aws:kinesis:*:*:stream/rides-*`, or `*`.
    pub resources: Vec<ResourcePattern>,
}

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Effect {
    /// Permits.
    #[serde(alias = "allow")]
    Allow,
    /// Forbids, whatever else permits.
    #[serde(alias = "deny")]
    Deny,
}

/// What statements say about one action on one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// No statement fits.
    Silent,
    /// A statement permits and none forbids.
    Allowed,
    /// A statement forbids.
    Denied,
}

/// `service:Operation` with wildcards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionPattern(String);

/// An ARN with wildcards in its parts, or `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourcePattern(String);

/// A pattern that could never fit anything.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternError {
    /// An action without a service.
    #[error("action `{0}` is not `*` or `service:Operation`, as in `kinesis:Put*`")]
    Action(String),
    /// A resource that is no ARN.
    #[error("resource `{0}` is not `*` or an ARN, as in `arn:aws:kinesis:*:*:stream/NAME`")]
    Resource(String),
    /// A resource that AWS would fill in at each request.
    #[error("resource `{0}` has a variable, which this server does not evaluate")]
    Variable(String),
}

impl Policy {
    /// A policy of these statements.
    pub fn new(statements: Vec<Statement>) -> Self {
        Policy { statements }
    }

    /// What the statements say together.
    pub fn verdict(&self, action: &str, resource: &str) -> Verdict {
        self.statements.iter().map(|statement| statement.verdict(action, resource)).max().unwrap_or(Verdict::Silent)
    }

    /// Whether some statement allows the action on some resource.
    pub(crate) fn allows_something(&self, action: &str) -> bool {
        let mut allowing = self.statements.iter().filter(|statement| statement.effect == Effect::Allow);
        allowing.any(|statement| statement.actions.iter().any(|pattern| pattern.fits(action)))
    }
}

impl Statement {
    /// What this statement says.
    pub fn verdict(&self, action: &str, resource: &str) -> Verdict {
        let fits = self.actions.iter().any(|pattern| pattern.fits(action))
            && self.resources.iter().any(|pattern| pattern.fits(resource));
        match self.effect {
            _ if !fits => Verdict::Silent,
            Effect::Allow => Verdict::Allowed,
            Effect::Deny => Verdict::Denied,
        }
    }
}

impl ActionPattern {
    fn fits(&self, action: &str) -> bool {
        // Kept in lower case.
        fits(self.0.as_bytes(), action.to_ascii_lowercase().as_bytes())
    }
}

impl FromStr for ActionPattern {
    type Err = PatternError;
    fn from_str(text: &str) -> Result<Self, PatternError> {
        let known =
            matches!(text.split_once(':'), Some((service, operation)) if !service.is_empty() && !operation.is_empty());
        if !known && text != "*" {
            return Err(PatternError::Action(text.to_owned()));
        }
        Ok(ActionPattern(text.to_ascii_lowercase()))
    }
}

impl ResourcePattern {
    fn fits(&self, resource: &str) -> bool {
        if self.0 == "*" {
            return true;
        }
        let (mut patterns, mut parts) = (self.0.splitn(6, ':'), resource.splitn(6, ':'));
        loop {
            match (patterns.next(), parts.next()) {
                (None, None) => return true,
                (Some(pattern), Some(part)) if fits(pattern.as_bytes(), part.as_bytes()) => {}
                _ => return false,
            }
        }
    }
}

impl FromStr for ResourcePattern {
    type Err = PatternError;
    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.contains("${") {
            return Err(PatternError::Variable(text.to_owned()));
        }
        let is_arn = text.starts_with("arn:") && text.splitn(6, ':').filter(|part| !part.is_empty()).count() == 6;
        if is_arn || text == "*" {
            Ok(ResourcePattern(text.to_owned()))
        } else {
            Err(PatternError::Resource(text.to_owned()))
        }
    }
}

impl fmt::Display for ResourcePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
