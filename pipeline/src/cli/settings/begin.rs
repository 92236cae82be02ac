//! `gallop config init`: a commented file to begin with, and the files of SQL that it names. What is there stays.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::config::catalogue::{self, Usual};
use crate::config::file::FILE_NAME;
use client::failure::{Failure, Kind};
use client::output::receipt;
use client::output::row_printer::OutputArgs;

const PER_MINUTE: (&str, &str) = ("per-minute.sql", include_str!("../../demo/per-minute.sql"));
const TEN_SECONDS: (&str, &str) = ("ten-seconds.sql", include_str!("../../demo/ten-seconds.sql"));
const EXAMPLE: &str = include_str!("../../../../infra/examples/kafka-s3-dynamodb.toml");

/// Arguments of `gallop config init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// What the settings are for.
    #[arg(long = "for", value_enum, default_value_t = Purpose::Local)]
    purpose: Purpose,
    /// The file to write; files that it refers to are written next to it.
    #[arg(long, value_name = "FILE", default_value = FILE_NAME)]
    file: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
}

/// What settings are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Purpose {
    /// The unicorns' streams, queries, tables and deliveries, as `gallop demo` has them.
    Demo,
    /// Everything on this machine: every setting with its usual value, commented out.
    Local,
    /// Streams on Kafka, the archive on S3, tables in DynamoDB.
    KafkaS3Dynamodb,
}

impl Purpose {
    /// The settings, and the files that they name.
    fn texts(self) -> (String, Vec<(&'static str, &'static str)>) {
        match self {
            Purpose::Demo => (include_str!("../../demo/gallop.toml").to_owned(), vec![PER_MINUTE, TEN_SECONDS]),
            Purpose::Local => (every_setting(), Vec::new()),
            Purpose::KafkaS3Dynamodb => {
                let text = EXAMPLE.replace("../../pipeline/src/demo/", "");
                (text.replace("infra/examples/kafka-s3-dynamodb.toml", FILE_NAME), vec![PER_MINUTE])
            }
        }
    }
}

/// Writes it.
pub(crate) fn run(args: InitArgs) -> anyhow::Result<()> {
    let (text, beside) = args.purpose.texts();
    let folder = args.file.parent().unwrap_or(Path::new(""));
    let mut files = vec![(args.file.clone(), text.as_str())];
    files.extend(beside.into_iter().map(|(name, text)| (folder.join(name), text)));
    if let Some((there, _)) = files.iter().find(|(file, _)| file.exists()) {
        return Err(is_there(there).into());
    }
    if !folder.as_os_str().is_empty() {
        std::fs::create_dir_all(folder).map_err(|error| not_written(folder, &error))?;
    }
    for (file, text) in &files {
        let opened = OpenOptions::new().write(true).create_new(true).open(file);
        opened.and_then(|mut opened| opened.write_all(text.as_bytes())).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => is_there(file),
            _ => not_written(file, &error),
        })?;
    }
    let names: Vec<String> = files.iter().map(|(file, _)| file.display().to_string()).collect();
    let said = format!("{} written; start with: gallop serve --config {}", names.join(", "), names[0]);
    receipt::tell(args.output.choose(), &said, &json!({ "written": names }))?;
    Ok(())
}

fn is_there(file: &Path) -> Failure {
    Failure::new(Kind::Conflict, format!("{} already exists", file.display()))
        .why("existing files are never overwritten")
        .fix("name another file with --file, or move that one away")
}

fn not_written(file: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Kind::Failed, format!("{} cannot be written", file.display()))
        .why(error.to_string())
        .fix("name a file in a folder that you may write to with --file")
}

/// Every setting with its usual value, commented out.
fn every_setting() -> String {
    let mut text =
        "# Settings of gallop. What is commented out holds as it stands here; NAME is a name of your choice.\n\
                    #\n#   gallop config check FILE    says what is wrong with them\n\
                    #   gallop config show FILE     says what holds\n"
            .to_owned();
    for table in catalogue::tables() {
        let list = matches!(table, "credentials.NAME.policy" | "sensor.schema" | "sensor.port");
        let _ = match (table, list) {
            ("", _) => writeln!(text),
            (_, true) => writeln!(text, "\n# [[{table}]]"),
            (_, false) => writeln!(text, "\n# [{table}]"),
        };
        for setting in catalogue::of_table(table) {
            let _ = match setting.usual {
                Usual::Value(value) => writeln!(text, "# {} = {value}  # {}", setting.key, setting.about),
                Usual::Required(value) => writeln!(text, "# {} = {value}  # needed: {}", setting.key, setting.about),
                Usual::Said(words) => writeln!(text, "# {} =    # {}; without it: {words}", setting.key, setting.about),
            };
        }
    }
    text
}

#[cfg(all(test, feature = "dynamodb", feature = "kafka", feature = "s3"))]
mod tests {
    use super::*;
    use crate::config::file::Config;

    #[test]
    fn what_is_written_is_understood() {
        for purpose in [Purpose::Demo, Purpose::Local, Purpose::KafkaS3Dynamodb] {
            let (text, beside) = purpose.texts();
            let config =
                Config::parse(Path::new("g.toml"), &text).unwrap_or_else(|error| panic!("{purpose:?}: {error}"));
            let named = config.queries.values().map(|query| query.sql.display().to_string());
            let written: Vec<&str> = beside.iter().map(|(name, _)| *name).collect();
            assert_eq!(named.collect::<Vec<_>>(), written, "{purpose:?}");
        }
    }
}
