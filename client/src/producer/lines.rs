//! Lines of JSON as records: real input, not only simulated.

use std::future::Future;
use std::path::PathBuf;
use std::str::FromStr;

use bytes::Bytes;
use clap::Args;
use model::stream::hash_key::PartitionKey;
use model::stream::record::PutEntry;
use serde_json::{Map, Value};
use tokio::fs::File;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader, stdin};

use crate::producer::pace::{Pace, check_rate};
use crate::producer::producer::{Producer, ProducerOptions};
use crate::producer::progress::Progress;
use crate::producer::report::Report;
use crate::producer::target::{ProduceError, Target};

/// The longest line that is a record.
pub const LINE_BYTES_MAX: usize = 10 << 20;
/// Lines that are no records are told one by one up to this many; the others are counted.
const TOLD_MAX: u64 = 10;

/// Arguments of `put`.
#[derive(Debug, Clone, Args)]
pub struct PutArgs {
    /// The stream to send to.
    pub stream: String,
    /// JSON lines to send; `-` is standard input.
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub file: PathBuf,
    /// Field whose value is the partition key.
    #[arg(long, value_name = "NAME")]
    pub key_field: String,
    /// Records a second, or `max`.
    #[arg(long, value_name = "N|max", default_value = "max")]
    pub rate: Rate,
    /// Print nothing while it runs.
    #[arg(long)]
    pub quiet: bool,
    /// Where to send.
    #[command(flatten)]
    pub target: Target,
}

/// How fast to send.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// As fast as it goes.
    Max,
    /// Records a second.
    PerSecond(f64),
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "max" => Ok(Rate::Max),
            _ => text
                .parse()
                .map_err(|_| format!("`{text}` is neither a number of records a second nor `max`"))
                .and_then(|rate| check_rate(rate).map(Rate::PerSecond).map_err(|error| error.to_string())),
        }
    }
}

/// The entry of a line: the line's bytes as they are, without the newline. Error: why it is no record.
fn entry(line: &[u8], key_field: &str) -> Result<PutEntry, String> {
    let fields: Map<String, Value> =
        serde_json::from_slice(line).map_err(|error| format!("not a JSON object: {error}"))?;
    let key = match fields.get(key_field) {
        None | Some(Value::Null) => return Err(format!("it has no field `{key_field}`")),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let key = PartitionKey::new(key).map_err(|error| format!("field `{key_field}`: {error}"))?;
    Ok(PutEntry::new(key, Bytes::copy_from_slice(line)))
}

/// Sends a file's lines, or standard input's.
pub async fn run(args: PutArgs, shutdown: impl Future<Output = ()>) -> Result<Report, ProduceError> {
    // A file that is not there is told before the stream is made.
    let file = match args.file.as_os_str() == "-" {
        true => None,
        false => Some(
            File::open(&args.file)
                .await
                .map_err(|error| ProduceError::Argument(format!("{} cannot be read: {error}", args.file.display())))?,
        ),
    };
    let transport = args.target.connect(&args.stream).await?;
    let producer = Producer::new(transport, ProducerOptions::default());
    let Some(file) = file else {
        return send(BufReader::new(stdin()), None, producer, &args, shutdown).await;
    };
    let bytes = file.metadata().await.ok().filter(std::fs::Metadata::is_file).map(|file| file.len());
    send(BufReader::with_capacity(1 << 20, file), bytes, producer, &args, shutdown).await
}

/// Sends what `input` holds. Blank lines are passed over; lines that are no records are skipped, told and counted.
async fn send(
    mut input: impl AsyncBufRead + Unpin,
    bytes: Option<u64>,
    producer: Producer,
    args: &PutArgs,
    shutdown: impl Future<Output = ()>,
) -> Result<Report, ProduceError> {
    let mut pace = Pace::new(match args.rate {
        Rate::Max => None,
        Rate::PerSecond(rate) => Some(rate),
    });
    let mut progress = Progress::of(args.quiet, bytes);
    let mut skipped = 0;
    let produce = async {
        let mut line = Vec::new();
        for number in 1u64.. {
            line.clear();
            let read = read_line(&mut input, &mut line).await?;
            if read == 0 {
                return Ok::<(), std::io::Error>(());
            }
            progress.advance(read as u64);
            let text = line.trim_ascii();
            if text.is_empty() {
                continue;
            }
            match if line.len() > LINE_BYTES_MAX {
                Err(format!("over {LINE_BYTES_MAX} bytes"))
            } else {
                entry(text, &args.key_field)
            } {
                Ok(entry) => {
                    pace.turn().await;
                    producer.send(entry).await;
                    progress.tell(&producer);
                }
                Err(reason) => {
                    skipped += 1;
                    if skipped <= TOLD_MAX {
                        eprintln!("line {number} is not a record: {reason}");
                    }
                }
            }
        }
        Ok(())
    };
    let outcome = tokio::select! {
        outcome = produce => Some(outcome),
        () = shutdown => None,
    };
    // What was handed over is sent, even where reading ended early.
    let report = if outcome.is_none() { producer.finish_interrupted().await } else { producer.finish().await };
    progress.end();
    outcome.transpose()?;
    Ok(Report { skipped, ..report })
}

/// Reads a line with its newline. Of a line that is too long, a little more than the bound is kept.
async fn read_line(input: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>) -> std::io::Result<usize> {
    let mut read = 0;
    loop {
        let chunk = input.fill_buf().await?;
        if chunk.is_empty() {
            return Ok(read);
        }
        let newline = chunk.iter().position(|byte| *byte == b'\n');
        let end = newline.map_or(chunk.len(), |at| at + 1);
        let room = (LINE_BYTES_MAX + 1).saturating_sub(line.len());
        line.extend_from_slice(&chunk[..end.min(room)]);
        input.consume(end);
        read += end;
        if newline.is_some() {
            return Ok(read);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::producer::transport::{CallError, Place, Transport};
    use async_trait::async_trait;
    use std::sync::{Arc, Mutex};

    #[derive(Default)]
    struct Kept(Mutex<Vec<PutEntry>>);

    #[async_trait]
    impl Transport for Kept {
        async fn put(&self, entries: &[PutEntry]) -> Result<Vec<Result<Place, String>>, CallError> {
            self.0.lock().expect("no panic").extend_from_slice(entries);
            Ok(vec![Ok(Place::default()); entries.len()])
        }
    }

    #[tokio::test(start_paused = true)]
    async fn lines_are_sent_as_they_are_and_others_are_counted() {
        let input = b"{\"Name\":\"a\", \"x\": 1}\n\n{\"Name\":7}\r\nnot json\n[1]\n{\"x\":1}\n{\"Name\":\"\"}\n{\"Name\":\"z\"}";
        let kept = Arc::new(Kept::default());
        let producer =
            Producer::new(Arc::clone(&kept) as Arc<dyn Transport>, ProducerOptions { lanes: 1, ..Default::default() });
        let target = Target { endpoint: String::new(), profile: None, anybody: true, create_shards: None };
        let args = PutArgs {
            stream: "s".into(),
            file: "-".into(),
            key_field: "Name".into(),
            rate: Rate::Max,
            quiet: true,
            target,
        };
        let report = send(&input[..], None, producer, &args, std::future::pending()).await.expect("reads");
        assert_eq!((report.sent, report.acknowledged, report.skipped), (3, 3, 4));
        let kept = kept.0.lock().expect("no panic");
        let found: Vec<_> = kept.iter().map(|e| (e.partition_key.as_str(), &e.data[..])).collect();
        let expected: [(&str, &[u8]); 3] =
            [("a", b"{\"Name\":\"a\", \"x\": 1}"), ("7", b"{\"Name\":7}"), ("z", b"{\"Name\":\"z\"}")];
        assert_eq!(found, expected);
    }

    #[test]
    fn rates_parse() {
        assert_eq!("max".parse(), Ok(Rate::Max));
        assert_eq!("2.5".parse(), Ok(Rate::PerSecond(2.5)));
        assert!("fast".parse::<Rate>().is_err() && "0".parse::<Rate>().is_err());
    }
}
