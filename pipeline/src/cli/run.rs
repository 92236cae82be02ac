//! `gallop run`: a query over bounded JSON lines, without a server.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use crate::telemetry::logs;

/// Arguments of `gallop run`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gallop run per-minute.sql --input lines.json --time-field StatusTime\n  gallop run per-minute.sql --input - --output rows.json"
)]
pub(crate) struct RunArgs {
    /// The query file.
    query: PathBuf,
    /// JSON lines to read; `-` is standard input.
    #[arg(long, value_name = "FILE", default_value = "-")]
    input: PathBuf,
    /// Where rows go, as JSON lines; `-` is standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Column that holds each record's time; without it, records count in the window in which they are read.
    #[arg(long, value_name = "NAME")]
    time_field: Option<String>,
    /// How many seconds a record may be behind the newest one and still count.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, requires = "time_field")]
    delay: f64,
}

/// Runs the query.
pub(crate) async fn run(args: RunArgs) -> anyhow::Result<()> {
    logs::start_quiet()?;
    let sql =
        std::fs::read_to_string(&args.query).with_context(|| format!("{} cannot be read", args.query.display()))?;
    let delay = Duration::try_from_secs_f64(args.delay).context("--delay is not a number of seconds")?;
    let query = args.query.display().to_string();
    let report = tokio::task::spawn_blocking(move || {
        let input: Box<dyn BufRead> = match args.input.to_str() {
            Some("-") => Box::new(io::stdin().lock()),
            _ => Box::new(BufReader::new(
                File::open(&args.input).with_context(|| format!("{} cannot be read", args.input.display()))?,
            )),
        };
        let output: Box<dyn Write> = match args.output.to_str() {
            Some("-") => Box::new(io::stdout().lock()),
            _ => Box::new(
                File::create(&args.output).with_context(|| format!("{} cannot be written", args.output.display()))?,
            ),
        };
        let options = analytics::bounded::BoundedOptions { time_field: args.time_field, delay };
        let mut output = BufWriter::new(output);
        let report = analytics::bounded::run(&sql, input, &mut output, options)?;
        output.flush().context("rows cannot be written")?;
        anyhow::Ok(report)
    })
    .await
    .context("the query panicked")?
    .with_context(|| query.clone())?;
    eprintln!("{report}");
    Ok(())
}
