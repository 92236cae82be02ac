//! `gallop config`: settings checked, shown and begun, without a server and without changing
//! anything that is there.

mod begin;
mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::config::effective::SettingsArgs;
use crate::config::text::error::{ConfigError, Located};
use client::output::row_printer::{Output, OutputArgs};

/// Arguments of `gallop config`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gallop config check gallop.toml\n  gallop config init --for local --file gallop.toml"
)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Check whether a server would start with these settings; reports every error with line,
    /// column and fix.
    #[command(
        after_help = "Examples:\n  gallop config check gallop.toml\n  gallop config check --config gallop.toml --host 0.0.0.0 --output json"
    )]
    Check(CheckArgs),
    /// Show the settings in effect, combined from flags, variables, the file and defaults.
    #[command(after_help = "Examples:\n  gallop config show\n  gallop config show gallop.toml --sources --output json")]
    Show(show::ShowArgs),
    /// Write a settings file to start with.
    #[command(
        after_help = "Examples:\n  gallop config init --for local\n  gallop config init --for kafka-s3-dynamodb --file settings/gallop.toml"
    )]
    Init(begin::InitArgs),
}

/// Arguments of `gallop config check`.
#[derive(Debug, Args)]
struct CheckArgs {
    /// The settings file [default: as `gallop serve` finds it].
    #[arg(value_name = "FILE", conflicts_with = "config")]
    path: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Does what was asked.
pub(crate) fn run(args: ConfigArgs) -> anyhow::Result<()> {
    match args.what {
        What::Check(args) => check(args),
        What::Show(args) => show::run(args),
        What::Init(args) => begin::run(args),
    }
}

fn check(args: CheckArgs) -> anyhow::Result<()> {
    let settings = args.settings.of_file(args.path);
    let output = args.output.choose();
    match settings.read() {
        Ok(effective) => {
            let source =
                effective.file.map_or("the settings without a file".to_owned(), |file| file.display().to_string());
            if output == Output::Json {
                println!("{}", json!({"valid": true, "source": source, "faults": []}));
            } else {
                eprintln!("✓ {source}: a server would start with it");
            }
            Ok(())
        }
        Err(error) => {
            if output == Output::Json {
                println!("{}", faults_as_json(&error));
            }
            Err(error.into())
        }
    }
}

/// All that is wrong, for programs.
pub(crate) fn faults_as_json(error: &ConfigError) -> Value {
    let one = |fault: &Located| {
        json!({
            "source": fault.source,
            "line": fault.line_column.map(|(line, _)| line),
            "column": fault.line_column.map(|(_, column)| column),
            "message": fault.message,
            "suggestion": fault.suggestion,
        })
    };
    json!({"valid": false, "faults": error.faults.iter().map(one).collect::<Vec<_>>()})
}
