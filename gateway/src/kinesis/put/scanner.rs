//! PutRecords in JSON, read without a parser.
//!
//! Most bytes of a busy server are the JSON of PutRecords, and nearly all clients write it the same way: the members we
//! know, each once, texts without escapes. Such a body is read here by leaping from quote to quote. Whatever looks
//! different in any way is left to the parser, which also finds the words for what is wrong with it.

use std::borrow::Cow;

use crate::aws::error::AwsError;
use crate::aws::wire::blob::Blob;
use crate::aws::wire::format::Format;
use crate::aws::wire::text::Text;
use crate::kinesis::limits;
use crate::kinesis::put::input::{Entry, Input};

/// Reads a body in either form.
pub(crate) fn read(format: Format, body: &[u8]) -> Result<Input<'_>, AwsError> {
    let scanned = if format == Format::Json { scan(body) } else { None };
    scanned.map_or_else(|| format.read(body), Ok)
}

/// The input, when the body is as plain as most are.
pub(crate) fn scan(body: &[u8]) -> Option<Input<'_>> {
    let mut scanner = Scanner { rest: body };
    let mut input = Input::default();
    scanner.byte(b'{')?;
    loop {
        match scanner.text()? {
            b"StreamName" => scanner.member(&mut input.stream_name, Scanner::value)?,
            b"StreamARN" => scanner.member(&mut input.stream_arn, Scanner::value)?,
            b"Records" => scanner.member(&mut input.records, Scanner::records)?,
            _ => return None,
        }
        if !scanner.goes_on(b'}')? {
            break;
        }
    }
    scanner.skip_space();
    scanner.rest.is_empty().then_some(input)
}

struct Scanner<'a> {
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    fn skip_space(&mut self) {
        while let [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// Takes `byte` and what space is before it.
    fn byte(&mut self, byte: u8) -> Option<()> {
        self.skip_space();
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        (*first == byte).then_some(())
    }

    /// Takes a comma, after which there is more, or `end`.
    fn goes_on(&mut self, end: u8) -> Option<bool> {
        self.skip_space();
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        match *first {
            b',' => Some(true),
            byte if byte == end => Some(false),
            _ => None,
        }
    }

    /// Takes a text that has no escapes.
    fn text(&mut self) -> Option<&'a [u8]> {
        self.byte(b'"')?;
        let end = memchr::memchr2(b'"', b'\\', self.rest)?;
        let (text, rest) = self.rest.split_at(end);
        let (quote, rest) = rest.split_first()?;
        self.rest = rest;
        (*quote == b'"').then_some(text)
    }

    /// Takes a colon and a value; a member that is there twice is for the parser.
    fn member<T>(&mut self, member: &mut Option<T>, value: impl FnOnce(&mut Self) -> Option<T>) -> Option<()> {
        self.byte(b':')?;
        member.replace(value(self)?).is_none().then_some(())
    }

    fn value(&mut self) -> Option<Text<'a>> {
        let text = self.text()?;
        let plain = text.iter().all(|byte| *byte >= b' ');
        let text = std::str::from_utf8(text).ok().filter(|_| plain)?;
        Some(Text(Cow::Borrowed(text)))
    }

    /// What is not base64 is found when it is decoded.
    fn blob(&mut self) -> Option<Blob<'a>> {
        Some(Blob::Base64(Cow::Borrowed(self.text()?)))
    }

    /// Too many records are for the parser: none is kept here beyond the bound.
    fn records(&mut self) -> Option<Vec<Entry<'a>>> {
        self.byte(b'[')?;
        let mut entries = Vec::new();
        loop {
            if entries.len() == limits::PUT_RECORDS_MAX {
                return None;
            }
            entries.push(self.entry()?);
            if !self.goes_on(b']')? {
                return Some(entries);
            }
        }
    }

    fn entry(&mut self) -> Option<Entry<'a>> {
        self.byte(b'{')?;
        let mut entry = Entry::default();
        loop {
            self.skip_space();
            if let Some(rest) = self.rest.strip_prefix(b"\"Data\"") {
                self.rest = rest;
                self.member(&mut entry.data, Self::blob)?;
            } else if let Some(rest) = self.rest.strip_prefix(b"\"PartitionKey\"") {
                self.rest = rest;
                self.member(&mut entry.partition_key, Self::value)?;
            } else {
                match self.text()? {
                    b"ExplicitHashKey" => self.member(&mut entry.explicit_hash_key, Self::value)?,
                    _ => return None,
                }
            }
            if !self.goes_on(b'}')? {
                return Some(entry);
            }
        }
    }
}

#[cfg(test)]
mod tests;
