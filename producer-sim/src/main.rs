//! The simulator as a program of its own.

use std::process::ExitCode;

use clap::Parser;
use producer_sim::sim::{SimArgs, run};

/// A fleet of simulated unicorns that send to a Kinesis stream.
#[derive(Debug, Parser)]
#[command(name = "producer-sim", version, about)]
struct Cli {
    #[command(flatten)]
    sim: SimArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    let interrupted = async {
        // Without signals the fleet ends by its count, its time or a kill.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    };
    match run(Cli::parse().sim, interrupted).await {
        Ok(report) => {
            println!("{report}");
            if report.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
