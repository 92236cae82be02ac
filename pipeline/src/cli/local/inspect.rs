//! `gallop inspect`: verifies what a data folder holds and prints it, without a server and without
//! changing anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use base64_simd::STANDARD;
use clap::Args;
use ingest::log::frames::block::{Block, Read};
use ingest::log::frames::key::KeyRing;
use ingest::log::inspect::{Damage, SegmentReport, StreamFiles};
use model::stream::aggregate::user_records;
use model::stream::hash_key::HashKeyRange;
use model::stream::printed_sequence_number::PrintedSequenceNumber;
use model::stream::record::Record;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::{Shard, ShardId};
use model::stream::store::ReadLimit;
use model::text::chain::chain;
use serde_json::{Value, json};

use crate::cli::local::found::find;
use crate::config::access::encryption::EncryptionConfig;
use crate::holder;
use client::failure::{Failure, Kind};
use client::output::row_printer::{Output, OutputArgs, RowPrinter};

/// Places of damage that are listed; more are counted.
const DAMAGE_MAX: usize = 20;

/// Arguments of `gallop inspect`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gallop inspect gallop-data\n  gallop inspect gallop-data/streams/wildrydes --records --shard shardId-000000000000 --limit 10"
)]
pub(crate) struct InspectArgs {
    /// A data folder, a stream's folder in its `streams`, one of its segments, or a file of tables.
    path: PathBuf,
    /// Print records instead of a summary of segments.
    #[arg(long)]
    records: bool,
    /// Only records of this shard.
    #[arg(long, value_name = "SHARD", requires = "records")]
    shard: Option<ShardId>,
    /// Start with the record of this sequence number, or the next one.
    #[arg(long, value_name = "NUMBER", requires = "records")]
    from: Option<PrintedSequenceNumber>,
    /// Maximum number of records to print.
    #[arg(long, value_name = "N", default_value_t = 100, requires = "records")]
    limit: usize,
    /// Key file of encrypted streams: `[encryption] key_file` in the settings.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// What was looked at, and what is wrong with it.
#[derive(Default)]
struct Findings {
    damage: Vec<String>,
    /// Records printed.
    printed: usize,
}

/// Verifies and prints.
pub(crate) fn run(args: InspectArgs) -> anyhow::Result<()> {
    let found = find(&args.path)?;
    let ring = EncryptionConfig { key_file: args.key_file.clone() }.keys(Path::new(""))?;
    let output = args.output.choose();
    let mut findings = Findings::default();
    for folder in &found.streams {
        stream(folder, found.segment, &ring, &args, output, &mut findings)?;
    }
    if let (Some(file), false) = (&found.tables, args.records) {
        tables(file, output, &mut findings)?;
    }
    match findings.damage.len() {
        0 => Ok(()),
        places => {
            let listed = findings.damage.iter().take(DAMAGE_MAX).cloned().collect::<Vec<_>>().join("\n       ");
            let more = places.saturating_sub(DAMAGE_MAX);
            let listed = if more == 0 { listed } else { format!("{listed}\n       and {more} more") };
            Err(Failure::new(Kind::Corrupt, format!("{} holds damage in {places} places", args.path.display()))
                .why(listed)
                .fix(format!(
                    "stop the server and run `gallop repair {}`: it lists what is lost; with --write, it makes the rest readable",
                    args.path.display()
                ))
                .into())
        }
    }
}

fn stream(
    folder: &Path,
    only: Option<u64>,
    ring: &KeyRing,
    args: &InspectArgs,
    output: Output,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let files = match StreamFiles::find(folder, ring) {
        Ok(files) => files,
        Err(error) => {
            let why = chain(&error);
            findings.damage.push(format!("{}: {why}", folder.display()));
            return Ok(());
        }
    };
    let name = files.manifest.name.to_string();
    if let Some(locked) = &files.locked {
        eprintln!("{name}: {locked}: encrypted frames are verified, not read; name the file of keys with --key-file");
    }
    let told = |damage: &Damage| {
        let Damage { file, offset, bytes, reason } = damage;
        format!("{}: offset {offset}, {bytes} bytes: {reason}", folder.join(file).display())
    };
    findings.damage.extend(files.damage.iter().map(told));
    let segments = files.segments.iter().copied().filter(|id| only.is_none_or(|only| only == *id));
    let mut rows = RowPrinter::new(output, Vec::new(), std::io::stdout().lock());
    let mut all = Totals::default();
    for id in segments {
        let mut lines = Vec::new();
        let verified = files.verify(id, |block| {
            if args.records {
                findings.printed += print_records(block, &files, args, findings.printed, &mut lines);
            }
        });
        let report = match verified {
            Ok(report) => report,
            // Retention may have dropped it since it was listed.
            Err(_) if StreamFiles::find(folder, ring).is_ok_and(|now| id < now.manifest.oldest_segment) => continue,
            Err(error) => {
                return Err(anyhow::Error::from(error).context(format!("{} cannot be read", folder.display())));
            }
        };
        if !args.records {
            segment_rows(&name, id, &report, &mut lines);
        }
        rows.lines(&lines)?;
        findings.damage.extend(report.damage.iter().map(told));
        all.add(report);
    }
    rows.finish()?;
    if !args.records {
        all.tell(&name, output)?;
    }
    Ok(())
}

/// One row a segment and shard.
fn segment_rows(stream: &str, segment: u64, report: &SegmentReport, lines: &mut Vec<u8>) {
    let state = match (&report.damage[..], report.unfinished) {
        ([], None) => "whole".to_owned(),
        ([], Some((bytes, _))) => format!("{bytes} bytes unfinished"),
        (damage, _) => format!("damaged in {} places", damage.len()),
    };
    let mut row = |shard: Value, records: u64, bytes: u64, span: [Value; 4]| {
        let [first, last, from, to] = span;
        let row = json!({
            "stream": stream, "segment": segment, "file_bytes": report.bytes, "frames": report.frames, "shard": shard,
            "records": records, "record_bytes": bytes, "first": first, "last": last, "from": from, "to": to,
            "state": state,
        });
        lines.extend_from_slice(format!("{row}\n").as_bytes());
    };
    if report.shards.is_empty() {
        row(Value::Null, 0, 0, [Value::Null, Value::Null, Value::Null, Value::Null]);
    }
    for (shard, of) in &report.shards {
        let span = [
            of.first.0.into(),
            of.last.0.into(),
            of.first_arrived_at.to_string().into(),
            of.last_arrived_at.to_string().into(),
        ];
        row(shard.to_string().into(), of.records, of.bytes, span);
    }
}

/// Of all segments of a stream.
#[derive(Default)]
struct Totals {
    segments: u64,
    bytes: u64,
    records: u64,
    shards: BTreeMap<ShardId, u64>,
    checkpoints: BTreeMap<String, (u64, model::clock::Timestamp)>,
    damage: usize,
    unfinished: u64,
}

impl Totals {
    fn add(&mut self, report: SegmentReport) {
        self.segments += 1;
        self.bytes += report.bytes;
        self.records += report.records();
        for (shard, of) in &report.shards {
            *self.shards.entry(*shard).or_default() += of.records;
        }
        self.damage += report.damage.len();
        self.unfinished = report.unfinished.map_or(0, |(bytes, _)| bytes);
        self.checkpoints.extend(report.checkpoints);
    }

    fn tell(self, stream: &str, output: Output) -> std::io::Result<()> {
        let Totals { segments, bytes, records, shards, checkpoints, damage, unfinished } = self;
        let mut rows = RowPrinter::new(output, Vec::new(), std::io::stdout().lock());
        for (consumer, (version, at)) in &checkpoints {
            let row =
                json!({"stream": stream, "consumer": consumer, "checkpoint": version, "committed_at": at.to_string()});
            rows.lines(format!("{row}\n").as_bytes())?;
        }
        if !checkpoints.is_empty() {
            rows.finish()?;
        }
        let mark = if damage == 0 { "✓" } else { "✗" };
        let tail = if unfinished == 0 {
            String::new()
        } else {
            format!("; {unfinished} bytes at the end are being written, or are cut at the next start")
        };
        let verdict = if damage == 0 { "every checksum fits" } else { "damage was found" };
        let shards = shards.len();
        eprintln!(
            "{mark} {stream}: {records} records of {shards} shards in {segments} segments of {bytes} bytes; {verdict}{tail}"
        );
        Ok(())
    }
}

/// Prints the records of a block that were asked for; how many.
fn print_records(block: &Block, files: &StreamFiles, args: &InspectArgs, printed: usize, lines: &mut Vec<u8>) -> usize {
    let from =
        args.from.filter(|from| from.shard == block.shard).map_or(SequenceNumber(0), |from| from.sequence_number);
    let unwanted =
        args.shard.is_some_and(|shard| shard != block.shard) || args.from.is_some_and(|from| from.shard != block.shard);
    if unwanted || printed >= args.limit || block.end() <= from {
        return 0;
    }
    let limit = ReadLimit { records_max: args.limit - printed, bytes_max: usize::MAX, wait: false };
    let mut read = Read::default();
    if let Err(reason) = block.read_into(from, limit, &mut read) {
        eprintln!("a frame's records do not read: {reason}");
    }
    let shard = files.manifest.shards.get(block.shard);
    for record in &read.records {
        print_record(record, block.shard, shard, files, lines);
    }
    read.records.len()
}

/// A record as rows: of an aggregate or a run of datagrams, one for each that it holds.
fn print_record(record: &Record, id: ShardId, shard: Option<&Shard>, files: &StreamFiles, lines: &mut Vec<u8>) {
    let owned = shard.map_or(HashKeyRange::ALL, |shard| shard.range);
    let created_at = shard.map_or(files.manifest.created_at, |shard| shard.created_at);
    let number = PrintedSequenceNumber::new(id, created_at, record.sequence_number, record.arrived_at);
    for part in user_records(record, owned, files.manifest.settings.sensor.as_ref()) {
        let mut row = json!({
            "stream": files.manifest.name, "shard": id.to_string(), "sequence_number": number.to_string(),
            "arrived_at": record.arrived_at.to_string(), "partition_key": part.partition_key, "data": decoded(&part.data),
        });
        if let Some(sub) = part.sub_sequence_number {
            row["sub_sequence_number"] = sub.into();
        }
        lines.extend_from_slice(format!("{row}\n").as_bytes());
    }
}

/// JSON as it is, other text as text, other bytes in base64.
fn decoded(data: &[u8]) -> Value {
    match (serde_json::from_slice(data), std::str::from_utf8(data)) {
        (Ok(json), _) => json,
        (_, Ok(text)) => text.into(),
        _ => json!({ "base64": STANDARD.encode_to_string(data) }),
    }
}

fn tables(file: &Path, output: Output, findings: &mut Findings) -> anyhow::Result<()> {
    let tables = match sinks::table::embedded::summary::summary(file) {
        Ok(tables) => tables,
        Err(error) => {
            let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            if let Some(holder) = holder::of_file(file) {
                eprintln!("{}: {holder} has it open; tables are read once it has ended", file.display());
            } else if why.to_lowercase().contains("repair") {
                eprintln!("{}: {why}: the next start of a server does that", file.display());
            } else {
                findings.damage.push(format!("{}: {why}", file.display()));
            }
            return Ok(());
        }
    };
    let mut rows = RowPrinter::new(output, Vec::new(), std::io::stdout().lock());
    for table in tables {
        let sort_key = table.schema.sort_key.as_ref().map(|key| key.name.clone());
        let row = json!({
            "table": table.schema.name, "partition_key": table.schema.partition_key.name, "sort_key": sort_key,
            "items": table.items, "item_bytes": table.bytes,
        });
        rows.lines(format!("{row}\n").as_bytes())?;
    }
    rows.finish().context("standard output cannot be written")?;
    Ok(())
}
