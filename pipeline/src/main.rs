//! The roof: parses, reads the settings, wires and waits. It knows everyone; nobody knows it.

mod backends;
#[cfg(feature = "s3")]
mod bucket;
mod bulk;
mod cli;
mod config;
mod data_folder;
mod doctor;
mod flows;
mod holder;
mod kept_file;
mod machine;
mod metrics;
mod open_files;
mod read_only;
#[cfg(test)]
mod reference;
mod sensors;
mod streams;
mod telemetry;
mod serve;
mod sql;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    sql::worker::run_if_asked(std::env::args_os()).unwrap_or_else(cli::main)
}
