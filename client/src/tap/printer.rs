//! Records as `gallop tap` prints them: the data alone, or with what stands around it; whole or by
//! field.

use std::io::{self, Write};

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::failure::{Failure, Kind};
use crate::output::row_printer::{Output, RowPrinter, printable};

/// A line of `/v1/streams/{stream}/tail`.
#[derive(Debug, Deserialize)]
struct Line<'a> {
    shard: Option<&'a str>,
    sequence_number: Option<&'a str>,
    sub: Option<u32>,
    arrived_at: Option<&'a str>,
    partition_key: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    text: Option<String>,
    base64: Option<&'a str>,
    expired: Option<u64>,
    lost: Option<u64>,
    ended: Option<&'a str>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// Prints.
pub(crate) struct Printer {
    output: Output,
    fields: Vec<String>,
    keys: bool,
    /// Whether records tell their stream.
    several: bool,
    limit: Option<u64>,
    printed: u64,
    csv: RowPrinter<io::Stdout>,
}

impl Printer {
    /// A printer that is done after `limit` records.
    pub(crate) fn new(output: Output, fields: Vec<String>, keys: bool, several: bool, limit: Option<u64>) -> Self {
        let csv = RowPrinter::new(Output::Csv, Vec::new(), io::stdout());
        Printer { output, fields, keys, several, limit, printed: 0, csv }
    }

    /// How many records were printed.
    pub(crate) fn printed(&self) -> u64 {
        self.printed
    }

    /// Whether the limit is reached.
    pub(crate) fn is_done(&self) -> bool {
        self.limit.is_some_and(|limit| limit <= self.printed)
    }

    /// Prints what whole lines hold, all at once.
    pub(crate) fn lines(&mut self, stream: &str, lines: &[u8]) -> anyhow::Result<()> {
        let mut text = Vec::new();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            if self.is_done() {
                break;
            }
            let line: Line<'_> = serde_json::from_slice(line)?;
            if let Some(error) = line.error {
                let error: Value = serde_json::from_str(error.get())?;
                let message = error["message"].as_str().unwrap_or_default();
                return Err(Failure::new(Kind::Failed, format!("stream `{stream}` is followed no more"))
                    .why(message)
                    .fix("look at the server's log")
                    .into());
            }
            if let (Some(expired), Some(shard)) = (line.expired, line.shard) {
                eprintln!("{expired} records of {shard} expired before they were read");
            } else if let (Some(lost), Some(shard)) = (line.lost, line.shard) {
                eprintln!("up to {lost} records of {shard} were lost to damage before they were read");
            } else if let Some(ended) = line.ended {
                eprintln!("{ended} of `{stream}` was split or merged; its child shards follow");
            } else if line.sequence_number.is_some() {
                self.record(stream, &line, &mut text)?;
                self.printed += 1;
            }
        }
        let mut out = io::stdout().lock();
        out.write_all(&text)?;
        Ok(out.flush()?)
    }

    fn record(&mut self, stream: &str, line: &Line<'_>, to: &mut Vec<u8>) -> anyhow::Result<()> {
        match self.output {
            Output::Json if !self.keys && !self.several && self.fields.is_empty() && line.data.is_some() => {
                // As it was put, digit by digit.
                to.extend_from_slice(line.data.map_or("", RawValue::get).as_bytes());
                to.push(b'\n');
            }
            Output::Json => writeln!(to, "{}", Value::Object(self.object(stream, line)?))?,
            Output::Csv => {
                let object = Value::Object(self.object(stream, line)?);
                self.csv.lines(format!("{object}\n").as_bytes())?;
            }
            Output::Table => writeln!(to, "{}", self.text(stream, line)?)?,
        }
        Ok(())
    }

    /// The data as an object, or what can be made of it.
    fn data(&self, line: &Line<'_>) -> anyhow::Result<Value> {
        let data = match (line.data, &line.text, line.base64) {
            (Some(data), ..) => serde_json::from_str(data.get())?,
            (None, Some(text), _) => json!({ "text": text }),
            (None, None, bytes) => json!({ "base64": bytes }),
        };
        if self.fields.is_empty() {
            return Ok(data);
        }
        let field = |name: &String| (name.clone(), data.get(name).cloned().unwrap_or_default());
        Ok(Value::Object(self.fields.iter().map(field).collect()))
    }

    fn object(&self, stream: &str, line: &Line<'_>) -> anyhow::Result<Map<String, Value>> {
        let data = self.data(line)?;
        let mut object = Map::new();
        if self.several {
            object.insert("stream".into(), stream.into());
        }
        if !self.keys {
            match data {
                Value::Object(data) => object.extend(data),
                other => drop(object.insert("data".into(), other)),
            }
            return Ok(object);
        }
        object.insert("partition_key".into(), line.partition_key.clone().into());
        object.insert("shard".into(), line.shard.into());
        object.insert("sequence_number".into(), line.sequence_number.into());
        if line.sub.is_some() {
            object.insert("sub".into(), line.sub.into());
        }
        object.insert("arrived_at".into(), line.arrived_at.into());
        object.insert("data".into(), data);
        Ok(object)
    }

    /// For people: when, what of whom, and the data on one line.
    fn text(&self, stream: &str, line: &Line<'_>) -> anyhow::Result<String> {
        let mut parts = Vec::new();
        let time = line.arrived_at.unwrap_or_default();
        parts.push(time.get(11..23).unwrap_or(time).to_owned());
        if self.several {
            parts.push(stream.to_owned());
        }
        if self.keys {
            parts.push(line.shard.unwrap_or_default().to_owned());
            parts.push(line.sequence_number.unwrap_or_default().to_owned());
            parts.push(printable(line.partition_key.as_deref().unwrap_or_default()));
        }
        if !self.fields.is_empty() {
            let data = self.data(line)?;
            let pairs = data.as_object().into_iter().flatten();
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), printable);
            parts.extend(pairs.map(|(name, value)| format!("{name}={}", text(value))));
        } else {
            parts.push(match (line.data, &line.text, line.base64) {
                (Some(data), ..) => printable(data.get()),
                (None, Some(text), _) => printable(text),
                (None, None, bytes) => bytes.unwrap_or_default().to_owned(),
            });
        }
        Ok(parts.join("  "))
    }

    /// Prints what is left.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self.output {
            Output::Csv => self.csv.finish(),
            Output::Json | Output::Table => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: Output, fields: &[&str], keys: bool, line: &str, expected: &str) {
        let fields = fields.iter().map(ToString::to_string).collect();
        let mut printer = Printer::new(output, fields, keys, false, None);
        let mut text = Vec::new();
        let line: Line<'_> = serde_json::from_str(line).expect("a line");
        printer.record("s", &line, &mut text).expect("it prints");
        assert_eq!(String::from_utf8(text).expect("text"), expected);
    }

    #[test]
    fn data_is_printed_as_it_was_put_or_as_asked() {
        const LINE: &str = r#"{"shard":"shardId-000000000000","sequence_number":"49","sub":null,"arrived_at":"2026-01-31T12:34:56.789Z","partition_key":"k","data":{"a":1.10,"b":"x\u001b"}}"#;
        check(Output::Json, &[], false, LINE, "{\"a\":1.10,\"b\":\"x\\u001b\"}\n");
        check(Output::Json, &["b", "c"], false, LINE, "{\"b\":\"x\\u001b\",\"c\":null}\n");
        check(
            Output::Json,
            &["a"],
            true,
            LINE,
            "{\"partition_key\":\"k\",\"shard\":\"shardId-000000000000\",\"sequence_number\":\"49\",\"arrived_at\":\"2026-01-31T12:34:56.789Z\",\"data\":{\"a\":1.1}}\n",
        );
        check(Output::Table, &["a", "b"], false, LINE, "12:34:56.789  a=1.1  b=x\\u{1b}\n");
        check(
            Output::Table,
            &[],
            true,
            LINE,
            "12:34:56.789  shardId-000000000000  49  k  {\"a\":1.10,\"b\":\"x\\u001b\"}\n",
        );
        let text = LINE.replace(r#""data":{"a":1.10,"b":"x\u001b"}"#, r#""text":"plain\u0007""#);
        check(Output::Json, &[], false, &text, "{\"text\":\"plain\\u0007\"}\n");
        check(Output::Table, &[], false, &text, "12:34:56.789  plain\\u{7}\n");
    }
}
