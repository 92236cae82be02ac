//! The queries of a text, each behind those that write what it reads, and the files around them.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};

use model::clock::Timestamp;
use model::query::engine::{SqlError, SqlErrorKind};

use crate::continuous::bounded::options::{BoundedError, BoundedOptions, Input, Output, RunReport};
use crate::continuous::bounded::sides::Sides;
use crate::continuous::bounded::stage::Stage;
use crate::continuous::decode::discover::discover;
use crate::continuous::decode::json::objects;
use crate::continuous::definition::Definition;
use crate::continuous::encode::OutputRow;

/// Columns that are not declared are found in this many first lines.
const SAMPLE_LINES_MAX: usize = 1000;

/// A file, and the stream it stands for.
type Named<F> = (String, F);

/// All queries of a run.
pub(crate) struct Graph<'a> {
    /// In an order in which each stands behind those that write what it reads.
    stages: Vec<Stage>,
    /// For each, those that read what it writes.
    readers: Vec<Vec<usize>>,
    /// By the stream that goes there.
    outputs: BTreeMap<String, Box<dyn Write + 'a>>,
    sides: Sides<'a>,
    options: BoundedOptions,
    records: u64,
    rows: u64,
}

impl<'a> Graph<'a> {
    pub(crate) fn new(
        definitions: Vec<Definition>,
        outputs: Vec<Output<'a>>,
        sides: Sides<'a>,
        options: BoundedOptions,
    ) -> Result<Graph<'a>, BoundedError> {
        let mut stages: Vec<Stage> = in_order(definitions)?.into_iter().map(Stage::new).collect();
        for reader in 0..stages.len() {
            let source = stages[reader].definition.select.source.clone();
            let writers = (0..stages.len()).filter(|writer| stages[*writer].definition.into == source);
            let writers: Vec<usize> = writers.collect();
            stages[reader].upstreams = writers.into_iter().map(|writer| (writer, Timestamp::MIN)).collect();
        }
        let readers_of = |writer: &Stage| {
            let reads = |reader: &usize| stages[*reader].definition.select.source == writer.definition.into;
            (0..stages.len()).filter(reads).collect()
        };
        let readers = stages.iter().map(readers_of).collect();
        let outputs = assigned_outputs(&stages, outputs)?;
        let mut graph = Graph { stages, readers, outputs, sides, options, records: 0, rows: 0 };
        for stage in 0..graph.stages.len() {
            if let Some(columns) = graph.stages[stage].definition.columns.clone() {
                graph.plan(stage, &columns)?;
            }
        }
        Ok(graph)
    }

    /// Begins a query, and those behind it that are to learn their columns from it.
    fn plan(&mut self, stage: usize, columns: &[crate::sql::schema::SqlColumn]) -> Result<(), BoundedError> {
        if self.stages[stage].is_planned() {
            return Ok(());
        }
        let written = self.stages[stage].plan(columns, &self.options)?;
        for reader in self.readers[stage].clone() {
            if self.stages[reader].definition.columns.is_none() {
                self.plan(reader, &written)?;
            }
        }
        Ok(())
    }

    /// The queries that read a stream.
    fn readers_of(&self, stream: &str) -> Vec<usize> {
        (0..self.stages.len()).filter(|stage| self.stages[*stage].definition.select.source == stream).collect()
    }

    /// The streams that files are to be read for.
    fn read_streams(&self) -> Vec<String> {
        let mut streams: Vec<String> = Vec::new();
        for stage in self.stages.iter().filter(|stage| stage.upstreams.is_empty()) {
            let source = &stage.definition.select.source;
            if !streams.contains(source) {
                streams.push(source.clone());
            }
        }
        streams
    }

    /// Each file with its stream.
    pub(crate) fn assigned<'i>(
        &self,
        inputs: Vec<Input<'i>>,
    ) -> Result<Vec<Named<Box<dyn BufRead + 'i>>>, BoundedError> {
        let streams = self.read_streams();
        let assigned = assigned("read", "--input", &streams, inputs)?;
        if let Some(missing) = streams.iter().find(|stream| assigned.iter().all(|(name, _)| name != *stream)) {
            let message = format!("no file is given for stream `{missing}`: add --input {missing}=FILE");
            return Err(BoundedError::Streams(message));
        }
        Ok(assigned)
    }

    /// Reads a file to its end: nothing more comes of its stream.
    pub(crate) fn read(&mut self, stream: &str, input: &mut dyn BufRead) -> Result<(), BoundedError> {
        let readers = self.readers_of(stream);
        let mut lines = input.split(b'\n');
        let mut sample: Vec<Vec<u8>> = Vec::new();
        if readers.iter().any(|reader| !self.stages[*reader].is_planned()) {
            for line in lines.by_ref().take(SAMPLE_LINES_MAX) {
                sample.push(line?);
            }
            let first: Vec<_> = sample.iter().filter_map(|line| objects(line).ok()).flatten().collect();
            let columns = discover(&first);
            for reader in &readers {
                self.plan(*reader, &columns)?;
            }
        }
        for line in sample.into_iter().map(Ok).chain(lines) {
            let line = line?;
            if line.trim_ascii().is_empty() {
                continue;
            }
            self.records += 1;
            for reader in &readers {
                self.stages[*reader].take(&line, None, &mut self.sides)?;
                let until = self.stages[*reader].complete_until();
                self.advance(*reader, until)?;
            }
        }
        readers.into_iter().try_for_each(|reader| self.advance(reader, Timestamp::MAX))
    }

    /// What a query reads is complete until then: it closes what is over, and so do those behind it.
    fn advance(&mut self, stage: usize, until: Timestamp) -> Result<(), BoundedError> {
        let rows = self.stages[stage].close(until, &mut self.sides)?;
        if rows.is_empty() && self.readers[stage].is_empty() {
            return Ok(());
        }
        let (into, readers) = (self.stages[stage].definition.into.clone(), self.readers[stage].clone());
        for row in rows {
            self.write(&into, &row)?;
            for reader in &readers {
                self.stages[*reader].take(row.json.as_bytes(), Some(row.time), &mut self.sides)?;
            }
        }
        for reader in readers {
            self.stages[reader].upstreams.insert(stage, until);
            let fed_until = self.stages[reader].fed_until();
            self.advance(reader, fed_until)?;
        }
        Ok(())
    }

    fn write(&mut self, stream: &str, row: &OutputRow) -> Result<(), BoundedError> {
        let Some(output) = self.outputs.get_mut(stream) else { return Ok(()) };
        self.rows += 1;
        output.write_all(row.json.as_bytes())?;
        output.write_all(b"\n")?;
        Ok(())
    }

    /// All files were read.
    pub(crate) fn finish(mut self) -> Result<RunReport, BoundedError> {
        self.outputs.values_mut().try_for_each(|output| output.flush())?;
        self.sides.finish()?;
        let sum = |of: fn(&RunReport) -> u64| self.stages.iter().map(|stage| of(&stage.report)).sum();
        Ok(RunReport {
            records: self.records,
            rows: self.rows,
            late: sum(|report| report.late),
            left_out: sum(|report| report.left_out),
        })
    }
}

/// The queries, each behind those that write what it reads.
fn in_order(mut definitions: Vec<Definition>) -> Result<Vec<Definition>, BoundedError> {
    let mut ordered: Vec<Definition> = Vec::with_capacity(definitions.len());
    while !definitions.is_empty() {
        let is_ready = |definition: &Definition| definitions.iter().all(|other| other.into != definition.select.source);
        let Some(ready) = definitions.iter().position(is_ready) else {
            let message = "the queries read each other's streams in a circle";
            return Err(SqlError::new(SqlErrorKind::Refused, message).into());
        };
        ordered.push(definitions.remove(ready));
    }
    Ok(ordered)
}

/// Where each stream is written.
fn assigned_outputs<'a>(
    stages: &[Stage],
    outputs: Vec<Output<'a>>,
) -> Result<BTreeMap<String, Box<dyn Write + 'a>>, BoundedError> {
    let names = |only_last: bool| {
        let is_read = |stream: &str| stages.iter().any(|stage| stage.definition.select.source == stream);
        let mut names: Vec<String> = Vec::new();
        for stage in stages {
            let into = &stage.definition.into;
            if !(names.contains(into) || only_last && is_read(into)) {
                names.push(into.clone());
            }
        }
        names
    };
    let named = outputs.iter().any(|(name, _)| name.is_some());
    Ok(assigned("written", "--to", &names(!named), outputs)?.into_iter().collect())
}

/// Each file with the stream it stands for.
fn assigned<F>(
    done: &str,
    option: &str,
    streams: &[String],
    files: Vec<(Option<String>, F)>,
) -> Result<Vec<Named<F>>, BoundedError> {
    let listed = || streams.iter().map(|stream| format!("`{stream}`")).collect::<Vec<_>>().join(", ");
    let mut assigned: Vec<Named<F>> = Vec::new();
    for (name, file) in files {
        let stream = match name {
            None => match streams {
                [only] => only.clone(),
                _ => {
                    let message =
                        format!("several streams are {done}: {}. Write {option} STREAM=FILE for each", listed());
                    return Err(BoundedError::Streams(message));
                }
            },
            Some(name) => {
                let found = streams.iter().find(|stream| **stream == name);
                let found = found.or_else(|| streams.iter().find(|stream| stream.eq_ignore_ascii_case(&name)));
                found.cloned().ok_or_else(|| {
                    BoundedError::Streams(format!("stream `{name}` is not {done}; it can be {}", listed()))
                })?
            }
        };
        if assigned.iter().any(|(known, _)| *known == stream) {
            return Err(BoundedError::Streams(format!("stream `{stream}` has two files: keep one {option}")));
        }
        assigned.push((stream, file));
    }
    Ok(assigned)
}
