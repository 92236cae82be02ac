//! `gallop sql`: one query with `-c`, or a shell; against a server, or over an archive alone.

use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use futures::StreamExt;
use model::sql::SqlEngine;

use crate::backends;
use crate::cli::connection::Connection;
use crate::cli::remote_sql::RemoteSql;
use crate::cli::row_printer::{Output, OutputArgs, RowPrinter};
use crate::telemetry::logs;

/// Arguments of `gallop sql`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gallop sql -c 'SELECT COUNT(*) FROM wildrydes'\n  gallop sql --archive gallop-data/archive -c 'SHOW TABLES'\n  gallop sql --archive s3://bucket/archive -c 'SELECT COUNT(*) FROM wildrydes'"
)]
pub(crate) struct SqlArgs {
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
pub(crate) async fn run(args: SqlArgs) -> anyhow::Result<()> {
    logs::start_quiet()?;
    let engine: Arc<dyn SqlEngine> = match &args.archive {
        Some(place) => Box::pin(backends::archive_engine(place, args.connection.profile())).await?,
        None => {
            let connection = &args.connection;
            Arc::new(RemoteSql::new(&connection.endpoint(), connection.authorization().await?)?)
        }
    };
    let output = args.output.choose();
    match args.command {
        Some(sql) => query(&*engine, &sql, output).await,
        None if std::io::stdin().is_terminal() => shell(&*engine, output).await,
        None => script(&*engine, output).await,
    }
}

async fn query(engine: &dyn SqlEngine, sql: &str, output: Output) -> anyhow::Result<()> {
    let mut rows = engine.query(sql).await?;
    let columns = rows.columns.iter().map(|column| column.name.clone()).collect();
    let mut printer = RowPrinter::new(output, columns, std::io::stdout().lock());
    while let Some(chunk) = rows.lines.next().await {
        printer.lines(&chunk?)?;
    }
    printer.finish()?;
    Ok(())
}

/// Prompts on a terminal; a query ends with `;`. An error does not end the shell.
async fn shell(engine: &dyn SqlEngine, output: Output) -> anyhow::Result<()> {
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
                eprintln!("error: {error:#}");
            }
        }
    }
}

/// Runs what standard input holds, query by query; the first error ends it.
async fn script(engine: &dyn SqlEngine, output: Output) -> anyhow::Result<()> {
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
