//! What did not count, and why: a line of JSON each.
//!
//! ```text
//! {"stream":"S","reason":"late","window":["2024-05-01 10:00:00.000","2024-05-01 10:01:00.000"],"record":"{\"k\":1}"}
//! {"stream":"S","reason":"malformed","column":"n","detail":"column `n` is INTEGER and cannot hold 1.5: ..","record":"{\"n\":1.5}"}
//! {"stream":"S","reason":"malformed","detail":"no JSON objects: ..","record":"not json"}
//! {"stream":"S","reason":"run-time error","detail":"the query cannot compute it: divide by zero","record":"{\"n\":0}"}
//! ```
//! A record that is no text stands under `hex` instead of `record`.

use std::io::Write;

use model::clock::Timestamp;
use serde::Serialize;

use crate::window::span::Span;

/// Why a record or a row did not count.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reason {
    /// Its windows were over.
    Late,
    /// It is no row of its stream.
    Malformed,
    /// It says that it happened long after it was read.
    Future,
    /// The query failed on it.
    RunTime,
}

impl Reason {
    fn words(self) -> &'static str {
        match self {
            Reason::Late => "late",
            Reason::Malformed => "malformed",
            Reason::Future => "in the future",
            Reason::RunTime => "run-time error",
        }
    }
}

/// One line.
#[derive(Debug, Serialize)]
struct Line<'a> {
    stream: &'a str,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<[String; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

/// What is told beside the reason.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Told<'a> {
    pub(crate) window: Option<Span>,
    pub(crate) column: Option<&'a str>,
    pub(crate) detail: Option<&'a str>,
    pub(crate) record: Option<&'a [u8]>,
}

/// Where lines go, if somebody wants them.
pub(crate) struct Sides<'a>(Option<Box<dyn Write + 'a>>);

impl<'a> Sides<'a> {
    pub(crate) fn new(to: Option<Box<dyn Write + 'a>>) -> Sides<'a> {
        Sides(to)
    }

    /// Whether anybody wants lines.
    pub(crate) fn are_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Writes a line.
    pub(crate) fn tell(&mut self, stream: &str, reason: Reason, told: Told<'_>) -> std::io::Result<()> {
        let Some(to) = &mut self.0 else { return Ok(()) };
        let text = told.record.and_then(|record| std::str::from_utf8(record).ok());
        let line = Line {
            stream,
            reason: reason.words(),
            window: told.window.map(|window| [window.start, window.end].map(printed)),
            column: told.column,
            detail: told.detail,
            record: text,
            hex: told.record.filter(|_| text.is_none()).map(model::text::hex::hex),
        };
        let mut bytes = serde_json::to_vec(&line).expect("texts are JSON");
        bytes.push(b'\n');
        to.write_all(&bytes)
    }

    /// Nothing more comes.
    pub(crate) fn finish(&mut self) -> std::io::Result<()> {
        self.0.as_mut().map_or(Ok(()), |to| to.flush())
    }
}

/// As a TIMESTAMP is written.
fn printed(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.as_millis()) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string(),
        Err(_) => at.to_string(),
    }
}
