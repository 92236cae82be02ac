//! The page of the command line, `docs/reference/command-line.md`, as clap knows it.

use std::fmt::Write;

use clap::{Arg, Command, CommandFactory};

use crate::cli::Cli;
use crate::reference::{cell, hold};

/// What the page begins with.
const HEAD: &str = "# Command line\n\nMade from the code. `gallop COMMAND --help` says the same.\n";
/// What stands in every command.
const OF_ALL: [&str; 2] = ["help", "version"];

fn page() -> String {
    let mut page = HEAD.to_owned();
    let mut root = Cli::command();
    root.build();
    for command in shown(&root) {
        describe(command, command.get_name(), &mut page);
    }
    page
}

/// The commands below one, in their own order.
fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help")
}

/// A command, and what is below it.
fn describe(command: &Command, path: &str, page: &mut String) {
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let usage = command.clone().bin_name(format!("gallop {path}")).render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").split_whitespace().collect::<Vec<_>>().join(" ");
    write!(page, "\n## gallop {path}\n\n{}\n\n`{usage}`\n", about.trim()).expect("text takes text");
    let arguments: Vec<&Arg> = command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set() && !OF_ALL.contains(&argument.get_id().as_str()))
        .collect();
    if !arguments.is_empty() {
        page.push_str("\n| argument | meaning |\n| --- | --- |\n");
        for argument in arguments {
            writeln!(page, "| `{}` | {} |", spelled(argument).replace('|', "\\|"), cell(&meaning(argument)))
                .expect("text takes text");
        }
    }
    if let Some(examples) = command.get_after_long_help().or(command.get_after_help()) {
        let examples = examples.to_string();
        let lines: Vec<&str> =
            examples.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "Examples:").collect();
        write!(page, "\n```text\n{}\n```\n", lines.join("\n")).expect("text takes text");
    }
    for below in shown(command) {
        describe(below, &format!("{path} {}", below.get_name()), page);
    }
}

/// An argument as it is typed.
fn spelled(argument: &Arg) -> String {
    let takes = argument.get_action().takes_values();
    let values = argument.get_value_names().unwrap_or_default();
    let values: Vec<String> = values.iter().filter(|_| takes).map(|name| format!("<{name}>")).collect();
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let flag: Vec<String> = short.into_iter().chain(long).collect();
    let words = [flag.join(", "), values.join(" ")];
    words.iter().filter(|word| !word.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// What an argument is for, what it may be, and what holds without it.
fn meaning(argument: &Arg) -> String {
    let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
    let quoted = |texts: Vec<String>| texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ");
    let (mut help, mut parts) = (help.trim().to_owned(), Vec::new());
    if argument.get_action().takes_values() {
        let usual: Vec<_> =
            argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
        if !usual.is_empty() && !argument.is_hide_default_value_set() {
            help = format!("{} [default: {}]", help.trim_end_matches('.'), quoted(usual));
        }
        let values = argument.get_possible_values();
        let values: Vec<_> =
            values.iter().filter(|value| !value.is_hide_set()).map(|value| value.get_name().to_owned()).collect();
        if !values.is_empty() && !argument.is_hide_possible_values_set() {
            parts.push(format!("One of {}.", quoted(values)));
        }
    }
    if let Some(variable) = argument.get_env() {
        parts.push(format!("Variable: `{}`.", variable.to_string_lossy()));
    }
    if argument.is_required_set() {
        parts.push("Required.".to_owned());
    }
    parts.insert(0, if help.ends_with('.') { help } else { format!("{help}.") });
    parts.join(" ")
}

#[test]
fn the_page_of_the_command_line_is_what_clap_knows() {
    hold("reference/command-line.md", &page());
}

#[test]
fn every_argument_says_what_it_is_for() {
    fn look(command: &Command, path: &str, silent: &mut Vec<String>) {
        let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set());
        silent.extend(
            arguments
                .filter(|argument| argument.get_help().is_none())
                .map(|argument| format!("{path} {}", argument.get_id())),
        );
        if command.get_about().is_none() {
            silent.push(path.to_owned());
        }
        for below in shown(command) {
            look(below, &format!("{path} {}", below.get_name()), silent);
        }
    }
    let mut silent = Vec::new();
    look(&Cli::command(), "gallop", &mut silent);
    assert!(silent.is_empty(), "without help: {silent:?}");
}
