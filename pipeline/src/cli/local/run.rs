//! `gallop run`: a query over bounded JSON lines, without a server.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use model::query::engine::SqlError;

use client::output::row_printer::{Output, OutputArgs, RowPrinter, RowWriter};
use client::sql::failure;

/// Arguments of `gallop run`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gallop run per-minute.sql --input lines.json --time-field StatusTime\n  gallop run per-minute.sql --input lines.json --to rows.json"
)]
pub(crate) struct RunArgs {
    /// The query file.
    query: PathBuf,
    /// JSON lines to read; `-` is standard input.
    #[arg(long, value_name = "FILE", default_value = "-")]
    input: PathBuf,
    /// Where to write rows; `-` is standard output. A file gets JSON lines unless you set --output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    to: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
    /// Column with each record's time; without it, windows use the time at which records are read.
    #[arg(long, value_name = "NAME")]
    time_field: Option<String>,
    /// Seconds that a record may be behind the newest one and still count.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, requires = "time_field")]
    delay: f64,
}

/// Runs the query.
pub(crate) async fn run(args: RunArgs) -> anyhow::Result<()> {
    let sql =
        std::fs::read_to_string(&args.query).with_context(|| format!("{} cannot be read", args.query.display()))?;
    let delay = Duration::try_from_secs_f64(args.delay).context("--delay is not a number of seconds")?;
    let (query, text) = (args.query.display().to_string(), sql.clone());
    let to_standard_output = args.to.to_str() == Some("-");
    let output = if to_standard_output { args.output.choose() } else { args.output.asked().unwrap_or(Output::Json) };
    let report = tokio::task::spawn_blocking(move || {
        let input: Box<dyn BufRead> = match args.input.to_str() {
            Some("-") => Box::new(io::stdin().lock()),
            _ => Box::new(BufReader::new(
                File::open(&args.input).with_context(|| format!("{} cannot be read", args.input.display()))?,
            )),
        };
        let to: Box<dyn Write> = match to_standard_output {
            true => Box::new(io::stdout().lock()),
            false => {
                Box::new(File::create(&args.to).with_context(|| format!("{} cannot be written", args.to.display()))?)
            }
        };
        let options = analytics::continuous::bounded::BoundedOptions { time_field: args.time_field, delay };
        let mut rows = RowWriter::new(RowPrinter::new(output, Vec::new(), BufWriter::new(to)));
        let report = analytics::continuous::bounded::run(&sql, input, &mut rows, options)?;
        rows.finish().context("rows cannot be written")?;
        anyhow::Ok(report)
    })
    .await
    .context("the query panicked")?
    .map_err(|error| match error.chain().find_map(|cause| cause.downcast_ref::<SqlError>()) {
        Some(wrong) => failure::failure(wrong, &text, Some(&query)).into(),
        None => error,
    })?;
    eprintln!("{report}");
    Ok(())
}
