//! `gallop completions` and `gallop man`: what shells and `man` read, made from the command line
//! itself.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;

/// Arguments of `gallop completions`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gallop completions bash > ~/.local/share/bash-completion/completions/gallop\n  gallop completions fish > ~/.config/fish/completions/gallop.fish"
)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

/// Arguments of `gallop man`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  gallop man | man -l -\n  gallop man --folder ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Write a page for every command to this folder, instead of the first one to standard output.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Prints the script of a shell.
pub(crate) fn run(args: &CompletionsArgs, mut command: Command) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "gallop", &mut script);
    std::io::stdout().write_all(&script).context("standard output cannot be written")
}

/// Prints a page, or writes them all.
pub(crate) fn man(args: ManArgs, command: Command) -> anyhow::Result<()> {
    match args.folder {
        Some(folder) => {
            std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
            let written = clap_mangen::generate_to(command, &folder);
            written.with_context(|| format!("{} cannot be written to", folder.display()))?;
            eprintln!("✓ a page for every command in {}", folder.display());
            Ok(())
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            std::io::stdout().write_all(&page).context("standard output cannot be written")
        }
    }
}
