//! The same queries over files: rows with a time of their own in, results out, and the end closes all windows.
//!
//! ```text
//! file ─▶ stream A ─▶ query 1 ─▶ stream B ─▶ query 2 ─▶ stream C ─▶ file
//!                                    └─────▶ query 3 ─▶ stream D ─▶ file
//! ```
//! A query may read what another one writes: rows go on as they come, with the time of the window that they are of.

use std::io::{BufRead, Write};

mod graph;
mod options;
mod sides;
mod stage;

pub use options::{BoundedError, BoundedOptions, Input, Output, RunReport};

use crate::continuous::bounded::graph::Graph;
use crate::continuous::bounded::sides::Sides;
use crate::continuous::definition::Definition;

/// Runs the text's queries over lines of JSON of one stream; writes lines of JSON.
pub fn run(
    sql: &str,
    input: impl BufRead,
    output: &mut impl Write,
    options: BoundedOptions,
) -> Result<RunReport, BoundedError> {
    run_all(sql, vec![(None, Box::new(input))], vec![(None, Box::new(output))], None, options)
}

/// Runs the text's queries over lines of JSON. What does not count goes to `sides`, line by line.
pub fn run_all(
    sql: &str,
    inputs: Vec<Input<'_>>,
    outputs: Vec<Output<'_>>,
    sides: Option<Box<dyn Write + '_>>,
    options: BoundedOptions,
) -> Result<RunReport, BoundedError> {
    let definitions = Definition::parse(sql, options.dialect)?;
    let mut graph = Graph::new(definitions, outputs, Sides::new(sides), options)?;
    for (stream, mut input) in graph.assigned(inputs)? {
        graph.read(&stream, &mut input)?;
    }
    graph.finish()
}
