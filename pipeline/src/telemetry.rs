//! Logs: fragments with fields on standard error, as lines for people on a terminal and as JSON elsewhere.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// What is logged when `GALLOP_LOG` says nothing.
const DEFAULT_FILTER: &str = "info,aws_config=warn,aws_smithy_runtime=warn,hyper=warn,datafusion=warn";

/// Starts logging; `quiet` keeps only warnings, for commands whose output is for people.
/// Error: `GALLOP_LOG` is not a filter like `info,ingest=debug`.
pub(crate) fn start(quiet: bool) -> anyhow::Result<()> {
    let filter = match std::env::var("GALLOP_LOG") {
        Ok(text) => EnvFilter::try_new(&text).map_err(|error| {
            anyhow::anyhow!("GALLOP_LOG: `{text}` is not a filter like `info,ingest=debug`: {error}")
        })?,
        Err(_) => EnvFilter::new(if quiet { "warn" } else { DEFAULT_FILTER }),
    };
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        builder.with_target(false).init();
    } else {
        builder.json().flatten_event(true).init();
    }
    Ok(())
}
