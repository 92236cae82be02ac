//! Arguments that do not read, in the three parts that every failure has.

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use client::failure::{Failure, Kind};

/// The failure in what clap says of arguments of a command line; none where it only shows a help or a version.
pub(crate) fn failure(line: &Command, error: &clap::Error, arguments: impl Iterator<Item = String>) -> Option<Failure> {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        return None;
    }
    let text = error.to_string();
    let body = text.strip_prefix("error: ").unwrap_or(&text);
    // The first paragraph says what; tips and the usage follow.
    let what = body.split("\n\n").next().unwrap_or(body);
    let what = what.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let mut fixes: Vec<String> =
        body.lines().filter_map(|line| line.trim().strip_prefix("tip: ")).map(str::to_owned).collect();
    let called = called(line, arguments);
    let (what, why) = match error.kind() {
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            match what.split_once("': ").or_else(|| what.split_once("' [")) {
                Some((what, why)) => (format!("{what}'"), why.trim_end_matches(']').to_owned()),
                None => (what, format!("`{called}` does not accept that value")),
            }
        }
        ErrorKind::MissingRequiredArgument => (what, format!("`{called}` requires it")),
        ErrorKind::ArgumentConflict => (what, format!("`{called}` accepts only one of them at a time")),
        ErrorKind::InvalidSubcommand => (what, format!("the commands of `{called}` are {}", commands(line, &called))),
        _ => (what, format!("`{called}` has no such argument")),
    };
    if let Some(ContextValue::Strings(values)) = error.get(ContextKind::ValidValue).filter(|_| fixes.is_empty()) {
        fixes.push(format!("use one of: {}", values.join(", ")));
    }
    fixes.push(format!("see {called} --help"));
    Some(Failure::new(Kind::Usage, what).why(why).fix(fixes.join("; ")))
}

/// The command that arguments name, as far as there is one.
fn called(line: &Command, arguments: impl Iterator<Item = String>) -> String {
    let (mut command, mut called) = (line.clone(), "gallop".to_owned());
    for word in arguments.skip(1) {
        let Some(found) = command.find_subcommand(&word).cloned() else { continue };
        called = format!("{called} {}", found.get_name());
        command = found;
    }
    called
}

/// The names of a command's subcommands.
fn commands(line: &Command, called: &str) -> String {
    let mut command = line.clone();
    for word in called.split(' ').skip(1) {
        match command.find_subcommand(word) {
            Some(found) => command = found.clone(),
            None => break,
        }
    }
    let names: Vec<&str> = command.get_subcommands().filter(|sub| !sub.is_hide_set()).map(Command::get_name).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::cli::Cli;

    fn check(line: &str, what: &str, fix: &str) {
        let error = Cli::try_parse_from(line.split(' ')).expect_err("it does not parse");
        let told = failure(&Cli::command(), &error, line.split(' ').map(str::to_owned)).expect("a failure").to_string();
        assert!(told.contains(what) && told.contains("\n  why: ") && told.contains(fix), "{told}");
    }

    #[test]
    fn usage_errors_have_three_parts() {
        check("gallop streem list", "unrecognized subcommand 'streem'", "'stream'");
        check("gallop stream list --otput json", "unexpected argument '--otput' found", "'--output'");
        check(
            "gallop stream create",
            "required arguments were not provided: <NAME>",
            "see gallop stream create --help",
        );
        check("gallop stream list --output xml", "invalid value 'xml'", "gallop stream list --help");
        assert!(
            failure(
                &Cli::command(),
                &Cli::try_parse_from(["gallop", "--help"]).expect_err("a help"),
                std::iter::empty()
            )
            .is_none()
        );
    }
}
