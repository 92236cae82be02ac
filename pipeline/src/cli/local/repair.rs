//! `gallop repair`: finds what is damaged in a data folder, lists what is lost, and makes the rest
//! readable. It changes nothing unless it is told to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use ingest::log::frames::key::KeyRing;
use ingest::log::repair::plan::Plan;
use ingest::log::repair::{apply, examine};
use model::disk::{DiskFile, StdDisk};
use model::name::StreamName;
use model::text::chain::chain;
use serde_json::{Value, json};

use crate::cli::local::found::{Found, find};
use crate::cli::local::leftovers;
use crate::config::access::encryption::EncryptionConfig;
use crate::holder;
use crate::streams::LOCK_NAME;
use client::failure::{Failure, Kind};
use client::output::row_printer::{Output, OutputArgs, RowPrinter};

/// The folder, beside that of the streams, for files that a repair replaces.
const ORIGINALS: &str = "damaged";

/// Arguments of `gallop repair`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  gallop repair gallop-data\n  gallop repair gallop-data --write")]
pub(crate) struct RepairArgs {
    /// A data folder that no server has open, or a stream's folder in its `streams`.
    path: PathBuf,
    /// Repair what is damaged. The files that are replaced are kept in the folder `damaged`.
    #[arg(long)]
    write: bool,
    /// Key file of encrypted streams: `[encryption] key_file` in the settings.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// What all streams come to.
#[derive(Default)]
struct Totals {
    damaged: usize,
    /// Streams and files that cannot be repaired, and why.
    beyond: Vec<String>,
}

/// Examines, and repairs if it is told to.
pub(crate) fn run(args: RepairArgs) -> anyhow::Result<()> {
    let Found { streams, segment, tables } = find(&args.path)?;
    if segment.is_some() {
        let failure = Failure::new(Kind::Usage, format!("{} is a part of a stream", args.path.display()));
        return Err(failure.why("a stream is repaired as a whole").fix("name the stream's folder").into());
    }
    let ring = EncryptionConfig { key_file: args.key_file.clone() }.keys(Path::new(""))?;
    let streams = streams.iter().map(|folder| folder.canonicalize()).collect::<Result<Vec<_>, _>>()?;
    let mut totals = Totals::default();
    let _lock = streams.first().map(|stream| lock(&args.path, stream)).transpose()?;
    for folder in &streams {
        stream(folder, &ring, &args, &mut totals)?;
    }
    totals.beyond.extend(tables.as_deref().and_then(leftovers::tables));
    leftovers::tell(&args.path);
    end(&args, totals)
}

/// Keeps servers out, until it is dropped.
fn lock(path: &Path, stream: &Path) -> anyhow::Result<Arc<dyn DiskFile>> {
    let streams = stream.parent().unwrap_or(Path::new("."));
    let locked = apply::lock(&StdDisk, streams);
    locked.map_err(|error| holder::of_data(path, &streams.join(LOCK_NAME), error.into()))
}

fn stream(folder: &Path, ring: &KeyRing, args: &RepairArgs, totals: &mut Totals) -> anyhow::Result<()> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let Ok(name) = StreamName::new(&name) else { return Ok(()) };
    let plan = match examine::examine(&StdDisk, folder, &name, ring) {
        Ok(plan) => plan,
        Err(error) => {
            totals.beyond.push(format!("{}: {}", folder.display(), chain(&error)));
            return Ok(());
        }
    };
    list(&plan, args.output.choose())?;
    if plan.is_whole() {
        eprintln!("✓ {name}: nothing is damaged");
        return Ok(());
    }
    tell(&plan);
    totals.damaged += 1;
    if args.write {
        let originals = folder.parent().and_then(Path::parent).unwrap_or(Path::new("")).join(ORIGINALS);
        match apply::apply(&StdDisk, plan, &originals)? {
            Some(kept) => eprintln!("✓ {name}: repaired; the damaged files are in {}", kept.display()),
            None => eprintln!("✓ {name}: repaired"),
        }
    }
    Ok(())
}

/// One row for each place, each range of numbers and each consumer.
fn list(plan: &Plan, output: Output) -> std::io::Result<()> {
    let name = plan.name.as_str();
    let damage = plan.damage.iter().map(|damage| {
        json!({
            "kind": "damage", "stream": name, "file": damage.file, "offset": damage.offset, "bytes": damage.bytes,
            "reason": damage.reason,
        })
    });
    let losses = plan.losses.iter().map(|loss| {
        json!({
            "kind": "loss", "stream": name, "shard": loss.shard.to_string(), "first": loss.first.0,
            "last": loss.end.0 - 1, "records": loss.records, "exact": loss.exact, "segment": loss.segment,
            "offset": loss.offset, "bytes": loss.bytes,
        })
    });
    let consumers = plan.consumers.iter().map(|consumer| {
        json!({
            "kind": "checkpoint", "stream": name, "consumer": consumer.name.to_string(),
            "goes_on_from": consumer.version, "committed_at": consumer.committed_at.to_string(),
        })
    });
    let kinds = [damage.collect::<Vec<Value>>(), losses.collect(), consumers.collect()];
    for rows in kinds.into_iter().filter(|rows| !rows.is_empty()) {
        let mut printer = RowPrinter::new(output, Vec::new(), std::io::stdout().lock());
        for row in rows {
            printer.lines(format!("{row}\n").as_bytes())?;
        }
        printer.finish()?;
    }
    Ok(())
}

fn tell(plan: &Plan) {
    let (name, places) = (&plan.name, plan.damage.len());
    let lost = match plan.lost_records() {
        (0, _) => "no record is lost".to_owned(),
        (1, true) => "one record is lost".to_owned(),
        (records, true) => format!("{records} records are lost"),
        (records, false) => format!("at most {records} records are lost"),
    };
    let places = if places == 1 { "one place is damaged".to_owned() } else { format!("{places} places are damaged") };
    eprintln!("✗ {name}: {places}; {lost}");
    if let Some((segment, at)) = plan.rebuilt_from {
        eprintln!(
            "  both manifests are lost; segment {segment} has a copy from {at}: later changes of settings are lost"
        );
    }
    for consumer in &plan.consumers {
        let (name, version, at) = (&consumer.name, consumer.version, consumer.committed_at);
        eprintln!("  consumer `{name}` may go back to version {version} from {at}, and process again what came after");
    }
}

fn end(args: &RepairArgs, totals: Totals) -> anyhow::Result<()> {
    let path = args.path.display();
    let Totals { damaged, beyond } = totals;
    if !beyond.is_empty() {
        return Err(Failure::new(Kind::Corrupt, format!("{} in {path} cannot be repaired", count(beyond.len())))
            .why(beyond.join("\n       "))
            .fix("restore what is named from a copy, or delete it")
            .into());
    }
    if damaged == 0 || args.write {
        return Ok(());
    }
    Err(Failure::new(Kind::Corrupt, format!("{} in {path} is damaged", count(damaged)))
        .why("what is damaged and what is lost is listed above; nothing was changed")
        .fix(format!("restore the files from a copy, or run `gallop repair {path} --write` to keep all that is whole"))
        .into())
}

fn count(streams: usize) -> String {
    if streams == 1 { "one stream or file".to_owned() } else { format!("each of {streams} streams or files") }
}
