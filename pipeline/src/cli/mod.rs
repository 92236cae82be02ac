//! The command line. Data goes to standard output, everything else to standard error. The exit
//! status is 0 or that of the failure's kind.

mod cause;
mod doctor;
mod local;
#[cfg(test)]
mod reference;
mod server;
mod settings;
mod usage;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};
use client::failure::{Failure, Kind};
use client::{aws, flow, put, sensor, sql, stream, table, tap, top};
use tokio::runtime::{Builder, Runtime};

use crate::backends;
use crate::cli::local::{completions, inspect, repair, run};
use crate::cli::server::{demo, serve, sim};
use crate::config::access::first_credential::FirstCredential;
use crate::config::effective::DATA;
use crate::telemetry::logs;

/// How long the end of the process waits for work on threads of their own, such as a write that a
/// disk holds up. Everything that was acknowledged is durable by then.
const THREADS_END_MAX: Duration = Duration::from_millis(250);

/// Stack of a thread: continuous queries recurse once an operator. Only what is used becomes memory.
const STACK_BYTES: usize = 16 << 20;

/// A streaming data pipeline in one binary.
#[derive(Debug, Parser)]
#[command(
    name = "gallop",
    version,
    max_term_width = 100,
    after_help = "Examples:\n  gallop demo\n  gallop serve --data gallop-data\n  gallop stream list"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything at once: server, twenty unicorns, queries and a live table of results.
    Demo(demo::DemoArgs),
    /// Run a server: Kinesis API, queries, deliveries, REST and SQL on one port.
    Serve(serve::ServeArgs),
    /// Simulate a fleet of unicorns that send to a stream.
    Sim(sim::SimCommand),
    /// Send the lines of a JSON-lines file, or of standard input, to a stream.
    Put(put::PutCommand),
    /// Run a query file over JSON lines, without a server.
    Run(run::RunArgs),
    /// Asks archive and live records with SQL.
    Sql(sql::SqlArgs),
    /// Follow streams, decoded and filtered.
    #[command(visible_alias = "tail")]
    Tap(tap::TapArgs),
    /// Watch a server, second by second.
    Top(top::TopArgs),
    /// Streams and their shards: list, describe, create, split, merge, scale, delete, retention.
    Stream(stream::StreamArgs),
    /// Tables and their items: list, describe, get, scan, query.
    Table(table::TableArgs),
    /// Continuous queries: list, show, explain, create, alter, pause, resume, drop.
    Query(flow::QueryArgs),
    /// Delivery streams: list, show, create, alter, pause, resume, drop.
    Delivery(flow::DeliveryArgs),
    /// Ports and schemas of a running server for sensor datagrams.
    Sensor(sensor::SensorArgs),
    /// Run the AWS command line against a Gallop server.
    Aws(aws::AwsArgs),
    /// Print the variables with which AWS tools and SDKs find a Gallop server.
    Env(aws::EnvArgs),
    /// Check, show or start a settings file.
    Config(settings::ConfigArgs),
    /// Check for anything that can keep a server from starting or from keeping its promises.
    Doctor(doctor::DoctorArgs),
    /// Verify a data folder and print what it holds, without a server.
    Inspect(inspect::InspectArgs),
    /// List what damage has taken from a data folder, and make the rest readable.
    Repair(repair::RepairArgs),
    /// Print the completion script of a shell.
    Completions(completions::CompletionsArgs),
    /// Print manual pages.
    Man(completions::ManArgs),
}

impl Command {
    /// Whether it only asks a server.
    fn only_asks(&self) -> bool {
        matches!(
            self,
            Command::Sensor(_)
                | Command::Stream(_)
                | Command::Table(_)
                | Command::Tap(_)
                | Command::Top(_)
                | Command::Query(_)
                | Command::Delivery(_)
        )
    }

    /// Whether it logs warnings only, unless `GALLOP_LOG` wants more: what it prints is for people.
    fn is_for_people(&self) -> bool {
        self.only_asks()
            || matches!(
                self,
                Command::Demo(_)
                    | Command::Sim(_)
                    | Command::Put(_)
                    | Command::Run(_)
                    | Command::Sql(_)
                    | Command::Doctor(_)
            )
    }
}

/// Parses the arguments and runs the command.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let words = std::env::args_os().filter_map(|word| word.into_string().ok());
            match usage::failure(&Cli::command(), &error, words) {
                Some(failure) => return ExitCode::from(failure.tell()),
                None => error.exit(),
            }
        }
    };
    if let Err(message) =
        crate::config::variables::check_variables(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))
    {
        return ExitCode::from(Failure::new(Kind::Usage, message).whole().tell());
    }
    // What a server does with privileges comes before there are other threads, which would keep
    // theirs.
    let ended = match cli.command {
        Command::Serve(args) => args.prepare().and_then(|prepared| until_end(all_threads(), serve::run(prepared))),
        command if command.only_asks() => until_end(one_thread(), run(command)),
        command => until_end(all_threads(), run(command)),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads standard output has enough, as with `| head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => ExitCode::from(cause::failure_of(error).whole().tell()),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// For commands that ask a server and wait for it: nothing is started that they do not need.
fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("the system gives a poll")
}

/// For commands that do the work themselves.
fn all_threads() -> Runtime {
    Builder::new_multi_thread().thread_stack_size(STACK_BYTES).enable_all().build().expect("the system gives threads")
}

fn until_end(runtime: Runtime, work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let ended = runtime.block_on(work);
    runtime.shutdown_timeout(THREADS_END_MAX);
    ended
}

/// Key and secret that the first start in a data folder made.
fn first_keys(data: Option<&Path>) -> Option<(String, String)> {
    FirstCredential::keys(data.unwrap_or(Path::new(DATA)))
}

async fn run(command: Command) -> anyhow::Result<()> {
    if command.is_for_people() {
        logs::start_quiet()?;
    }
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Serve(args) => serve::run(args.prepare()?).await,
        Command::Sim(args) => sim::run(args).await,
        Command::Put(args) => put::run(args).await,
        Command::Run(args) => run::run(args).await,
        Command::Sql(args) => {
            let open_archive =
                async |place: &str, profile: Option<&str>| Box::pin(backends::archive_engine(place, profile)).await;
            sql::run(args, open_archive).await
        }
        Command::Tap(args) => tap::run(args).await,
        Command::Top(args) => top::run(args).await,
        Command::Stream(args) => stream::run(args).await,
        Command::Table(args) => table::run(args).await,
        Command::Query(args) => flow::queries(args).await,
        Command::Delivery(args) => flow::deliveries(args).await,
        Command::Sensor(args) => sensor::run(args).await,
        Command::Aws(args) => aws::run(args, first_keys),
        Command::Env(args) => aws::env(&args, first_keys),
        Command::Config(args) => settings::run(args),
        Command::Doctor(args) => doctor::run(args).await,
        Command::Inspect(args) => inspect::run(args),
        Command::Repair(args) => repair::run(args),
        Command::Completions(args) => completions::run(&args, Cli::command()),
        Command::Man(args) => completions::man(args, Cli::command()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    /// Every command that does something, with its help.
    fn commands(command: &Command, path: String, found: &mut Vec<(String, String)>) {
        let mut below = command.get_subcommands().filter(|below| below.get_name() != "help").peekable();
        if below.peek().is_none() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            found.push((path.clone(), help));
        }
        for command in below {
            commands(command, format!("{path} {}", command.get_name()), found);
        }
    }

    #[test]
    fn the_help_of_every_command_ends_in_examples_that_are_understood() {
        let mut found = Vec::new();
        commands(&Cli::command(), "gallop".to_owned(), &mut found);
        for (path, help) in found {
            let examples: Vec<&str> = help.lines().filter(|line| line.contains("gallop")).collect();
            assert!(examples.len() >= 2, "{path}: {help}");
            for example in examples {
                let own = &example[example.find("gallop").expect("it is there")..];
                // Up to what the shell takes.
                let own = own.split([' ']).take_while(|word| !matches!(*word, "|" | ">")).collect::<Vec<_>>().join(" ");
                let own = own.trim_end_matches([')', '"']);
                let words = words(own);
                if let Err(error) = Cli::try_parse_from(&words) {
                    panic!("{path}: {own}: {error}");
                }
            }
        }
    }

    /// The words of a line, as a shell takes them apart where it knows single quotes only.
    fn words(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (place, part) in line.split('\'').enumerate() {
            if place % 2 == 1 {
                words.push(part.to_owned());
            } else {
                words.extend(part.split_whitespace().map(str::to_owned));
            }
        }
        words
    }
}
