//! The command line. Data goes to standard output, everything else to standard error. The exit status is 0 or that of the
//! failure's kind.

mod authorization;
mod bench;
mod connection;
mod demo;
mod doctor;
mod failure;
mod inspect;
mod put;
mod receipt;
mod remote_sql;
mod rest_client;
mod row_printer;
mod run;
mod sensor;
mod serve;
mod settings;
mod sim;
mod sql;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::cli::failure::{Failure, Kind};

/// How long the end of the process waits for work on threads of their own, such as a write that a disk holds up.
/// Everything that was acknowledged is durable by then.
const THREADS_END_MAX: Duration = Duration::from_millis(250);

/// A streaming data pipeline in one binary.
#[derive(Debug, Parser)]
#[command(name = "gallop", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything at once: server, twenty unicorns, queries, and a live table of what they find.
    Demo(demo::DemoArgs),
    /// The server: Kinesis API, queries, deliveries, REST and SQL on one port.
    Serve(serve::ServeArgs),
    /// A fleet of simulated unicorns that send to a stream.
    Sim(sim::SimCommand),
    /// Sends the lines of a JSON-lines file, or of standard input, to a stream.
    Put(put::PutCommand),
    /// Runs a query file over JSON lines, without a server.
    Run(run::RunArgs),
    /// Asks archive and live records with SQL.
    Sql(sql::SqlArgs),
    /// Ports and schemas of a running server for sensor datagrams.
    Sensor(sensor::SensorArgs),
    /// Settings: checked, shown, begun.
    Config(settings::ConfigArgs),
    /// Looks for what may keep a server from starting or from keeping its promises.
    Doctor(doctor::DoctorArgs),
    /// Verifies what a data folder holds and prints it, without a server.
    Inspect(inspect::InspectArgs),
    /// Measures this machine.
    Bench(bench::BenchArgs),
}

/// Parses the arguments and runs the command.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(message) =
        crate::config::variables::check_variables(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))
    {
        return ExitCode::from(Failure::new(Kind::Usage, message).tell());
    }
    // What a server does with privileges comes before there are other threads, which would keep theirs.
    let ended = match cli.command {
        Command::Serve(args) => args.prepare().and_then(|prepared| until_end(serve::run(prepared))),
        command => until_end(run(command)),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ExitCode::from(Failure::of(error).tell()),
    }
}

fn until_end(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("the system gives threads");
    let ended = runtime.block_on(work);
    runtime.shutdown_timeout(THREADS_END_MAX);
    ended
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Serve(args) => serve::run(args.prepare()?).await,
        Command::Sim(args) => sim::run(args).await,
        Command::Put(args) => put::run(args).await,
        Command::Run(args) => run::run(args).await,
        Command::Sql(args) => sql::run(args).await,
        Command::Sensor(args) => sensor::run(args).await,
        Command::Config(args) => settings::run(args),
        Command::Doctor(args) => doctor::run(args).await,
        Command::Inspect(args) => inspect::run(args),
        Command::Bench(args) => bench::run(args).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
