//! Logs: fragments with fields on standard error, as lines for people on a terminal and as JSON elsewhere.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// What is logged when `GALLOP_LOG` says nothing.
const DEFAULT_FILTER: &str = "info,aws_config=warn,aws_smithy_runtime=warn,hyper=warn,datafusion=warn";

/// Variable that says how lines look, also of commands that have no flag for it.
const FORMAT_VARIABLE: &str = "GALLOP_LOG_FORMAT";

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// An object a line, for machines.
    Json,
    /// Text on a terminal, JSON elsewhere.
    Auto,
}

impl LogFormat {
    /// What the variable says.
    fn of_variable() -> anyhow::Result<LogFormat> {
        let Ok(text) = std::env::var(FORMAT_VARIABLE) else { return Ok(LogFormat::Auto) };
        LogFormat::from_str(&text, false)
            .map_err(|_| anyhow::anyhow!("{FORMAT_VARIABLE}: `{text}` is none of `text`, `json` and `auto`"))
    }

    /// Whether lines are JSON.
    fn is_json(self) -> bool {
        match self {
            LogFormat::Text => false,
            LogFormat::Json => true,
            LogFormat::Auto => !std::io::stderr().is_terminal(),
        }
    }
}

/// Starts logging of a command whose output is for people: only warnings, unless `GALLOP_LOG` wants more.
pub(crate) fn start_quiet() -> anyhow::Result<()> {
    start("warn", LogFormat::of_variable()?)
}

/// Starts logging of the server.
pub(crate) fn start_server(format: LogFormat) -> anyhow::Result<()> {
    start(DEFAULT_FILTER, format)
}

/// Error: `GALLOP_LOG` is not a filter like `info,ingest=debug`.
fn start(filter: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = match std::env::var("GALLOP_LOG") {
        Ok(text) => EnvFilter::try_new(&text).map_err(|error| {
            anyhow::anyhow!("GALLOP_LOG: `{text}` is not a filter like `info,ingest=debug`: {error}")
        })?,
        Err(_) => EnvFilter::new(filter),
    };
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if format.is_json() {
        builder.json().flatten_event(true).init();
    } else {
        builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).init();
    }
    Ok(())
}
