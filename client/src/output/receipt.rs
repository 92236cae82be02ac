//! What a command says after it has changed something.

use std::io::{self, Write};

use serde_json::Value;

use crate::output::row_printer::Output;

/// Tells what was done: people read `line` on standard error, behind a tick; where JSON is asked for, or standard output
/// is a pipe, `object` goes there.
pub fn tell(output: Output, line: &str, object: &Value) -> io::Result<()> {
    if output == Output::Json { writeln!(io::stdout(), "{object}") } else { writeln!(io::stderr(), "✓ {line}") }
}
