//! `gallop run`: queries over bounded JSON lines, without a server.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use analytics::continuous::bounded::{BoundedOptions, Input, Output as RowsOutput, run_all};
use analytics::sql::dialect::Dialect;
use anyhow::Context;
use clap::{Args, ValueEnum};

use model::query::engine::SqlError;

use client::output::row_printer::{Output, OutputArgs, RowPrinter, RowWriter};
use client::sql::failure;

/// Arguments of `gallop run`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gallop run per-minute.sql --input lines.json --time-field StatusTime\n  gallop run per-minute.sql --input lines.json --to rows.json\n  gallop run per-minute.sql --input lines.json --sides sides.json"
)]
pub(crate) struct RunArgs {
    /// The query file.
    query: PathBuf,
    /// JSON lines to read; `-` is standard input. Where the queries read several streams, repeat it with each one's name.
    #[arg(long, value_name = "[STREAM=]FILE", default_value = "-")]
    input: Vec<String>,
    /// Where to write rows; `-` is standard output. A file gets JSON lines unless you set --output. Where the queries write
    /// several streams, repeat it with each one's name.
    #[arg(long, value_name = "[STREAM=]FILE", default_value = "-")]
    to: Vec<String>,
    #[command(flatten)]
    output: OutputArgs,
    /// Column with each record's time, of all streams or of one; without it, windows use the time column that the query
    /// names, or the time at which records are read.
    #[arg(long, value_name = "[STREAM=]COLUMN")]
    time_field: Vec<String>,
    /// Seconds that a record may be behind the newest one and still count.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, requires = "time_field")]
    delay: f64,
    /// Where to write what did not count, and why: a line of JSON for each late, malformed or failed record.
    #[arg(long, value_name = "FILE")]
    sides: Option<PathBuf>,
    /// How the queries are written; without it, the first statement tells.
    #[arg(long, value_enum)]
    dialect: Option<DialectArg>,
}

/// The dialects of continuous queries.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum DialectArg {
    /// Kinesis Data Analytics: CREATE STREAM, CREATE PUMP.
    Aws,
    /// Apache Flink: CREATE TABLE, INSERT INTO.
    Flink,
}

impl From<DialectArg> for Dialect {
    fn from(dialect: DialectArg) -> Dialect {
        match dialect {
            DialectArg::Aws => Dialect::Aws,
            DialectArg::Flink => Dialect::Flink,
        }
    }
}

/// `STREAM=FILE`, or a file alone: one that exists may have `=` in its name.
fn named(text: &str) -> (Option<String>, PathBuf) {
    match text.split_once('=') {
        Some((stream, file)) if !Path::new(text).exists() => (Some(stream.to_owned()), file.into()),
        _ => (None, text.into()),
    }
}

fn opened(file: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    if file.to_str() == Some("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let opened = File::open(file).with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(Box::new(BufReader::new(opened)))
}

fn created(file: &Path) -> anyhow::Result<Box<dyn Write>> {
    if file.to_str() == Some("-") {
        return Ok(Box::new(io::stdout().lock()));
    }
    Ok(Box::new(File::create(file).with_context(|| format!("{} cannot be written", file.display()))?))
}

/// Runs the queries.
pub(crate) async fn run(args: RunArgs) -> anyhow::Result<()> {
    let sql =
        std::fs::read_to_string(&args.query).with_context(|| format!("{} cannot be read", args.query.display()))?;
    let (query, text) = (args.query.display().to_string(), sql.clone());
    let report = tokio::task::spawn_blocking(move || run_files(&args, &sql))
        .await
        .context("the query panicked")?
        .map_err(|error| match error.chain().find_map(|cause| cause.downcast_ref::<SqlError>()) {
            Some(wrong) => failure::failure(wrong, &text, Some(&query)).into(),
            None => error,
        })?;
    eprintln!("{report}");
    Ok(())
}

fn run_files(args: &RunArgs, sql: &str) -> anyhow::Result<analytics::continuous::bounded::RunReport> {
    let delay = Duration::try_from_secs_f64(args.delay).context("--delay is not a number of seconds")?;
    let options = BoundedOptions { delay, dialect: args.dialect.map(Dialect::from), ..time_fields(&args.time_field)? };
    let input = |text: &String| -> anyhow::Result<Input<'_>> {
        let (stream, file) = named(text);
        Ok((stream, opened(&file)?))
    };
    let inputs = args.input.iter().map(input).collect::<anyhow::Result<_>>()?;
    let mut writers = Vec::new();
    for text in &args.to {
        let (stream, file) = named(text);
        let is_shown = file.to_str() == Some("-");
        let output = if is_shown { args.output.choose() } else { args.output.asked().unwrap_or(Output::Json) };
        writers.push((stream, RowWriter::new(RowPrinter::new(output, Vec::new(), BufWriter::new(created(&file)?)))));
    }
    let outputs = writers.iter_mut().map(|(stream, rows)| (stream.clone(), Box::new(rows) as _));
    let outputs: Vec<RowsOutput<'_>> = outputs.collect();
    let sides = args.sides.as_deref().map(created).transpose()?;
    let sides = sides.map(|sides| Box::new(BufWriter::new(sides)) as _);
    let report = run_all(sql, inputs, outputs, sides, options)?;
    for (_, rows) in writers {
        rows.finish().context("rows cannot be written")?;
    }
    Ok(report)
}

/// `--time-field`, once for all streams and once for each.
fn time_fields(given: &[String]) -> anyhow::Result<BoundedOptions> {
    let (mut time_field, mut time_fields) = (None, BTreeMap::new());
    for text in given {
        let earlier = match text.split_once('=') {
            Some((stream, column)) => time_fields.insert(stream.to_owned(), column.to_owned()),
            None => time_field.replace(text.clone()),
        };
        anyhow::ensure!(earlier.is_none(), "--time-field is given twice for the same stream");
    }
    Ok(BoundedOptions { time_field, time_fields, ..BoundedOptions::default() })
}
