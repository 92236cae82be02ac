//! Logs: fragments with fields on standard error, as lines for people on a terminal and as JSON elsewhere.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use super::spans;
use super::traces::Traces;

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
            .map_err(|_| anyhow::anyhow!("{FORMAT_VARIABLE}: `{text}` is not `text`, `json` or `auto`"))
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
    start("warn", LogFormat::of_variable()?, None)
}

/// Starts logging of the server, and its traces.
pub(crate) fn start_server(format: LogFormat, traces: Option<&Traces>) -> anyhow::Result<()> {
    start(DEFAULT_FILTER, format, traces)
}

/// Error: `GALLOP_LOG` is not a filter like `info,ingest=debug`.
fn start(filter: &str, format: LogFormat, traces: Option<&Traces>) -> anyhow::Result<()> {
    let filter = match std::env::var("GALLOP_LOG") {
        Ok(text) => EnvFilter::try_new(&text).map_err(|error| {
            anyhow::anyhow!("GALLOP_LOG: `{text}` is not a filter like `info,ingest=debug`: {error}")
        })?,
        Err(_) => EnvFilter::new(filter),
    };
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = if format.is_json() {
        lines.json().flatten_event(true).boxed()
    } else {
        lines.with_target(false).with_ansi(std::io::stderr().is_terminal()).boxed()
    };
    // Spans are for traces alone, and all else for lines.
    let no_spans = format!("{}=off", spans::TARGET).parse().expect("a directive");
    let only_spans = filter_fn(|event| event.target() == spans::TARGET).with_max_level_hint(LevelFilter::INFO);
    let traces = traces.map(|traces| {
        let layer = tracing_opentelemetry::layer().with_tracer(traces.tracer());
        layer.with_location(false).with_threads(false).with_target(false).with_level(false).with_filter(only_spans)
    });
    tracing_subscriber::registry().with(lines.with_filter(filter.add_directive(no_spans))).with(traces).init();
    Ok(())
}
