//! Prints rows that come as JSON lines: as they are, as CSV, or as a drawn table.

use std::io::{self, IsTerminal, Write};

use clap::{Args, ValueEnum};
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use serde_json::{Map, Value};

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A drawn table.
    Table,
    /// One JSON object a line.
    Json,
    /// Comma-separated, with a header line.
    Csv,
}

/// The flag that all commands which print rows share.
#[derive(Debug, Clone, Copy, Args)]
pub struct OutputArgs {
    /// Output format [default: table on a terminal, json elsewhere].
    #[arg(long, global = true, value_enum)]
    output: Option<Output>,
}

impl OutputArgs {
    /// What was asked for, or what suits standard output.
    pub fn choose(self) -> Output {
        let usual = if io::stdout().is_terminal() { Output::Table } else { Output::Json };
        self.output.unwrap_or(usual)
    }

    /// What was asked for.
    pub fn asked(self) -> Option<Output> {
        self.output
    }
}

/// The most rows that are held to be drawn as one table; the next ones begin another.
const TABLE_ROWS_MAX: usize = 1000;

/// Takes lines, prints rows.
pub struct RowPrinter<W> {
    output: Output,
    columns: Vec<String>,
    table: Vec<Vec<String>>,
    header_printed: bool,
    rows: u64,
    to: W,
}

impl<W: Write> RowPrinter<W> {
    /// Prints to `to`. Without `columns`, those of the first row are taken.
    pub fn new(output: Output, columns: Vec<String>, to: W) -> Self {
        RowPrinter { output, columns, table: Vec::new(), header_printed: false, rows: 0, to }
    }

    /// Prints whole lines, one JSON object each.
    pub fn lines(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.output == Output::Json {
            return self.to.write_all(lines);
        }
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let row: Map<String, Value> = serde_json::from_slice(line)?;
            if self.columns.is_empty() {
                self.columns = row.keys().cloned().collect();
            }
            let cells: Vec<String> = self.columns.iter().map(|column| cell(row.get(column))).collect();
            self.rows += 1;
            self.row(cells)?;
        }
        Ok(())
    }

    fn row(&mut self, cells: Vec<String>) -> io::Result<()> {
        if self.output == Output::Csv {
            self.csv_header()?;
            return csv_line(&mut self.to, &cells);
        }
        self.table.push(cells);
        if self.table.len() == TABLE_ROWS_MAX { self.draw() } else { Ok(()) }
    }

    fn csv_header(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.header_printed, true) {
            csv_line(&mut self.to, &self.columns)?;
        }
        Ok(())
    }

    fn draw(&mut self) -> io::Result<()> {
        let mut table = Table::new();
        table.load_preset(UTF8_FULL_CONDENSED).set_header(&self.columns).add_rows(std::mem::take(&mut self.table));
        writeln!(self.to, "{table}")
    }

    /// Prints what is left.
    pub fn finish(mut self) -> io::Result<()> {
        match self.output {
            Output::Json => {}
            Output::Csv if self.columns.is_empty() => {}
            Output::Csv => self.csv_header()?,
            Output::Table => {
                if !self.table.is_empty() || (self.rows == 0 && !self.columns.is_empty()) {
                    self.draw()?;
                }
                writeln!(self.to, "{} {}", self.rows, if self.rows == 1 { "row" } else { "rows" })?;
            }
        }
        self.to.flush()
    }
}

/// Takes bytes of JSON lines, however they are cut, and prints their rows.
pub struct RowWriter<W> {
    printer: RowPrinter<W>,
    rest: Vec<u8>,
}

impl<W: Write> RowWriter<W> {
    /// Prints with `printer`.
    pub fn new(printer: RowPrinter<W>) -> Self {
        RowWriter { printer, rest: Vec::new() }
    }

    /// Prints what is left.
    pub fn finish(self) -> io::Result<()> {
        self.printer.finish()
    }
}

impl<W: Write> Write for RowWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        if let Some(end) = memchr::memrchr(b'\n', &self.rest) {
            let lines: Vec<u8> = self.rest.drain(..=end).collect();
            self.printer.lines(&lines)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Prints whole rows. Without `columns`, those of the first row are taken; as JSON, every row is printed as it is.
pub fn print_rows(output: Output, columns: &[&str], rows: &[Value]) -> anyhow::Result<()> {
    let columns = columns.iter().map(ToString::to_string).collect();
    let mut printer = RowPrinter::new(output, columns, io::stdout().lock());
    for row in rows {
        printer.lines(format!("{row}\n").as_bytes())?;
    }
    Ok(printer.finish()?)
}

/// A cell as people read it: text bare, nothing for null, other values as JSON. Control characters are shown, so that
/// a record cannot drive the terminal.
fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => return String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    printable(&text)
}

/// Text that cannot drive a terminal: control characters are shown.
pub fn printable(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect()
}

/// One line of RFC 4180.
fn csv_line(to: &mut impl Write, cells: &[String]) -> io::Result<()> {
    let quoted: Vec<String> = cells
        .iter()
        .map(|cell| {
            if cell.contains(['"', ',', '\r', '\n']) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell.clone()
            }
        })
        .collect();
    writeln!(to, "{}", quoted.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(output: Output, columns: &[&str], chunks: &[&str]) -> String {
        let mut bytes = Vec::new();
        let mut printer = RowPrinter::new(output, columns.iter().map(ToString::to_string).collect(), &mut bytes);
        for chunk in chunks {
            printer.lines(chunk.as_bytes()).expect("lines of JSON");
        }
        printer.finish().expect("a vector takes all");
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn json_is_passed_on() {
        assert_eq!(printed(Output::Json, &[], &["{\"a\":1}\n", "{\"a\":2}\n"]), "{\"a\":1}\n{\"a\":2}\n");
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        let csv = printed(Output::Csv, &[], &["{\"a\":\"x,\\\"y\",\"b\":null}\n{\"b\":1.5,\"a\":\"z\"}\n"]);
        assert_eq!(csv, "a,b\n\"x,\"\"y\",\nz,1.5\n");
        assert_eq!(printed(Output::Csv, &["a"], &[]), "a\n", "no rows still have columns");
    }

    #[test]
    fn tables_count_rows_and_show_control_characters() {
        let table = printed(Output::Table, &[], &["{\"Name\":\"\\u001b[31mred\"}\n"]);
        assert!(table.contains("Name") && table.contains("\\u{1b}[31mred") && table.ends_with("1 row\n"), "{table}");
    }
}
