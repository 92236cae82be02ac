//! `gallop sql`: one query with `-c`, or a shell; against a server, or over an archive alone.

pub mod failure;
mod remote;

use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use model::query::engine::{SqlEngine, SqlError};
use model::query::json_lines::json_lines;

use self::remote::{JsonRows, RemoteSql};
use crate::cause;
use crate::output::row_printer::{Output, OutputArgs, RowPrinter};
use crate::server::connection::Connection;

/// An engine over an archive, or why it cannot be read.
pub type OpenedEngine = anyhow::Result<Arc<dyn SqlEngine>>;

/// How often the count of rows is drawn.
const TICK: Duration = Duration::from_millis(100);

/// Arguments of `gallop sql`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gallop sql -c 'SELECT COUNT(*) FROM wildrydes'\n  gallop sql --archive gallop-data/archive -c 'SHOW TABLES'\n  gallop sql --archive s3://bucket/archive -c 'SELECT COUNT(*) FROM wildrydes'"
)]
pub struct SqlArgs {
    /// Runs one query and ends; without it, queries are read from standard input.
    #[arg(short = 'c', long = "command", value_name = "SQL")]
    command: Option<String>,
    /// Asks an archive without a server: a folder, or s3://bucket/prefix.
    #[arg(long, value_name = "PLACE", conflicts_with = "endpoint")]
    archive: Option<String>,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the query, or the shell.
///
/// `open_archive` makes an engine over an archive: its place, and the AWS profile that reads it.
pub async fn run(
    args: SqlArgs,
    open_archive: impl AsyncFnOnce(&str, Option<&str>) -> OpenedEngine,
) -> anyhow::Result<()> {
    let engine = match &args.archive {
        Some(place) => Engine::Local(open_archive(place, args.connection.profile()).await?),
        None => {
            let connection = &args.connection;
            Engine::Remote(Box::new(RemoteSql::new(&connection.endpoint(), connection.authorization().await?)?))
        }
    };
    let output = args.output.choose();
    match args.command {
        Some(sql) => query(&engine, &sql, output).await,
        None if std::io::stdin().is_terminal() => shell(&engine, output).await,
        None => script(&engine, output).await,
    }
}

/// Who answers.
enum Engine {
    /// This process.
    Local(Arc<dyn SqlEngine>),
    /// A server.
    Remote(Box<RemoteSql>),
}

impl Engine {
    async fn ask(&self, sql: &str) -> anyhow::Result<JsonRows> {
        match self {
            Engine::Local(engine) => {
                let rows = engine.query(sql).await?;
                let columns = rows.schema.fields().iter().map(|column| column.name().clone()).collect();
                Ok(JsonRows { columns, lines: json_lines(rows) })
            }
            Engine::Remote(server) => server.query(sql).await,
        }
    }
}

async fn query(engine: &Engine, sql: &str, output: Output) -> anyhow::Result<()> {
    answer(engine, sql, output).await.map_err(|error| match error.downcast::<SqlError>() {
        Ok(wrong) => failure::failure(&wrong, sql, None).into(),
        Err(error) => error,
    })
}

async fn answer(engine: &Engine, sql: &str, output: Output) -> anyhow::Result<()> {
    let mut progress = RowProgress::new(output);
    let JsonRows { columns, mut lines } = engine.ask(sql).await?;
    let mut printer = RowPrinter::new(output, columns, std::io::stdout());
    while let Some(chunk) = lines.next().await {
        let chunk = chunk?;
        progress.add(memchr::memchr_iter(b'\n', &chunk).count() as u64);
        progress.aside(|| printer.lines(&chunk))?;
    }
    progress.end();
    printer.finish()?;
    Ok(())
}

/// Rows so far and a second, on a terminal; elsewhere nothing.
struct RowProgress {
    bar: Option<ProgressBar>,
}

impl RowProgress {
    /// Not where rows themselves run over the same terminal.
    fn new(output: Output) -> Self {
        let rows_run_by = output != Output::Table && std::io::stdout().is_terminal();
        let bar = (std::io::stderr().is_terminal() && !rows_run_by).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{spinner} {human_pos} rows, {per_sec:0}, {elapsed}");
            bar.set_style(style.expect("the template is well formed"));
            bar.enable_steady_tick(TICK);
            bar
        });
        RowProgress { bar }
    }

    fn add(&mut self, rows: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(rows);
        }
    }

    /// Does something that may write to the terminal.
    fn aside<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(work),
            None => work(),
        }
    }

    fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Prompts on a terminal; a query ends with `;`. An error does not end the shell.
async fn shell(engine: &Engine, output: Output) -> anyhow::Result<()> {
    let mut editor = rustyline::DefaultEditor::new().context("the terminal cannot be used")?;
    let mut text = String::new();
    loop {
        match editor.readline(if text.is_empty() { "gallop> " } else { "   ...> " }) {
            Ok(line) if text.is_empty() && matches!(line.trim(), "exit" | "quit" | "\\q") => return Ok(()),
            Ok(line) => {
                text.push_str(&line);
                text.push('\n');
            }
            Err(rustyline::error::ReadlineError::Interrupted) => text.clear(),
            Err(rustyline::error::ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        if text.trim_end().ends_with(';') {
            let sql = std::mem::take(&mut text);
            // History is a convenience: a line it cannot take is no error.
            let _ = editor.add_history_entry(sql.trim_end());
            if let Err(error) = query(engine, &sql, output).await {
                // The shell goes on.
                cause::failure_of(error).whole().tell();
            }
        }
    }
}

/// Runs what standard input holds, query by query; the first error ends it.
async fn script(engine: &Engine, output: Output) -> anyhow::Result<()> {
    let mut text = String::new();
    for line in std::io::stdin().lock().lines() {
        text.push_str(&line.context("standard input cannot be read")?);
        text.push('\n');
        if text.trim_end().ends_with(';') {
            query(engine, &std::mem::take(&mut text), output).await?;
        }
    }
    if !text.trim().is_empty() {
        query(engine, &text, output).await?;
    }
    std::io::stdout().flush()?;
    Ok(())
}
