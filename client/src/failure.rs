//! What a command says when it cannot do what it was asked: what, why, and what to do; and the exit status of its kind.

use std::fmt;
use std::io::Write;

use hyper::StatusCode;

/// The kinds of failure. Each has an exit status of its own; 0 is success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any other.
    Failed = 1,
    /// The arguments or settings make no sense.
    Usage = 2,
    /// There is no such stream, shard, table, file.
    NotFound = 3,
    /// Who asks is unknown, or may not.
    Refused = 4,
    /// No server answers, or it takes no calls now.
    Unreachable = 5,
    /// It is there already, or in use.
    Conflict = 6,
    /// More than a limit allows, or too fast.
    Limit = 7,
    /// Stored bytes are damaged.
    Corrupt = 8,
}

impl Kind {
    /// The kind of an answer's status.
    pub fn of(status: StatusCode) -> Kind {
        match status.as_u16() {
            400 | 405 | 415 => Kind::Usage,
            401 | 403 => Kind::Refused,
            404 => Kind::NotFound,
            409 => Kind::Conflict,
            413 | 422 | 429 => Kind::Limit,
            503 => Kind::Unreachable,
            _ => Kind::Failed,
        }
    }
}

/// A failure with its kind and its parts: lowercase fragments without a full stop.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    what: String,
    why: Option<String>,
    fix: Option<String>,
    /// What the server calls it.
    code: Box<str>,
    /// Lines of what it is about, with the place marked.
    excerpt: Box<str>,
    /// It tells for each fault by itself what to do, as settings do.
    tells_all: bool,
}

impl Failure {
    /// What failed.
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Failure {
            kind,
            what: what.into(),
            why: None,
            fix: None,
            code: Box::default(),
            excerpt: Box::default(),
            tells_all: false,
        }
    }

    /// And why.
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// And what to do about it.
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// And what else to do about it.
    pub fn or_fix(mut self, fix: &str) -> Self {
        self.fix = Some(self.fix.map_or_else(|| fix.to_owned(), |first| format!("{first}; {fix}")));
        self
    }

    /// And lines of what it is about, with the place marked.
    pub fn excerpt(mut self, lines: String) -> Self {
        self.excerpt = lines.into();
        self
    }

    /// And what the server calls it.
    pub fn coded(mut self, code: impl Into<Box<str>>) -> Self {
        self.code = code.into();
        self
    }

    /// What the server calls it; nothing where it says nothing.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// What failed.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Which kind it is of.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// No server answers at an endpoint.
    pub fn unreachable(endpoint: &str, why: &(dyn std::error::Error + 'static)) -> Self {
        Failure::new(Kind::Unreachable, format!("no server answers at {endpoint}"))
            .why(innermost(why))
            .fix("start one with `gallop serve`, or name another one with --endpoint or AWS_ENDPOINT_URL")
    }

    /// It already says for each fault what to do, as settings do: nothing is added.
    pub fn telling_all(mut self, kind: Kind) -> Self {
        (self.kind, self.tells_all) = (kind, true);
        self
    }

    /// The same with all parts: what nobody said is said in general.
    pub fn whole(self) -> Self {
        if self.tells_all {
            return self;
        }
        let (why, fix) = match self.kind {
            Kind::Failed => (
                "the command was valid, but it could not be completed",
                "run it again with GALLOP_LOG=debug for details",
            ),
            Kind::Usage => ("an argument, a variable or a setting is not valid", "see gallop --help"),
            Kind::NotFound => ("the server has nothing of that name", "list what exists, with the list command"),
            Kind::Refused => (
                "the credential is missing, unknown or not allowed to do this",
                "use another one: --token or --profile",
            ),
            Kind::Unreachable => ("the server did not answer", "check whether it runs: gallop doctor"),
            Kind::Conflict => ("it conflicts with what exists", "list what exists, with the list command"),
            Kind::Limit => ("the request exceeds a limit", "ask for less, or more slowly"),
            Kind::Corrupt => ("stored bytes differ from what was written", "check the files: gallop inspect"),
        };
        let or = |part: Option<String>, usual: &str| Some(part.unwrap_or_else(|| usual.to_owned()));
        Failure { why: or(self.why, why), fix: or(self.fix, fix), ..self }
    }

    /// Says it on standard error; the exit status.
    pub fn tell(&self) -> u8 {
        // Nobody may listen any more.
        let _ = write!(std::io::stderr(), "{self}");
        self.kind as u8
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.what)?;
        f.write_str(&self.excerpt)?;
        for (name, text) in [("why", &self.why), ("fix", &self.fix)] {
            if let Some(text) = text {
                writeln!(f, "  {name}: {text}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// The cause that says most: a refused connection, a certificate that is not trusted.
pub fn innermost(failure: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = failure;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_on_lines_of_their_own() {
        let failure = Failure::new(Kind::NotFound, "no stream `a`").why("it was deleted").fix("create it");
        assert_eq!(failure.to_string(), "error: no stream `a`\n  why: it was deleted\n  fix: create it\n");
        assert_eq!(failure.kind as u8, 3);
    }
}
