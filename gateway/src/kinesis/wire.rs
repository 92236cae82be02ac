//! Reading inputs that borrow from the request's bytes, and writing the parts that several answers share.

use std::borrow::Cow;
use std::io::Write;

use model::clock::Timestamp;
use model::hash_key::HashKeyRange;
use model::record::Appended;
use model::sequence_number::{PrintedSequenceNumber, SequenceNumber};
use model::shard::{Shard, ShardMap};
use model::stream_store::{StreamDescription, StreamMode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::aws::error::AwsError;
use crate::kinesis::limits::ITERATOR_MILLIS_MAX;
use crate::kinesis::token::{self, Kind};

/// Text of the request: borrowed unless it was written with escapes.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

/// The deepest nesting of a body. The shapes of Kinesis need five; the rest is room for members we ignore. The parser
/// has no limit of its own: it descends once per level, and without optimisation 64 levels overflow a stack of 2 MiB.
const DEPTH_MAX: usize = 16;

/// Whether a body nests deeper than [`DEPTH_MAX`]. Without that many brackets it cannot, and those are quick to count.
fn is_too_deep(body: &[u8]) -> bool {
    let brackets = body.iter().filter(|&&byte| matches!(byte, b'{' | b'[')).count();
    brackets > DEPTH_MAX && depth(body) > DEPTH_MAX
}

/// The deepest nesting outside of texts; for bytes that are no JSON, at least what a parser reaches in them.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let mut at = 0;
    while at < body.len() {
        match body[at] {
            b'"' => at = text_end(body, at + 1),
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    deepest
}

/// Where the text that begins at `at` has its closing quote, or the end of the body.
fn text_end(body: &[u8], mut at: usize) -> usize {
    // Most bytes of a put are texts: they are leapt over.
    while let Some(found) = body.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if body[at] == b'"' {
            return at;
        }
        at += 2;
    }
    body.len()
}

/// Reads an operation's input. An empty body is an empty input, as some clients send for operations without one.
pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, AwsError> {
    let body = if body.is_empty() { b"{}" } else { body };
    // A JSON array would otherwise read as a struct by position.
    if body.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
        return Err(AwsError::serialization("The body is not a JSON object."));
    }
    if is_too_deep(body) {
        return Err(AwsError::serialization(format!("The body nests deeper than {DEPTH_MAX} levels.")));
    }
    sonic_rs::from_slice(body).map_err(|wrong| {
        // The first line says what and where; the rest quotes the request.
        let text = wrong.to_string();
        AwsError::serialization(text.lines().next().unwrap_or("The body is not valid JSON.").to_owned())
    })
}

/// Appends the bytes that `text` stands for in base64.
pub(crate) fn decode_base64(text: &str, into: &mut Vec<u8>) -> Result<(), AwsError> {
    base64_simd::STANDARD.decode_append(text, into).map_err(|_| AwsError::serialization("Data is not valid base64."))
}

/// Appends the base64 form of `data`.
pub(crate) fn encode_base64(data: &[u8], into: &mut Vec<u8>) {
    base64_simd::STANDARD.encode_append(data, into);
}

/// Appends text in quotes, escaped.
pub(crate) fn write_text(text: &str, into: &mut Vec<u8>) {
    serde_json::to_writer(into, text).expect("writing to memory does not fail");
}

/// Appends seconds since the epoch with three decimals.
pub(crate) fn write_seconds(at: Timestamp, into: &mut Vec<u8>) {
    let millis = at.as_millis().max(0);
    write!(into, "{}.{:03}", millis / 1000, millis % 1000).expect("writing to memory does not fail");
}

/// Seconds since the epoch with three decimals, for answers built from values.
pub(crate) fn seconds(at: Timestamp) -> Value {
    json!(at.as_millis() as f64 / 1000.0)
}

/// The time that a client named in seconds. Values beyond what milliseconds hold are cut to the nearest.
pub(crate) fn timestamp(seconds: f64) -> Timestamp {
    Timestamp::from_millis((seconds * 1000.0).round() as i64)
}

/// Appends a record's sequence number, without quotes.
pub(crate) fn write_sequence_number(shard: &Shard, number: SequenceNumber, at: Timestamp, into: &mut Vec<u8>) {
    let printed = PrintedSequenceNumber::new(shard.id, shard.created_at, number, at);
    write!(into, "{printed}").expect("writing to memory does not fail");
}

/// `StreamModeDetails`.
pub(crate) fn mode_details(description: &StreamDescription) -> Value {
    json!({"StreamMode": match description.options.mode {
        StreamMode::Provisioned => "PROVISIONED",
        StreamMode::OnDemand => "ON_DEMAND",
    }})
}

/// `HashKeyRange`.
pub(crate) fn hash_key_range(range: HashKeyRange) -> Value {
    json!({"StartingHashKey": range.start.to_string(), "EndingHashKey": range.end.to_string()})
}

/// A shard as DescribeStream and ListShards show it.
pub(crate) fn shard(shard: &Shard) -> Value {
    let print = |number| PrintedSequenceNumber::new(shard.id, shard.created_at, number, shard.created_at).to_string();
    let mut out = Map::new();
    out.insert("ShardId".into(), shard.id.to_string().into());
    if let Some(parent) = shard.parent {
        out.insert("ParentShardId".into(), parent.to_string().into());
    }
    if let Some(parent) = shard.adjacent_parent {
        out.insert("AdjacentParentShardId".into(), parent.to_string().into());
    }
    out.insert("HashKeyRange".into(), hash_key_range(shard.range));
    let mut range = json!({"StartingSequenceNumber": print(shard.first)});
    if !shard.is_open() {
        range["EndingSequenceNumber"] = print(PrintedSequenceNumber::INDEX_MAX).into();
    }
    out.insert("SequenceNumberRange".into(), range);
    Value::Object(out)
}

/// What a page token holds. Error: [`AwsError::invalid_argument`], or `ExpiredNextTokenException` for an old one.
pub(crate) fn page_token(kind: Kind, text: &str, now: Timestamp) -> Result<String, AwsError> {
    let invalid = || AwsError::invalid_argument("Invalid NextToken.");
    let (made_at, payload) = token::open(kind, text).ok_or_else(invalid)?;
    if now.as_millis().saturating_sub(made_at.as_millis()) > ITERATOR_MILLIS_MAX {
        return Err(AwsError::new("ExpiredNextTokenException", "NextToken expired: begin the listing anew."));
    }
    String::from_utf8(payload).map_err(|_| invalid())
}

/// Appends where a record went: `{"SequenceNumber":"…","ShardId":"…"}`.
pub(crate) fn write_appended(shards: &ShardMap, appended: &Appended, into: &mut Vec<u8>) {
    // A shard that has just taken a record is in the map of any later description, unless retention is instant.
    let created_at = shards.get(appended.shard).map_or(appended.arrived_at, |shard| shard.created_at);
    let number = PrintedSequenceNumber::new(appended.shard, created_at, appended.sequence_number, appended.arrived_at);
    write!(into, "{{\"SequenceNumber\":\"{number}\",\"ShardId\":\"{}\"}}", appended.shard)
        .expect("writing to memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_of_texts() {
        for (body, expected) in [
            ("{}", 1),
            (r#"{"a":[{"b":[]},[]]}"#, 4),
            (r#"{"[[[":"{{{\"[[[","b":"\\"}"#, 1),
            (r#"{"a":"\\\"[","b":[1]}"#, 2),
            ("}}}{", 1),
        ] {
            assert_eq!(depth(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn many_brackets_side_by_side_are_not_deep() {
        assert!(!is_too_deep("[]".repeat(100_000).as_bytes()));
        assert!(is_too_deep("[".repeat(100_000).as_bytes()));
        assert!(is_too_deep(r#"{"x":"#.repeat(100_000).as_bytes()));
    }
}
